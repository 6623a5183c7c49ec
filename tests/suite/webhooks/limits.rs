//! What is not posted, and what becomes of it: forged, too late, too large, without room or a way. Then what is under way when
//! a worker stops, and what one finds that another has signed.
//!
//! Apart, because here what comes is put in by hand, so that it is known how much of it there is.

use std::time::Duration;

use join_community::app::Stopped;
use lapin::types::AMQPValue;
use reqwest::Method;
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::receiver::{Answer, Receiver, key, within};
use super::{REFUSED, TAKEN, outcome, tell, until_delivered};
use crate::support::{Installation, Message, PATIENCE, Worker, eventually, instant};

const LETTERS_OF_CRM: &str = "join-community.webhooks.dead-letters.crm";

/// An event as the worker announces it, as far as webhooks look at it.
fn event(body: impl Into<Vec<u8>>) -> Message {
    Message::bytes(body)
        .to("members.events", "wix.members.v1.member_updated")
        .text_header("siteId", &Uuid::new_v4().to_string())
        .text_header("cloudEvents:subject", &Uuid::new_v4().to_string())
        .properties(|properties| properties.with_type("wix.members.v1.member_updated".into()))
}

/// What lies in the queue of target `crm` once an event was signed then, for this target.
fn webhook(target: &str, signed: OffsetDateTime, body: &str) -> Message {
    Message::bytes(body)
        .to("join-community.internal", "webhook.crm")
        .text_header("x-join-community-target", target)
        .text_header("siteId", &Uuid::new_v4().to_string())
        .text_header("memberId", &Uuid::new_v4().to_string())
        .header("x-join-community-attempts", AMQPValue::LongLongInt(0))
        .text_header("x-join-community-first-seen", &instant(signed))
}

#[tokio::test]
async fn what_somebody_else_wrote_or_wrote_for_another_is_not_posted() {
    let mut crm = Receiver::start(TAKEN).await;
    let installation = Installation::with(|config| tell(config, &[("crm", &crm)], &[60_000])).await;
    let worker = installation.start().await;
    let (own, now) = (installation.producer_as_worker().await, OffsetDateTime::now_utc());
    own.send(&webhook("crm", now, "of nobody").anonymous()).await;
    own.send(&webhook("mail", now, "for another")).await;
    installation.other_producer().await.send(&webhook("crm", now, "of another")).await;

    let letters = installation.messages(LETTERS_OF_CRM, 3).await;
    let mut bodies: Vec<&[u8]> = letters.iter().map(|letter| letter.body.as_slice()).collect();
    bodies.sort_unstable();
    assert_eq!(bodies, [&b"for another"[..], b"of another", b"of nobody"]);
    assert!(letters.iter().all(|letter| letter.header("x-join-community-reason") == "malformed"), "{letters:?}");
    own.send(&webhook("crm", now, "its own")).await;
    assert_eq!(crm.next().await.body, "its own", "and nothing before");
    worker.stop().await;
}

#[tokio::test]
async fn what_receivers_would_refuse_as_expired_is_not_posted() {
    let mut crm = Receiver::start(TAKEN).await;
    let installation = Installation::with(|config| tell(config, &[("crm", &crm)], &[3_600_000])).await;
    let worker = installation.start().await;
    let (own, now) = (installation.producer_as_worker().await, OffsetDateTime::now_utc());
    // The ladder and a day.
    own.send(&webhook("crm", now - Duration::from_hours(25), "too late")).await;
    let letter = installation.messages(LETTERS_OF_CRM, 1).await.remove(0);
    assert_eq!(letter.header("x-join-community-reason"), "expired");
    assert_eq!(letter.body, b"too late");
    own.send(&webhook("crm", now - Duration::from_hours(24), "in time")).await;
    assert_eq!(crm.next().await.body, "in time");
    worker.stop().await;
}

#[tokio::test]
async fn a_target_without_its_binding_gets_dead_letters_and_the_others_everything_once() {
    let (crm, mut mail) = (Receiver::start(TAKEN).await, Receiver::start(TAKEN).await);
    let installation = Installation::with(|config| {
        tell(config, &[("crm", &crm), ("mail", &mail)], &[60_000]);
        // In their order.
        config.webhooks.concurrency = 1;
        // A worker that declares would bind it again.
        config.broker.declare = false;
    })
    .await;
    let (vhost, queue) = (installation.vhost(), "join-community.webhooks.to.crm");
    let binding = format!("bindings/{}/e/join-community.internal/q/{queue}/webhook.crm", vhost.name);
    vhost.manage(Method::DELETE, &binding, None).await;
    // They wait already when the worker comes, so that it takes them together.
    let own = installation.producer_as_worker().await;
    let events: Vec<Message> = (1..=5).map(|number| event(format!(r#"{{"id":"{number}"}}"#))).collect();
    own.send_all(&events).await;
    let worker = installation.start().await;

    let letters = installation.messages(LETTERS_OF_CRM, 5).await;
    for letter in &letters {
        assert_eq!(letter.header("x-join-community-target"), "crm");
        assert_eq!(letter.header("x-join-community-reason"), "unroutable");
    }
    own.send(&event(r#"{"id":"last"}"#)).await;
    let mut told = Vec::new();
    while told.last().is_none_or(|id| id != "last") {
        told.push(mail.next().await.event()["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(told, ["1", "2", "3", "4", "5", "last"]);
    worker.stop().await;
}

#[tokio::test]
async fn what_finds_no_room_becomes_a_dead_letter_and_the_rest_is_delivered() {
    let crm = Receiver::start(Answer::Never).await;
    let installation = Installation::with(|config| {
        tell(config, &[("crm", &crm)], &[60_000]);
        config.webhooks.concurrency = 1;
    })
    .await;
    let pattern = r"^join-community\.webhooks\.to\.crm$";
    let policy = json!({ "pattern": pattern, "definition": { "max-length": 1 }, "apply-to": "queues" });
    let vhost = installation.vhost();
    vhost.manage(Method::PUT, &format!("policies/{}/tight", vhost.name), Some(&policy)).await;
    let mut letters = installation.listen("join-community.internal", "webhook-dead-letter.crm").await;
    let worker = installation.start().await;
    let own = installation.producer_as_worker().await;
    // The broker takes some more than it should, and the policy in its own time.
    eventually("one finds no room", PATIENCE, async || {
        own.send(&event(r#"{"id":"1"}"#)).await;
        match installation.depth(LETTERS_OF_CRM).await {
            0 => Err(0),
            _ => Ok(()),
        }
    })
    .await;
    let letter = letters.next().await;
    assert_eq!(letter.header("x-join-community-target"), "crm");
    assert_eq!(letter.header("x-join-community-reason"), "no_room");
    assert_eq!(letter.headers["x-join-community-attempts"], 0);
    assert!(outcome(&worker, "crm", "dead") >= 1);
    crm.answers(TAKEN);
    until_delivered(&worker, "crm", 1).await;
    worker.stop().await;
}

#[tokio::test]
async fn an_event_that_is_too_large_once_signed_lies_among_the_dead_letters_as_it_came() {
    let mut crm = Receiver::start(TAKEN).await;
    let installation = Installation::with(|config| tell(config, &[("crm", &crm)], &[60_000])).await;
    let worker = installation.start().await;
    let own = installation.producer_as_worker().await;
    let body = format!(r#"{{"id":"large","fill":"{}"}}"#, "x".repeat(900 * 1024));
    own.send(&event(body.clone())).await;
    let letter = installation.messages(LETTERS_OF_CRM, 1).await.remove(0);
    assert_eq!(letter.header("x-join-community-target"), "crm");
    assert_eq!(letter.header("x-join-community-reason"), "too_large");
    assert!(letter.body == body.as_bytes(), "{} bytes of {}", letter.body.len(), body.len());
    assert!(letter.properties.content_type().is_none(), "it is no token");
    own.send(&event(r#"{"id":"small"}"#)).await;
    assert_eq!(crm.next().await.event()["id"], "small");
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_that_stops_waits_for_the_post_that_is_under_way() {
    let mut crm = Receiver::start(Answer::Never).await;
    let installation = Installation::with(|config| {
        tell(config, &[("crm", &crm)], &[60_000]);
        config.webhooks.concurrency = 1;
    })
    .await;
    let worker = installation.start().await;
    let own = installation.producer_as_worker().await;
    own.send(&event(r#"{"id":"1"}"#)).await;
    assert_eq!(crm.next().await.event()["id"], "1");
    worker.tell_to_stop();
    eventually("the worker stops", PATIENCE, async || {
        let (_, report) = worker.health().report();
        if report["draining"] == true { Ok(()) } else { Err(report) }
    })
    .await;
    crm.answers(TAKEN);
    assert_eq!(worker.until_ended().await, Stopped::Drained);

    let next = installation.start().await;
    own.send(&event(r#"{"id":"2"}"#)).await;
    assert_eq!(crm.next().await.event()["id"], "2", "the first was delivered, and is not posted again");
    next.stop().await;
}

#[tokio::test]
async fn what_one_worker_has_signed_the_next_posts_to_the_byte_whatever_its_key_is() {
    let mut crm = Receiver::start(REFUSED).await;
    let installation = Installation::with(|config| tell(config, &[("crm", &crm)], &[100; 30])).await;
    let worker = installation.start().await;
    let own = installation.producer_as_worker().await;
    own.send(&event(r#"{"id":"1"}"#)).await;
    let first = crm.next().await;
    worker.stop().await;

    let (private, public) = key();
    let mut config = installation.config.clone();
    config.webhooks.key = private.into();
    crm.answers(TAKEN);
    let worker = Worker::start(config).await;
    until_delivered(&worker, "crm", 1).await;
    own.send(&event(r#"{"id":"2"}"#)).await;
    let other = loop {
        let posted = crm.next().await;
        if posted.body != first.body {
            break posted;
        }
    };
    // By the other key, and of the other event: of the first there was never another body.
    let said = within(&other.claims_by(&public)["data"]);
    assert_eq!(within(&said["data"])["id"], "2");
    worker.stop().await;
}
