//! A message that kills the worker, as `kill -9` would, each time that it is read. Needs the program itself, started again
//! whenever it dies, and is only here where fail points are compiled in.

use std::os::unix::process::ExitStatusExt as _;
use std::process::Stdio;

use lapin::options::QueuePurgeOptions;
use secrecy::ExposeSecret as _;
use tokio::process::{Child, Command};

use crate::support::{Installation, JOINABLE, Message, PATIENCE, eventually, logs};

const DEAD_LETTERS: &str = "join-community.dead-letters";

#[tokio::test]
async fn a_message_that_kills_the_worker_costs_three_crashes_and_nobody_else() {
    let installation = Installation::new().await;
    let producer = installation.producer().await;
    let mut events = installation.events().await;
    let mut crowd = installation.crowd(499).await;
    let killer = Message::join(crowd.site, installation.member(crowd.site, JOINABLE).await);
    let bystanders = crowd.requests.split_off(250);
    producer.send_all(&crowd.requests).await;
    producer.send(&killer).await;
    producer.send_all(&bystanders).await;

    let ((mut worker, mut _heard), mut crashes) = (launch(&installation, &killer), 0);
    eventually("499 are answered and one is a dead letter", PATIENCE * 4, async || {
        if let Some(status) = worker.try_wait().unwrap() {
            assert_eq!(status.signal(), Some(9), "{status}");
            crashes += 1;
            (worker, _heard) = launch(&installation, &killer);
        }
        match (installation.answered(&crowd).await, installation.depth(DEAD_LETTERS).await) {
            (499, 1) => Ok(()),
            seen => Err((crashes, seen)),
        }
    })
    .await;
    assert_eq!(crashes, 3, "once in the crowd, twice alone");
    let [letter] = installation.dead_letters(1).await.try_into().unwrap();
    assert_eq!(letter.header("x-join-community-reason"), "crash_loop");
    assert_eq!((letter.message_id(), letter.body.as_slice()), (Some(killer.request_id()), killer.body()));
    let channel = installation.channel().await;
    channel.queue_purge(DEAD_LETTERS.into(), QueuePurgeOptions::default()).await.unwrap();
    installation.all_joined_once(&crowd).await;
    events.tell_of(&[&crowd]).await;
    assert_eq!(worker.try_wait().unwrap(), None, "the worker died again");
    worker.kill().await.unwrap();
}

/// The program, doomed to die of this message.
fn launch(installation: &Installation, killer: &Message) -> (Child, logs::Heard) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_join-community"));
    command.arg("run").env_clear().stderr(Stdio::piped()).kill_on_drop(true);
    command.env("JOIN_COMMUNITY_KILLED_BY", killer.request_id());
    let config = &installation.config;
    let trusted = r#"[{ user = "member-gateway", identity_types = ["MEMBER"], sites = ["*"], may_elevate = false }]"#;
    for (name, value) in installation.vhost().values().into_iter().chain([
        ("AUTH__PRODUCERS", trusted),
        ("DATABASE__URL", config.database.url.expose_secret()),
        ("CACHE__URL", config.cache.url.expose_secret()),
        ("CACHE__PREFIX", &config.cache.prefix),
        ("HTTP__LISTEN", ""),
        ("BROKER__CONFIRM_TIMEOUT", "1s"),
        ("ANNOUNCE__SWEEP_INTERVAL", "200ms"),
        ("ANNOUNCE__LEASE", "2s"),
    ]) {
        command.env(format!("JOIN_COMMUNITY__{name}"), value);
    }
    let mut worker = command.spawn().unwrap();
    let heard = logs::listen_to(worker.stderr.take().expect("its log"));
    (worker, heard)
}
