//! The moment in which a request lies in two queues: its copy is confirmed, itself not acknowledged. Needs the program itself
//! to die there, and is only here where fail points are compiled in.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use secrecy::ExposeSecret as _;
use tokio::process::{Child, Command};
use uuid::Uuid;

use super::{DEFERRED, impatient};
use crate::support::{Installation, JOINABLE, PATIENCE, logs};

#[tokio::test]
async fn a_worker_that_dies_between_a_copy_s_confirm_and_the_ack_makes_no_second_effect() {
    const BACKLOG: u32 = 600;
    let installation = Installation::with(impatient).await;
    let producer = installation.producer().await;
    let mut events = installation.events().await;
    installation.member(Uuid::new_v4(), JOINABLE).await;
    let crowd = installation.crowd_at_the_door(&producer, BACKLOG as usize).await;
    let (mut dying, _heard) = launch(&installation);
    let status = tokio::time::timeout(PATIENCE, dying.wait()).await.expect("the worker dies").unwrap();
    assert_eq!(status.signal(), Some(9), "{status}");

    let decided = u32::try_from(installation.answered(&crowd).await).unwrap();
    let left = installation.depth("join-community.requests").await + installation.depth(DEFERRED).await;
    assert!(decided + left > BACKLOG, "{decided} decided, {left} left: none of {BACKLOG} lies there twice");
    let worker = installation.start().await;
    installation.all_joined_once(&crowd).await;
    installation.until_holds(DEFERRED, 0).await;
    events.tell_of(&[&crowd]).await;
    worker.stop().await;
    assert_eq!(installation.answered(&crowd).await, BACKLOG as usize);
}

/// The program, doomed to die once a copy is confirmed.
fn launch(installation: &Installation) -> (Child, logs::Heard) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_join-community"));
    command.arg("run").env_clear().stderr(Stdio::piped()).kill_on_drop(true);
    command.env("JOIN_COMMUNITY_FAIL_POINT", "after-copy-confirmed");
    let config = &installation.config;
    let trusted = r#"[{ user = "member-gateway", identity_types = ["MEMBER"], sites = ["*"], may_elevate = false }]"#;
    for (name, value) in installation.vhost().values().into_iter().chain([
        ("AUTH__PRODUCERS", trusted),
        ("DATABASE__URL", config.database.url.expose_secret()),
        ("CACHE__URL", config.cache.url.expose_secret()),
        ("CACHE__PREFIX", &config.cache.prefix),
        ("HTTP__LISTEN", ""),
        ("JOIN__STEERED", "false"),
        ("JOIN__LANES", "1"),
        ("JOIN__BATCH_MAX", "16"),
        ("JOIN__PREFETCH", "16"),
        ("FAIRNESS__PATIENCE", "1ms"),
        ("ANNOUNCE__SWEEP_INTERVAL", "200ms"),
        ("ANNOUNCE__LEASE", "8s"),
    ]) {
        command.env(format!("JOIN_COMMUNITY__{name}"), value);
    }
    let mut worker = command.spawn().unwrap();
    let heard = logs::listen_to(worker.stderr.take().expect("its log"));
    (worker, heard)
}
