//! Dead letters in the console: grouped, masked, back in their place; unmasked only on record.

use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::repairing::{DEAD, REPLAY, ended};
use crate::support::{Caller, Installation, Message, PATIENCE, ask_for_tokens, eventually};

const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl";
const PERSONAL: [&str; 3] = ["jane@example.com", "+1 202 555 0142", "Jane Doe"];

/// A request with all that it should not have.
fn indiscreet(site: Uuid) -> Message {
    let [email, phone, name] = PERSONAL;
    Message::json(
        &json!({ "siteId": site, "memberId": 7, "contact": { "email": email, "phone": phone, "name": name } }),
    )
    .text_header("authorization", &format!("Bearer {TOKEN}"))
    .text_header("x-name", name)
    .correlation_id(email)
    .to("join-community.internal", "dead-letter")
}

#[tokio::test]
async fn letters_are_grouped_and_masked_and_lie_where_they_lay() {
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    let (mut producer, site) = (installation.producer().await, Uuid::new_v4());
    for member in [json!(7), json!("nobody"), json!("nobody")] {
        let malformed = Message::json(&json!({ "siteId": site, "memberId": member, "nick": PERSONAL[2] }));
        assert_eq!(producer.ask(&malformed).await.status, 400);
    }
    installation.other_producer().await.send(&indiscreet(site)).await;
    installation.until_holds("join-community.dead-letters", 4).await;

    let (viewer, operator) = (Caller::of(&worker).bearing("viewer"), Caller::of(&worker).bearing("operator"));
    assert!(viewer.get("/api/v1/dead-letters").await.json()["read"].is_null(), "a look reads nothing");
    let read = operator.post("/api/v1/dead-letters/reading", &Value::Null).await;
    assert_eq!(read.status, StatusCode::OK, "{read:?}");
    let read = read.json()["read"].clone();
    assert_eq!(read["total"], 4, "{read}");
    let groups = read["groups"].as_array().unwrap();
    let counts: Vec<_> =
        groups.iter().map(|group| (group["reason"].as_str().unwrap(), group["count"].as_u64())).collect();
    assert_eq!(
        counts.iter().filter(|(reason, _)| *reason == "malformed").filter_map(|(_, count)| *count).sum::<u64>(),
        3
    );
    assert!(counts.contains(&("unknown", Some(1))), "{counts:?}");
    for group in groups {
        let by_us = (group["reason"] == "malformed").then_some(env!("CARGO_PKG_VERSION"));
        assert_eq!(group["version"].as_str(), by_us, "{group}");
    }
    let again = operator.post("/api/v1/dead-letters/reading", &Value::Null).await.json()["read"].clone();
    assert_eq!((&read["letters"], &read["groups"]), (&again["letters"], &again["groups"]), "reading changed something");

    let mut said = read.to_string();
    for letter in read["letters"].as_array().unwrap() {
        let id = letter["id"].as_str().unwrap();
        said += &viewer.get(&format!("/api/v1/dead-letters/{id}")).await.json().to_string();
        said += &viewer.get(&format!("/dead-letters/{id}")).await.text;
    }
    said += &viewer.get("/dead-letters?reason=malformed&text=e").await.text;
    assert!(said.contains("(masked)") && said.contains(&site.to_string()), "{said}");
    for secret in PERSONAL.into_iter().chain([TOKEN, "c2lnbmF0dXJl"]) {
        assert!(!said.contains(secret), "{secret} is shown: {said}");
    }
    worker.stop().await;
}

#[tokio::test]
async fn personal_data_is_shown_to_an_admin_who_says_why_and_that_is_recorded() {
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    installation.other_producer().await.send(&indiscreet(Uuid::new_v4())).await;
    installation.until_holds("join-community.dead-letters", 1).await;
    let admin = Caller::of(&worker).bearing("admin");
    let read = admin.post("/api/v1/dead-letters/reading", &Value::Null).await.json();
    let id = read["read"]["letters"][0]["id"].as_str().unwrap_or_else(|| panic!("{read}")).to_owned();
    let path = format!("/api/v1/dead-letters/{id}/unmask");
    assert_eq!(admin.post(&path, &json!({ "reason": " " })).await.status, StatusCode::BAD_REQUEST);
    let shown = admin.post(&path, &json!({ "reason": "ticket 4711" })).await;
    assert_eq!(shown.status, StatusCode::OK, "{shown:?}");
    for personal in PERSONAL {
        assert!(shown.text.contains(personal), "{personal} is masked: {}", shown.text);
    }
    assert!(!shown.text.contains("c2lnbmF0dXJl"), "a token is shown: {}", shown.text);
    let page = admin.submit(&format!("/dead-letters/{id}/unmask"), "reason=ticket+4711").await;
    assert!(page.text.contains("This was recorded") && page.text.contains(PERSONAL[0]), "{}", page.text);

    let actions = admin.get("/api/v1/actions").await.json();
    let of_unmasking = actions.as_array().unwrap().iter().filter(|action| action["action"] == "dead_letters.unmask");
    for action in of_unmasking.clone() {
        let said = ["who", "target", "reason", "outcome"].map(|name| action[name].as_str().unwrap());
        assert_eq!(said, ["admin", id.as_str(), "ticket 4711", "shown"]);
    }
    assert_eq!(of_unmasking.count(), 2, "{actions}");
    worker.stop().await;
}

/// Has the letters read, and waits for what was found if that takes long.
async fn reading(operator: &Caller, found: impl Fn(&Value) -> bool) -> Value {
    eventually("nobody else reads them", PATIENCE, async || {
        let begun = operator.post("/api/v1/dead-letters/reading", &Value::Null).await;
        if begun.status == StatusCode::CONFLICT { Err(begun.text) } else { Ok(()) }
    })
    .await;
    eventually("the dead letters are read", PATIENCE, async || {
        let read = operator.get("/api/v1/dead-letters").await.json()["read"].take();
        if found(&read) { Ok(read) } else { Err(read) }
    })
    .await
}

#[tokio::test]
async fn of_many_the_oldest_are_read_and_discarded_and_then_the_next_while_a_replay_takes_all() {
    const MANY: u32 = 2_050;
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    let letter = |number: u32| {
        let letter = Message::bytes(format!("letter {number}")).to("join-community.internal", "dead-letter");
        // The first, and the first that is not read.
        if [0, 2_000].contains(&number) { letter.text_header("x-join-community-reason", "busy") } else { letter }
    };
    let letters: Vec<_> = (0..MANY).map(letter).collect();
    installation.producer_as_worker().await.send_all(&letters).await;
    installation.until_holds(DEAD, MANY).await;
    let operator = Caller::of(&worker).bearing("operator");
    let first = reading(&operator, |read| !read.is_null()).await;
    assert_eq!((&first["total"], &first["read"]), (&json!(MANY), &json!(2_000)), "{first}");
    let page = operator.get("/dead-letters").await;
    assert!(page.text.contains("2000 of 2050, the oldest, were read at"), "{}", page.text);

    let busy = json!({ "reason": "busy" });
    let foreseen = operator.post("/api/v1/dead-letters/dry-run", &json!({ "letters": busy })).await;
    assert_eq!(foreseen.status, StatusCode::OK, "{foreseen:?}");
    let foreseen = foreseen.json();
    assert_eq!((&foreseen["total"], &foreseen["read"]), (&json!(MANY), &json!(2_000)), "{foreseen}");
    assert_eq!(foreseen["letters"].as_array().unwrap().len(), 1, "{foreseen}");
    let begun = operator.post(REPLAY, &json!({ "letters": busy, "reason": "known" })).await;
    assert_eq!(begun.status, StatusCode::ACCEPTED, "{begun:?}");
    let replay = ended(&operator).await;
    assert_eq!((&replay["tally"]["chosen"], &replay["tally"]["refused"]), (&json!(2), &json!(2)), "{replay}");

    let order = |count: u32| json!({ "letters": busy, "count": count, "reason": "known" });
    let wrong = operator.post("/api/v1/dead-letters/discard", &order(2)).await;
    assert_eq!(wrong.status, StatusCode::CONFLICT, "{wrong:?}");
    assert!(wrong.text.contains("1 are meant among the oldest 2000 of 2050, and not 2"), "{}", wrong.text);
    operator.post("/api/v1/dead-letters/discard", &order(1)).await;
    installation.until_holds("join-community.discarded", 1).await;
    installation.until_holds(DEAD, MANY - 1).await;
    let second = reading(&operator, |read| read["total"] == MANY - 1).await;
    let lines = |read: &Value| read["letters"].as_array().unwrap().clone();
    assert_eq!(lines(&first)[1..], lines(&second)[..199], "not where they lay");
    let busy = second["groups"].as_array().unwrap().iter().find(|group| group["reason"] == "busy").cloned();
    assert_eq!(busy.map(|group| group["count"].clone()), Some(json!(1)), "{second}");
    worker.stop().await;
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_unmasked() {
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    installation.other_producer().await.send(&indiscreet(Uuid::new_v4())).await;
    installation.until_holds("join-community.dead-letters", 1).await;
    let admin = Caller::of(&worker).bearing("admin");
    let read = admin.post("/api/v1/dead-letters/reading", &Value::Null).await.json();
    let id = read["read"]["letters"][0]["id"].as_str().unwrap_or_else(|| panic!("{read}")).to_owned();
    let mut stranger = installation.stranger().await;
    sqlx::query("ALTER TABLE operator_actions RENAME TO elsewhere").execute(&mut stranger).await.unwrap();
    let refused = admin.post(&format!("/api/v1/dead-letters/{id}/unmask"), &json!({ "reason": "why" })).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE, "{refused:?}");
    assert!(!refused.text.contains(PERSONAL[0]), "{}", refused.text);
    worker.stop().await;
}
