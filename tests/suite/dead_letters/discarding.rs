//! Discarding: as many as somebody says, and back again as they were, no more believed than before.

use join_community::domain::IdentityType;
use serde_json::json;
use uuid::Uuid;

use super::{TOKEN, dead, dead_letters, left_by_the_worker, list, now, on_record, wear_out};
use crate::support::{Installation, Issuer, Message};

const DISCARDED: &str = "join-community.discarded";

#[tokio::test]
async fn what_is_discarded_is_gone_and_nothing_else_is() {
    let installation = Installation::new().await;
    let (site, member) = (Uuid::now_v7(), Uuid::now_v7());
    let worker = installation.producer_as_worker().await;
    worker.send(&left_by_the_worker(site, member, &now()).id("busy")).await;
    for id in ["one", "two", "three"] {
        worker.send(&dead(Message::bytes(id)).id(id)).await;
    }
    let letters = list(&installation).await;
    let two = letters[2]["id"].as_str().unwrap();
    let said =
        dead_letters(&installation, &["discard", two, "--yes-discard", "1", "--why", "a test", "--output", "json"])
            .await;
    assert_eq!((said.code, &said.json()["discarded"]), (Some(0), &1.into()), "{}", said.stderr);
    let said =
        dead_letters(&installation, &["discard", "--reason", "busy", "--yes-discard", "1", "--why", "known"]).await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let left: Vec<_> = list(&installation).await.iter().map(|letter| letter["requestId"].clone()).collect();
    assert_eq!(left, ["one", "three"]);

    let said =
        dead_letters(&installation, &["discard", two, "--yes-discard", "0", "--why", "a test", "--output", "json"])
            .await;
    assert_eq!((said.code, &said.json()["notFound"]), (Some(1), &json!([two])));
    let said = dead_letters(&installation, &["discard", "--all", "--yes-discard", "2", "--why", "a test"]).await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(list(&installation).await.is_empty());
    assert_eq!(installation.depth(DISCARDED).await, 4);
    let record = on_record(&installation).await;
    for (row, outcome) in [(2, "ordered"), (3, "discarded 1")] {
        assert_eq!(record[row], ["dead_letters.discard", "--reason busy", "known", outcome]);
    }
}

#[tokio::test]
async fn without_a_table_for_the_record_letters_are_discarded_and_restored_but_not_replayed_and_the_log_has_it() {
    let installation = Installation::new().await;
    let letter = left_by_the_worker(Uuid::now_v7(), Uuid::now_v7(), &now());
    installation.producer_as_worker().await.send(&letter).await;
    let mut stranger = installation.stranger().await;
    sqlx::query("ALTER TABLE operator_actions RENAME TO elsewhere").execute(&mut stranger).await.unwrap();
    let refused = dead_letters(&installation, &["replay", "--at-once", "--all", "--why", "a test"]).await;
    assert!(refused.code == Some(1) && refused.stderr.contains("cannot be recorded"), "{refused:?}");
    assert_eq!((list(&installation).await.len(), installation.depth("join-community.requests").await), (1, 0));
    for (arguments, done) in
        [(&["discard", "--all", "--yes-discard", "1"][..], "discarded 1"), (&["restore", "--all"], "restored 1")]
    {
        let unsaid = dead_letters(&installation, arguments).await;
        assert!(unsaid.code == Some(2) && unsaid.stderr.contains("--why"), "without a reason: {unsaid:?}");
        let said = dead_letters(&installation, &[arguments, &["--why", "a test"]].concat()).await;
        assert_eq!(said.code, Some(0), "{said:?}");
        for part in ["an operator acted", "ordered", done, "not on record"] {
            assert!(said.stderr.contains(part), "no {part}: {said:?}");
        }
    }
}

#[tokio::test]
async fn another_number_than_there_are_and_nobody_to_ask_discards_nothing() {
    let installation = Installation::new().await;
    let worker = installation.producer_as_worker().await;
    worker.send_all(&[dead(Message::bytes("a")), dead(Message::bytes("b"))]).await;
    for number in ["1", "3"] {
        let said = dead_letters(&installation, &["discard", "--all", "--yes-discard", number, "--why", "a test"]).await;
        assert_eq!(said.code, Some(1));
        assert!(said.stderr.contains("2 dead letters are meant"), "{said:?}");
    }
    let said = dead_letters(&installation, &["discard", "--all", "--why", "a test"]).await;
    assert_eq!(said.code, Some(1));
    assert!(said.stderr.contains("--yes-discard 2"), "{said:?}");
    assert_eq!((list(&installation).await.len(), installation.depth(DISCARDED).await), (2, 0));
}

#[tokio::test]
async fn what_is_restored_is_what_it_was_and_no_more_believed_than_before() {
    let issuer = Issuer::new();
    let installation = Installation::with(|config| issuer.trusted_by(config)).await;
    let (site, member) = (Uuid::now_v7(), Uuid::now_v7());
    let token = issuer.token(&issuer.claims(site, IdentityType::Member, member));
    let producer = installation.producer().await;
    producer.send(&Message::json(&json!({ "siteId": site })).id("by-token").token(&token)).await;
    producer.send(&Message::join(site, member).id("by-producer")).await;
    wear_out(&installation).await;
    installation.dead_letters(2).await;
    // A stranger's, who claims to be what only the worker's word could make of it.
    let forged = left_by_the_worker(site, member, &now()).id("forged").text_header("x-other", TOKEN);
    installation.other_producer().await.send(&forged).await;
    installation.other_producer().await.send(&left_by_the_worker(site, member, &now()).id("nobody").anonymous()).await;
    installation.producer_as_worker().await.send(&left_by_the_worker(site, member, &now()).id("own")).await;
    let before = dead_letters(&installation, &["export"]).await.stdout;
    assert_eq!(before.lines().count(), 5);

    for _ in 0..2 {
        let said = dead_letters(&installation, &["discard", "--all", "--yes-discard", "5", "--why", "a test"]).await;
        assert_eq!(said.code, Some(0), "{said:?}");
        let discarded = dead_letters(&installation, &["export", "--discarded"]).await.stdout;
        assert_eq!(lines(&discarded), lines(&before), "discarded, they are shown as they were");
        let said = dead_letters(&installation, &["restore", "--all", "--why", "a test", "--output", "json"]).await;
        assert_eq!((said.code, &said.json()["restored"]), (Some(0), &json!(5)), "{said:?}");
        assert_eq!(lines(&dead_letters(&installation, &["export"]).await.stdout), lines(&before));
    }
    // Whatever moves them where the worker takes requests from: nothing of a stranger became the worker's word.
    for letter in installation.dead_letters(5).await {
        let names: Vec<_> =
            letter.headers.as_object().unwrap().keys().filter(|name| *name != "x-delivery-count").collect();
        assert_eq!(names, ["x-join-community-moved"], "{}", letter.headers);
    }
    let said =
        dead_letters(&installation, &["replay", "--at-once", "--all", "--why", "a test", "--output", "json"]).await;
    let told = said.json();
    let refused: Vec<_> = told["refused"].as_array().unwrap().iter().map(|refused| &refused["requestId"]).collect();
    assert_eq!(refused, ["forged", "nobody"], "{told}");
    assert_eq!(told["replayed"], 3, "{told}");
}

/// Without what the broker adds to a message that was looked at.
fn lines(export: &str) -> Vec<serde_json::Value> {
    let line = |line: &str| {
        let mut letter: serde_json::Value = serde_json::from_str(line).unwrap();
        for name in ["x-delivery-count", "x-acquired-count"] {
            letter["headers"].as_object_mut().unwrap().remove(name);
        }
        // Whether it is kept on disk: all that is moved is.
        letter["properties"].as_object_mut().unwrap().remove("deliveryMode");
        letter
    };
    export.lines().map(line).collect()
}
