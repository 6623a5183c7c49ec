//! A request that waits on the ladder: its copy carries what was proven, and not the token that proved it.

use join_community::domain::IdentityType;
use lapin::types::AMQPValue;
use serde_json::{Value, json};
use sqlx::Connection as _;
use uuid::Uuid;

use crate::support::{Installation, Issuer, JOINABLE, Message, PERMISSION};

#[tokio::test]
async fn a_copy_carries_what_a_token_proved_and_not_the_token() {
    let issuer = Issuer::new();
    let installation = Installation::with(|config| issuer.trusted_by(config)).await;
    let worker = installation.start().await;
    let (mut producer, mut events) = (installation.producer().await, installation.events().await);
    let mut ladder = installation.listen("join-community.internal", "retry.1s").await;
    let (site, caller) = (Uuid::new_v4(), Uuid::new_v4());
    // With the permission and without: what the token held must be neither lost nor gained on the way.
    for (permitted, status) in [(true, 200), (false, 403)] {
        let member = Uuid::new_v4();
        let mut claims = issuer.claims(site, IdentityType::App, caller);
        if permitted {
            claims.permissions = vec![PERMISSION.to_owned()];
        }
        let token = issuer.token(&claims);
        let request = Message::json(&json!({ "siteId": site, "memberId": member })).token(&token);
        producer.send(&request).await;
        if permitted {
            let copy = ladder.next().await;
            assert_eq!(copy.headers["authorization"], Value::Null);
            assert!(!format!("{copy:?}").contains(&token), "{copy:?}");
            assert_eq!(copy.header("x-join-community-requester"), format!("token:https://issuer.test:APP:{caller}"));
            assert_eq!(copy.header("x-join-community-caller"), format!("APP:{caller}"));
            assert_eq!(copy.headers["x-join-community-permission"], true);
            installation.change(site, member, "INSERT INTO members (site_id, id) VALUES ($1, $2)").await;
        }
        assert_eq!(producer.answer_to(&request).await.status, status);
        let verdict = installation.verdict(site, &request).await;
        assert_eq!(
            (verdict.requester, verdict.elevated),
            (format!("token:https://issuer.test:APP:{caller}"), permitted)
        );
    }
    let identity: Value = serde_json::from_str(events.next().await.header("identity")).unwrap();
    assert_eq!(identity, json!({ "identityType": "APP", "appId": caller }));
    assert_eq!(worker.counted("join_community_retries_total"), 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_dead_letter_of_a_proven_request_says_who_asked_and_keeps_no_token() {
    let issuer = Issuer::new();
    let installation = Installation::with(|config| issuer.trusted_by(config)).await;
    let worker = installation.start().await;
    let mut producer = installation.producer().await;
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    let token = issuer.token(&issuer.claims(site, IdentityType::Member, member));
    let first = Message::json(&json!({ "siteId": site })).token(&token);
    assert_eq!(producer.ask(&first).await.status, 200);

    let other = Message::json(&json!({ "siteId": site, "elevated": false })).id(first.request_id()).token(&token);
    assert_eq!(producer.ask(&other).await.violation(), ("messageId", "REQUEST_ID_REUSED"));
    let [letter] = installation.dead_letters(1).await.try_into().unwrap();
    assert_eq!(letter.header("x-join-community-reason"), "conflict");
    assert_eq!(letter.header("x-join-community-caller"), format!("MEMBER:{member}"));
    assert_eq!(letter.headers["x-join-community-permission"], false);
    assert!(letter.headers["authorization"].is_null() && !format!("{letter:?}").contains(&token), "{letter:?}");
    worker.stop().await;
}

/// A copy of the worker's own, as it comes from the ladder: `attempts` in all, so many of them for `wait`.
fn copy_of_its_own(site: Uuid, member: Uuid, attempts: i64, wait: &str) -> Message {
    Message::join(site, member)
        .text_header("x-join-community-requester", "producer:member-gateway")
        .text_header("x-join-community-caller", &format!("MEMBER:{member}"))
        .header("x-join-community-attempts", AMQPValue::LongLongInt(attempts))
        .header(&format!("x-join-community-attempts-{wait}"), AMQPValue::LongLongInt(attempts))
}

#[tokio::test]
async fn an_unknown_member_is_waited_for_as_often_as_ever_after_a_busy_record() {
    let installation = Installation::with(|config| config.join.unknown_member_retries = 1).await;
    let worker = installation.start().await;
    let mut own = installation.producer_as_worker().await;
    let mut ladder = installation.listen("join-community.internal", "retry.1s").await;
    let request = copy_of_its_own(Uuid::new_v4(), Uuid::new_v4(), 8, "busy");
    own.send(&request).await;
    let copy = ladder.next().await;
    let attempts = ["attempts", "attempts-unknown-member", "attempts-busy"];
    let attempts = attempts.map(|name| copy.headers[format!("x-join-community-{name}")].clone());
    assert_eq!(attempts, [json!(9), json!(1), json!(8)]);
    assert_eq!(own.answer_to(&request).await.status, 404);
    assert_eq!(worker.counted("join_community_retries_total"), 1);
    worker.stop().await;
}

#[tokio::test]
async fn a_busy_record_is_waited_for_as_often_as_ever_after_an_unknown_member() {
    let installation = Installation::with(|config| {
        config.join.busy_retries = 1;
        config.database.lock_timeout = std::time::Duration::from_millis(200);
    })
    .await;
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    let mut holder = installation.stranger().await;
    let mut held = holder.begin().await.unwrap();
    sqlx::query("SELECT FROM members FOR UPDATE").execute(&mut *held).await.unwrap();
    let worker = installation.start().await;
    let own = installation.producer_as_worker().await;
    own.send(&copy_of_its_own(site, member, 5, "unknown-member")).await;
    let [letter] = installation.dead_letters(1).await.try_into().unwrap();
    assert_eq!(letter.header("x-join-community-reason"), "busy");
    assert_eq!(letter.headers["x-join-community-attempts"], 6, "all together");
    let retries = letter.header("x-join-community-retries");
    let (at, rung) = retries.split_once(' ').unwrap_or_else(|| panic!("{retries}"));
    let ago = time::OffsetDateTime::now_utc() - join_community::wire::instant::parse(at).expect(at);
    assert!(rung == "1s" && ago >= time::Duration::seconds(1) && ago < time::Duration::minutes(2), "{retries}");
    assert_eq!(worker.counted("join_community_retries_total"), 1);
    held.rollback().await.unwrap();
    worker.stop().await;
}
