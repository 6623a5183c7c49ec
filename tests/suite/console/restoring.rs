//! All that was discarded, taken back at once: however many, and however long whoever ordered it waits.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::repairing::{DEAD, on_record};
use crate::support::{Caller, Installation, Message, PATIENCE, ask_for_tokens, eventually};

const DISCARDED: &str = "join-community.discarded";
/// More than are read to be shown.
const MANY: u32 = 2_050;

/// What is told of letters that are being moved, once none are any more.
async fn ended(viewer: &Caller) -> Value {
    eventually("the letters were moved", PATIENCE, async || {
        let moving = viewer.get("/api/v1/dead-letters").await.json()["moving"].take();
        if moving["outcome"].is_string() { Ok(moving) } else { Err(moving) }
    })
    .await
}

#[tokio::test]
async fn restoring_all_takes_all_tells_how_many_there_are_and_is_on_record_with_what_it_came_to() {
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    let letter = |number: u32| Message::bytes(format!("letter {number}")).to("join-community.internal", "discarded");
    let letters: Vec<_> = (0..MANY).map(letter).collect();
    installation.producer_as_worker().await.send_all(&letters).await;
    installation.until_holds(DISCARDED, MANY).await;
    let operator = Caller::of(&worker).bearing("operator");
    assert!(operator.get("/api/v1/dead-letters").await.json()["moving"].is_null(), "nothing was moved yet");

    let restore = json!({ "letters": { "all": true }, "reason": "ticket 4711" });
    let answer = operator.post("/api/v1/dead-letters/restore", &restore).await;
    match answer.status {
        StatusCode::OK => assert_eq!((&answer.json()["moved"], &answer.json()["total"]), (&json!(MANY), &json!(MANY))),
        // Whoever waits no longer is told that it goes on.
        status => assert!(status == StatusCode::SERVICE_UNAVAILABLE && answer.text.contains("goes on"), "{answer:?}"),
    }
    let moving = ended(&operator).await;
    let told = ["what", "letters", "who", "outcome"].map(|name| moving[name].as_str().unwrap());
    assert_eq!(told, ["restore", "all", "operator", "restored 2050"], "{moving}");
    assert_eq!((&moving["read"], &moving["total"]), (&json!(MANY), &json!(MANY)), "{moving}");
    for page in ["/dead-letters", "/dead-letters/discarded"] {
        let page = operator.get(page).await.text;
        assert!(page.contains("2050 of 2050 looked at; restored 2050"), "{page}");
    }
    installation.until_holds(DEAD, MANY).await;
    let recorded = eventually("what it came to is on record", PATIENCE, async || {
        let recorded = on_record(&worker, "dead_letters.restore").await;
        if recorded.len() == 2 { Ok(recorded) } else { Err(recorded) }
    })
    .await;
    let expected = ["ordered", "restored 2050"].map(|outcome| ("ticket 4711".to_owned(), outcome.to_owned()));
    assert_eq!(recorded, expected);
    worker.stop().await;
}
