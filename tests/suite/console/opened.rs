//! One letter that is opened: as it was read last if it is kept, or else from where it lies, for whoever may have letters read.

use join_community::rabbitmq::dead_letters::DeadLetters;
use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::repairing::{DEAD, letters, on_record};
use crate::support::{Caller, Installation, Message, ask_for_tokens};

const DISCARDED: &str = "join-community.discarded";
const PERSONAL: &str = "jane@example.com";
/// More than are listed one by one.
const LISTED: usize = 200;

/// A letter that is larger than those that are kept: of its body only the address is masked.
fn large() -> Message {
    let mut body = vec![json!(true); 4_000];
    body.push(json!(PERSONAL));
    Message::json(&Value::Array(body)).to("join-community.internal", "dead-letter")
}

/// The ids of all dead letters, the oldest first.
async fn ids(installation: &Installation) -> Vec<String> {
    let mut letters = DeadLetters::open(&installation.config.broker).await.unwrap();
    let mut ids = Vec::new();
    while let Some(letter) = letters.next().await.unwrap() {
        ids.push(letter.id);
    }
    letters.close().await.unwrap();
    ids
}

#[tokio::test]
async fn a_letter_that_is_not_kept_is_read_for_an_operator_and_nobody_else_takes_it_out_of_its_queue() {
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    installation.other_producer().await.send(&large()).await;
    installation.until_holds(DEAD, 1).await;
    let (viewer, operator) = (Caller::of(&worker).bearing("viewer"), Caller::of(&worker).bearing("operator"));
    let read = operator.post("/api/v1/dead-letters/reading", &Value::Null).await.json();
    let id = read["read"]["letters"][0]["id"].as_str().unwrap_or_else(|| panic!("{read}")).to_owned();
    let (api, page) = (format!("/api/v1/dead-letters/{id}"), format!("/dead-letters/{id}"));
    let elsewhere = operator.with("sec-fetch-site", "cross-site");
    for (caller, path) in [(&viewer, &api), (&viewer, &page), (&elsewhere, &api), (&elsewhere, &page)] {
        let refused = caller.get(path).await;
        assert_eq!(refused.status, StatusCode::NOT_FOUND, "{path}: {refused:?}");
        let told = refused.text.contains("role operator") && refused.text.contains(&format!("dead-letters show {id}"));
        assert!(told, "{path}: {}", refused.text);
    }
    for path in [&api, &page] {
        let shown = operator.get(path).await;
        assert_eq!(shown.status, StatusCode::OK, "{path}: {shown:?}");
        assert!(shown.text.contains("(masked)") && shown.text.matches("true").count() > 3_999, "{}", shown.text);
        assert!(!shown.text.contains(PERSONAL), "{PERSONAL} is shown: {}", shown.text);
    }
    for path in ["/api/v1/dead-letters/0123456789abcdef", "/dead-letters/0123456789abcdef", "/dead-letters/no-id"] {
        let missing = operator.get(path).await;
        assert_eq!(missing.status, StatusCode::NOT_FOUND, "{path}: {missing:?}");
        assert!(missing.text.contains("among the oldest 2000"), "{path}: {}", missing.text);
    }
    assert_eq!(ids(&installation).await, [id]);
    let outcomes: Vec<_> =
        on_record(&worker, "dead_letters.read").await.into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(outcomes, ["read 1 of 1", "shown", "shown", "not found", "not found"]);
    worker.stop().await;
}

#[tokio::test]
async fn a_letter_behind_those_that_are_listed_is_opened_like_any_other_and_lies_where_it_lay() {
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    let letter =
        |number: usize| Message::bytes(format!("letter {number}")).to("join-community.internal", "dead-letter");
    let all: Vec<_> = (0..=LISTED).map(letter).collect();
    installation.producer_as_worker().await.send_all(&all).await;
    installation.until_holds(DEAD, u32::try_from(all.len()).unwrap()).await;
    let before = ids(&installation).await;
    let operator = Caller::of(&worker).bearing("operator");
    let read = operator.post("/api/v1/dead-letters/reading", &Value::Null).await.json();
    assert_eq!(read["read"]["letters"].as_array().unwrap().len(), LISTED, "{}", read["read"]["total"]);
    for at in [LISTED - 1, LISTED] {
        let shown = operator.get(&format!("/api/v1/dead-letters/{}", before[at])).await;
        assert_eq!((shown.status, &shown.json()["requestId"]), (StatusCode::OK, &json!(all[at].request_id())));
    }
    assert_eq!(ids(&installation).await, before);
    worker.stop().await;
}

#[tokio::test]
async fn a_discarded_letter_is_opened_and_restored_from_its_page() {
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    letters(&installation, Uuid::now_v7(), 1).await;
    installation.until_holds(DEAD, 1).await;
    let [id] = ids(&installation).await.try_into().unwrap();
    let (viewer, operator) = (Caller::of(&worker).bearing("viewer"), Caller::of(&worker).bearing("operator"));
    let order = json!({ "letters": { "ids": [id] }, "count": 1, "reason": "known" });
    assert_eq!(operator.post("/api/v1/dead-letters/discard", &order).await.json()["moved"], 1);
    installation.until_holds(DISCARDED, 1).await;
    let (api, page) = (format!("/api/v1/dead-letters/{id}?discarded=true"), format!("/dead-letters/discarded/{id}"));
    for path in [&api, &page] {
        let refused = viewer.get(path).await;
        let command = format!("dead-letters show --discarded {id}");
        assert!(refused.status == StatusCode::NOT_FOUND && refused.text.contains(&command), "{path}: {refused:?}");
    }
    let shown = operator.get(&api).await.json();
    assert_eq!((&shown["id"], &shown["reason"]), (&json!(id), &json!("busy")), "{shown}");
    assert!(shown["discardedAt"].is_string() && shown["goneAt"].is_string(), "{shown}");
    assert_eq!(operator.get(&format!("/api/v1/dead-letters/{id}")).await.status, StatusCode::NOT_FOUND);
    // Once they were read it is kept, and anybody may look.
    operator.post("/api/v1/dead-letters/reading?discarded=true", &Value::Null).await;
    assert_eq!(viewer.get(&api).await.json()["discardedAt"], shown["discardedAt"]);
    let kept = viewer.get(&page).await;
    assert!(kept.status == StatusCode::OK && !kept.text.contains("Restore it"), "{kept:?}");
    let offered = operator.get(&page).await.text;
    for part in ["Restore it", &format!("type=\"hidden\" name=\"ids\" value=\"{id}\"")] {
        assert!(offered.contains(part), "{part} is not on the page: {offered}");
    }
    let restored = operator.submit("/dead-letters/restore", &format!("ids={id}&why=not+known")).await;
    assert!(restored.text.contains("1 lie among the dead letters again"), "{restored:?}");
    assert_eq!(ids(&installation).await, [id]);
    worker.stop().await;
}
