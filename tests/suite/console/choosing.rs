//! Which letters the forms are about: one by its page, several by boxes, a group by its error.

use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::repairing::{DEAD, letters};
use crate::support::{Caller, Installation, Message, ask_for_tokens};

/// Has the letters read, and tells their ids.
async fn ids(operator: &Caller) -> Vec<String> {
    let read = operator.post("/api/v1/dead-letters/reading", &Value::Null).await.json();
    let letters = read["read"]["letters"].as_array().unwrap_or_else(|| panic!("{read}"));
    letters.iter().map(|letter| letter["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_boxes_that_were_ticked_are_foreseen_and_as_many_as_are_said_discarded_and_no_other() {
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    letters(&installation, Uuid::now_v7(), 3).await;
    installation.until_holds(DEAD, 3).await;
    let operator = Caller::of(&worker).bearing("operator");
    let ids = ids(&operator).await;
    let list = operator.get("/dead-letters").await.text;
    for id in &ids {
        let field = format!("type=\"checkbox\" name=\"ids\" value=\"{id}\" aria-label=\"Choose letter {id}\"");
        assert!(list.contains(&field), "no box for {id}: {list}");
    }
    let of_viewer = Caller::of(&worker).bearing("viewer").get("/dead-letters").await.text;
    assert!(of_viewer.contains(&ids[0]) && !of_viewer.contains("checkbox"), "{of_viewer}");

    // As the browser sends them, the fields of the other button empty.
    let chosen = format!("ids={}&ids={}", ids[0], ids[2]);
    let foreseen = operator.submit("/dead-letters/dry-run", &format!("{chosen}&count=&why=")).await.text;
    assert_eq!(foreseen.matches("</code> joined").count(), 2, "{foreseen}");
    // What the replay is about is what was foreseen.
    assert!(foreseen.contains(&format!("name=\"ids\" value=\"{} {}\"", ids[0], ids[2])), "{foreseen}");
    let none = operator.submit("/dead-letters/dry-run", "count=&why=").await;
    assert!(none.status == StatusCode::BAD_REQUEST && none.text.contains("say which"), "{none:?}");

    let wrong = operator.submit("/dead-letters/discard", &format!("{chosen}&count=3&why=known")).await;
    assert!(wrong.status == StatusCode::CONFLICT && wrong.text.contains("2 are meant"), "{wrong:?}");
    let silent = operator.submit("/dead-letters/discard", &format!("{chosen}&count=2&why=")).await;
    assert!(silent.status == StatusCode::BAD_REQUEST && silent.text.contains("say why"), "{silent:?}");
    installation.until_holds(DEAD, 3).await;
    let discarded = operator.submit("/dead-letters/discard", &format!("{chosen}&count=2&why=known")).await;
    assert!(discarded.text.contains("2 were discarded"), "{discarded:?}");
    installation.until_holds(DEAD, 1).await;
    let list = operator.post("/api/v1/dead-letters/reading", &Value::Null).await.json();
    assert_eq!(list["read"]["letters"][0]["id"], json!(ids[1]), "{list}");
    worker.stop().await;
}

#[tokio::test]
async fn a_letter_s_page_has_the_forms_that_are_about_it_alone() {
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    letters(&installation, Uuid::now_v7(), 2).await;
    installation.until_holds(DEAD, 2).await;
    let operator = Caller::of(&worker).bearing("operator");
    let ids = ids(&operator).await;
    let path = format!("/dead-letters/{}", ids[1]);
    let page = operator.get(&path).await.text;
    let field = format!("type=\"hidden\" name=\"ids\" value=\"{}\"", ids[1]);
    assert_eq!(page.matches(&field).count(), 2, "{page}");
    for part in ["action=\"/dead-letters/dry-run\"", "action=\"/dead-letters/discard\"", "name=\"count\"", "Discard it"]
    {
        assert!(page.contains(part), "{part} is not on the page: {page}");
    }
    let of_viewer = Caller::of(&worker).bearing("viewer").get(&path).await;
    assert!(of_viewer.status == StatusCode::OK && !of_viewer.text.contains("<form method"), "{of_viewer:?}");
    let foreseen = operator.submit("/dead-letters/dry-run", &format!("ids={}", ids[1])).await.text;
    assert_eq!(foreseen.matches("</code> joined").count(), 1, "{foreseen}");
    worker.stop().await;
}

#[tokio::test]
async fn the_error_of_a_group_leads_to_list_and_forms_about_that_group_alone_even_where_it_is_masked() {
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    let letter = |error: &str| {
        Message::bytes("{}")
            .to("join-community.internal", "dead-letter")
            .text_header("x-join-community-reason", "malformed")
            .text_header("x-join-community-error", error)
    };
    let errors = ["no such person: jane@example.com", "no such person: joan@example.com", "no such site"];
    installation.producer_as_worker().await.send_all(&errors.map(letter)).await;
    installation.until_holds(DEAD, 3).await;
    let operator = Caller::of(&worker).bearing("operator");
    assert_eq!(ids(&operator).await.len(), 3);
    let place = "/dead-letters?reason=malformed&error=no%20such%20person%3A%20%28masked%29";
    let list = operator.get("/dead-letters").await.text;
    assert!(list.contains(&format!("href=\"{}\"", place.replace('&', "&amp;"))), "{list}");
    let group = operator.get(place).await.text;
    assert!(group.contains("2 of 3 that are kept"), "{group}");
    // Its own filter, and the two forms.
    assert_eq!(group.matches("name=\"error\" value=\"no such person: (masked)\"").count(), 3, "{group}");
    let meant = "reason=malformed&error=no+such+person%3A+%28masked%29&why=known";
    let wrong = operator.submit("/dead-letters/discard", &format!("{meant}&count=3")).await;
    assert!(wrong.status == StatusCode::CONFLICT && wrong.text.contains("2 are meant"), "{wrong:?}");
    let discarded = operator.submit("/dead-letters/discard", &format!("{meant}&count=2")).await;
    assert!(discarded.text.contains("2 were discarded"), "{discarded:?}");
    installation.until_holds(DEAD, 1).await;
    worker.stop().await;
}
