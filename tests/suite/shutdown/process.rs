//! The same with the real program and real signals. Apart, because a process is started, listened to and signalled.

use std::time::Duration;

use join_community::config::Config;
use secrecy::ExposeSecret as _;
use tokio::process::Command;

use crate::support::{Installation, PATIENCE, Process, Proxy, Wire, eventually};

#[tokio::test]
async fn the_program_drains_and_exits_with_success_on_sigterm() {
    let installation = Installation::with(|config| config.join.batch_max = 4).await;
    let mut producer = installation.producer().await;
    let mut program = start(&installation.config);
    let first = installation.crowd_at_the_door(&producer, 1).await;
    assert_eq!(producer.answer_to(&first.requests[0]).await.status, 200);
    let crowd = installation.crowd_at_the_door(&producer, 400).await;
    installation.until_answered(&crowd, 20).await;
    program.signal("TERM").await;
    program.until_says("stopping").await;
    program.until_says("stopped").await;
    assert_eq!(program.end().await.code(), Some(0));
    let answered = u32::try_from(installation.answered(&crowd).await).unwrap();
    installation.until_holds("join-community.requests", 400 - answered).await;
    let worker = installation.start().await;
    installation.all_joined_once(&crowd).await;
    worker.stop().await;
}

#[tokio::test]
async fn the_program_leaves_at_once_on_a_second_signal_and_what_it_held_comes_again() {
    let installation = Installation::new().await;
    let mut producer = installation.producer().await;
    let mut config = installation.config.clone();
    // Long enough to be told a second time.
    config.database.statement_timeout = Duration::from_mins(1);
    config.shutdown.grace = Duration::from_secs(90);
    let database = Proxy::before(&mut config.database.url);
    let mut program = start(&config);
    let first = installation.crowd_at_the_door(&producer, 1).await;
    assert_eq!(producer.answer_to(&first.requests[0]).await.status, 200);
    database.set(Wire::Hung);
    let crowd = installation.crowd_at_the_door(&producer, 1).await;
    installation.until_holds("join-community.requests", 0).await;
    program.signal("INT").await;
    program.until_says("stopping").await;
    // Signals close together count as one, so it is told until it listens.
    let end = eventually("the program ends", PATIENCE, async || {
        program.signal("TERM").await;
        program.ended().ok_or("it runs")
    })
    .await;
    assert_eq!(end.code(), Some(1));
    let worker = installation.start().await;
    installation.all_joined_once(&crowd).await;
    worker.stop().await;
}

fn start(config: &Config) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_join-community"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("JOIN_COMMUNITY__")) {
        command.env_remove(name);
    }
    let millis = |duration: Duration| format!("{}ms", duration.as_millis());
    let values = [
        ("BROKER__URL", config.broker.url.expose_secret().to_owned()),
        ("DATABASE__URL", config.database.url.expose_secret().to_owned()),
        ("DATABASE__STATEMENT_TIMEOUT", millis(config.database.statement_timeout)),
        ("CACHE__URL", config.cache.url.expose_secret().to_owned()),
        ("CACHE__PREFIX", config.cache.prefix.clone()),
        ("JOIN__BATCH_MAX", config.join.batch_max.to_string()),
        ("SHUTDOWN__GRACE", millis(config.shutdown.grace)),
        ("HTTP__LISTEN", String::new()),
        ("AUTH__PRODUCERS", r#"[{ user = "member-gateway", identity_types = ["MEMBER"], sites = ["*"] }]"#.to_owned()),
    ];
    for (name, value) in values {
        command.env(format!("JOIN_COMMUNITY__{name}"), value);
    }
    Process::start(command.arg("run"))
}
