//! Replaying: what goes back, as what, and what stays. Apart from looking, because here letters prove themselves.

use join_community::domain::IdentityType;
use lapin::types::AMQPValue;
use serde_json::json;
use uuid::Uuid;

use super::{dead, dead_letters, left_by_the_worker, list, now, wear_out};
use crate::support::{Installation, Issuer, JOINABLE, Message, PATIENCE, PERMISSION, eventually};

#[tokio::test]
async fn a_replayed_letter_goes_as_the_workers_copy_with_its_proof_written_anew_and_is_then_handled() {
    let installation = Installation::new().await;
    let site = Uuid::now_v7();
    let member = installation.member(site, JOINABLE).await;
    let letter = left_by_the_worker(site, member, &now());
    installation.producer_as_worker().await.send(&letter).await;
    let id = list(&installation).await[0]["id"].as_str().unwrap().to_owned();

    let said = dead_letters(
        &installation,
        &["replay", "--at-once", "--reason", "busy", "--why", "a test", "--output", "json"],
    )
    .await;
    assert_eq!((said.code, &said.json()["replayed"]), (Some(0), &1.into()), "{}", said.stderr);
    assert!(installation.dead_letters(0).await.is_empty());
    let copy = installation.messages("join-community.requests", 1).await.remove(0);
    assert_eq!(copy.properties.user_id().as_ref().unwrap().as_str(), "join-worker");
    assert_eq!(copy.message_id(), Some(letter.request_id()));
    assert_eq!(copy.headers["x-join-community-attempts"], 0);
    assert_eq!(copy.header("x-join-community-requester"), "producer:member-gateway");
    assert!(copy.headers.get("x-join-community-reason").is_none(), "{}", copy.headers);
    assert!(copy.header("x-join-community-replay").starts_with(&format!("{id}/")), "{}", copy.headers);

    let worker = installation.start().await;
    eventually("the member is public", PATIENCE, async || {
        let record = installation.record(site, member).await;
        if record.as_ref().is_some_and(|record| record.privacy == "PUBLIC") { Ok(()) } else { Err(record) }
    })
    .await;
    worker.stop().await;
}

#[tokio::test]
async fn what_the_broker_gave_up_is_replayed_on_its_producers_word() {
    let installation = Installation::new().await;
    let (site, member) = (Uuid::now_v7(), Uuid::now_v7());
    installation.producer().await.send(&Message::join(site, member)).await;
    wear_out(&installation).await;
    installation.dead_letters(1).await;
    let id = list(&installation).await[0]["id"].as_str().unwrap().to_owned();
    let said = dead_letters(&installation, &["replay", "--at-once", &id, "--why", "a test"]).await;
    assert_eq!(said.code, Some(0), "{} {}", said.stdout, said.stderr);
    let copy = installation.messages("join-community.requests", 1).await.remove(0);
    assert_eq!(copy.header("x-join-community-requester"), "producer:member-gateway");
    assert_eq!(copy.header("x-join-community-caller"), format!("MEMBER:{member}"));
}

#[tokio::test]
async fn what_the_worker_gave_up_unread_is_replayed_on_its_producers_word_and_starts_afresh() {
    let installation = Installation::new().await;
    let (site, member) = (Uuid::now_v7(), Uuid::now_v7());
    let letter = |member| {
        dead(Message::join(site, member))
            .text_header("x-join-community-reason", "crash_loop")
            .text_header("x-join-community-first-seen", &now())
            .header("x-join-community-attempts", AMQPValue::LongLongInt(3))
    };
    let worker = installation.producer_as_worker().await;
    worker.send(&letter(member).text_header("x-join-community-requester", "producer:member-gateway")).await;
    worker.send(&letter(member).id("stranger").text_header("x-join-community-requester", "producer:stranger")).await;
    worker.send(&letter(member).id("by-token")).await;
    let said =
        dead_letters(&installation, &["replay", "--at-once", "--all", "--why", "a test", "--output", "json"]).await;
    let told = said.json();
    assert_eq!((said.code, &told["replayed"]), (Some(1), &1.into()), "{told}");
    let refused: Vec<_> = told["refused"].as_array().unwrap().iter().map(|refused| &refused["requestId"]).collect();
    assert_eq!(refused, ["stranger", "by-token"]);
    let copy = installation.messages("join-community.requests", 1).await.remove(0);
    assert_eq!(copy.headers["x-join-community-attempts"], 0);
    assert_eq!(copy.header("x-join-community-requester"), "producer:member-gateway");
    assert_eq!(copy.header("x-join-community-caller"), format!("MEMBER:{member}"));
}

#[tokio::test]
async fn a_token_that_the_broker_left_on_a_letter_proves_it_and_stays_only_if_it_has_expired() {
    let issuer = Issuer::new();
    let installation = Installation::with(|config| issuer.trusted_by(config)).await;
    let (site, member) = (Uuid::now_v7(), Uuid::now_v7());
    let mut claims = issuer.claims(site, IdentityType::Member, member);
    claims.permissions = vec![PERMISSION.to_owned()];
    let valid = issuer.token(&claims);
    claims.expires_at = time::OffsetDateTime::now_utc() - std::time::Duration::from_hours(1);
    let expired = issuer.token(&claims);
    let body = json!({ "siteId": site });
    let producer = installation.producer().await;
    producer.send(&Message::json(&body).id("valid").token(&valid)).await;
    producer.send(&Message::json(&body).id("expired").token(&expired)).await;
    producer.send(&Message::json(&body).id("none").anonymous()).await;
    wear_out(&installation).await;
    installation.dead_letters(3).await;

    let said = dead_letters(
        &installation,
        &["replay", "--at-once", "--reason", "delivery_limit", "--why", "a test", "--output", "json"],
    )
    .await;
    let told = said.json();
    assert_eq!((said.code, &told["replayed"]), (Some(1), &2.into()), "{told}");
    assert_eq!(told["refused"][0]["requestId"], "none");
    let copies = installation.messages("join-community.requests", 2).await;
    let copy = |id: &str| copies.iter().find(|copy| copy.message_id() == Some(id)).unwrap();
    let requester = format!("token:{}:MEMBER:{member}", installation.config.auth.issuer);
    assert_eq!(copy("valid").header("x-join-community-requester"), requester);
    assert_eq!(copy("valid").headers["x-join-community-permission"], true);
    assert!(copy("valid").headers.get("authorization").is_none());
    // Our headers have no word for expiry: without its token it would become a valid one.
    assert_eq!(copy("expired").header("authorization"), format!("Bearer {expired}"));
    assert!(copy("expired").headers.get("x-join-community-requester").is_none());
}

#[tokio::test]
async fn what_proves_nothing_is_malformed_cut_or_too_old_stays_and_is_told_with_its_reason() {
    let installation = Installation::new().await;
    let (site, member) = (Uuid::now_v7(), Uuid::now_v7());
    let worker = installation.producer_as_worker().await;
    // Everything that the worker would write, but another user sent it: laundering would make it the worker's word.
    installation.other_producer().await.send(&left_by_the_worker(site, member, &now()).id("forged")).await;
    worker.send(&dead(Message::bytes("{}")).id("malformed")).await;
    let cut = left_by_the_worker(site, member, &now()).header("x-join-community-body-size", AMQPValue::LongLongInt(99));
    worker.send(&cut.id("cut")).await;
    worker.send(&left_by_the_worker(site, member, "2020-01-01T00:00:00.000Z").id("old")).await;
    worker.send(&left_by_the_worker(site, member, "no time").id("ageless")).await;

    let said =
        dead_letters(&installation, &["replay", "--at-once", "--all", "--why", "a test", "--output", "json"]).await;
    let told = said.json();
    assert_eq!((said.code, &told["replayed"]), (Some(1), &0.into()), "{told}");
    let why = |id: &str| {
        let refused = told["refused"].as_array().unwrap().iter().find(|refused| refused["requestId"] == id);
        refused.unwrap_or_else(|| panic!("{id} was not refused: {told}"))["why"].as_str().unwrap().to_owned()
    };
    for (id, reason) in [
        ("forged", "NO_PROOF"),
        ("malformed", "malformed"),
        ("cut", "beginning"),
        ("old", "older than requests.retention"),
        ("ageless", "whether it is older"),
    ] {
        assert!(why(id).contains(reason), "{id}: {}", why(id));
    }
    assert_eq!(installation.dead_letters(5).await.len(), 5);
    assert_eq!(installation.depth("join-community.requests").await, 0);

    let forced = dead_letters(
        &installation,
        &["replay", "--at-once", "--all", "--force", "--why", "a test", "--output", "json"],
    )
    .await;
    assert_eq!((forced.code, &forced.json()["replayed"]), (Some(1), &2.into()), "{}", forced.stdout);
    assert_eq!(installation.dead_letters(3).await.len(), 3);
}
