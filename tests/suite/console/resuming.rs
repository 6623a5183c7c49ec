//! A replay that stopped goes on where it was: what it sent is not sent again, not even what came back.

use std::path::PathBuf;

use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::repairing::{DEAD, REPLAY, ended, letters, on_record};
use crate::support::{Caller, Installation, JOINABLE, Message, Worker, ask_for_tokens};

const RESUME: &str = "/api/v1/dead-letters/replay/resume";

/// A file with a token that goes with this value.
struct Token(PathBuf);

impl Token {
    fn of(role: &str) -> Self {
        let path = std::env::temp_dir().join(format!("join-community-{}", Uuid::now_v7()));
        std::fs::write(&path, role).unwrap();
        Self(path)
    }
}

impl Drop for Token {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

/// What a verb of the command line says of this worker's replay.
async fn at(installation: &Installation, worker: &Worker, arguments: &[&str]) -> Value {
    let (token, server) = (Token::of("operator"), format!("http://{}", worker.operations().unwrap()));
    let whom = ["--at", &server, "--token-file", token.0.to_str().unwrap()];
    installation.says(&[&["dead-letters"][..], arguments, &whom].concat()).await
}

fn count(replay: &Value, name: &str) -> u64 {
    replay["tally"][name].as_u64().unwrap_or_else(|| panic!("no {name} in {replay}"))
}

#[tokio::test]
async fn a_replay_that_stopped_itself_goes_on_with_the_rest_and_sends_nothing_twice() {
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    let site = Uuid::now_v7();
    let (first, second) = (installation.member(site, JOINABLE).await, installation.member(site, JOINABLE).await);
    let mut producer = installation.producer().await;
    assert_eq!(producer.ask(&Message::join(site, first).id("taken")).await.status, 200);
    let conflict = Message::join(site, second)
        .id("taken")
        .to("join-community.internal", "dead-letter")
        .text_header("x-join-community-reason", "busy")
        .text_header(
            "x-join-community-first-seen",
            &join_community::wire::instant::text(time::OffsetDateTime::now_utc()),
        )
        .text_header("x-join-community-requester", "producer:member-gateway")
        .text_header("x-join-community-caller", &format!("MEMBER:{second}"));
    installation.producer_as_worker().await.send(&conflict).await;
    installation.until_holds(DEAD, 1).await;
    let members = letters(&installation, site, 7).await;
    installation.until_holds(DEAD, 8).await;
    let operator = Caller::of(&worker).bearing("operator");
    let nothing = operator.post(RESUME, &json!({ "reason": "why" })).await;
    assert_eq!(nothing.status, StatusCode::CONFLICT, "{nothing:?}");

    let order = json!({ "letters": { "all": true }, "reason": "ticket 4711" });
    assert_eq!(operator.post(REPLAY, &order).await.status, StatusCode::ACCEPTED);
    let stopped = ended(&operator).await;
    assert_eq!((count(&stopped, "cameBack"), count(&stopped, "left")), (1, 7), "{stopped}");
    assert_eq!(stopped["resumable"], true, "{stopped}");
    assert_eq!(operator.post(RESUME, &json!({ "reason": " " })).await.status, StatusCode::BAD_REQUEST);
    let page = operator.get("/dead-letters/replay").await;
    assert!(page.text.contains("Go on where it stopped"), "{page:?}");
    let page = operator.submit("/dead-letters/replay/resume", "why=the+first+was+known").await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{page:?}");

    let replay = ended(&operator).await;
    assert_eq!((&replay["id"], &replay["replayedBefore"]), (&stopped["id"], &json!(1)), "{replay}");
    assert_eq!([count(&replay, "chosen"), count(&replay, "replayed"), count(&replay, "left")], [7, 7, 0], "{replay}");
    assert_eq!((&replay["resumable"], &replay["tally"]["cameBack"]), (&json!(false), &json!(0)), "{replay}");
    for member in members {
        assert_eq!(installation.record(site, member).await.unwrap().privacy, "PUBLIC");
    }
    let left = installation.dead_letters(1).await.remove(0);
    assert_eq!(left.header("x-join-community-reason"), "conflict", "what came back was not sent again: {left:?}");
    assert_eq!(operator.post(RESUME, &json!({ "reason": "why" })).await.status, StatusCode::CONFLICT);
    let record = on_record(&worker, "dead_letters.replay_resume").await;
    assert_eq!(record[0], ("the first was known".to_owned(), "ordered".to_owned()));
    assert!(record[1].1.contains("replayed 7"), "{record:?}");
    worker.stop().await;
}

#[tokio::test]
async fn a_replay_is_watched_stopped_and_gone_on_with_at_the_command_line() {
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    assert!(at(&installation, &worker, &["progress"]).await.is_null());
    letters(&installation, Uuid::now_v7(), 30).await;
    installation.until_holds(DEAD, 30).await;
    let operator = Caller::of(&worker).bearing("operator");
    let order = json!({ "letters": { "reason": "busy" }, "reason": "why", "rate": 5 });
    assert_eq!(operator.post(REPLAY, &order).await.status, StatusCode::ACCEPTED);
    let going_on = at(&installation, &worker, &["progress"]).await;
    assert_eq!((&going_on["letters"], &going_on["running"]), (&json!("reason busy"), &json!(true)), "{going_on}");
    at(&installation, &worker, &["stop", "--why", "too fast"]).await;
    let stopped = ended(&operator).await;
    let (replayed, left) = (count(&stopped, "replayed"), count(&stopped, "left"));
    assert!(replayed < 30 && replayed + left == 30, "{stopped}");

    let resumed = at(&installation, &worker, &["resume", "--why", "ticket 4711"]).await;
    assert_eq!((&resumed["running"], &resumed["replayedBefore"]), (&json!(true), &json!(replayed)), "{resumed}");
    let replay = ended(&operator).await;
    assert_eq!((count(&replay, "replayed"), count(&replay, "left")), (left, 0), "{replay}");
    installation.until_holds(DEAD, 0).await;
    assert_eq!(on_record(&worker, "dead_letters.replay_stop").await[0].0, "too fast");
    assert_eq!(on_record(&worker, "dead_letters.replay_resume").await[0].0, "ticket 4711");
    worker.stop().await;
}
