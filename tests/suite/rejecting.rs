//! Requests that are answered with a no: recorded, replied, never dead-lettered, and the member left as it was.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Answer, Installation, JOINABLE, MemberSpec, Message, PATIENCE, PUBLIC, eventually};

#[tokio::test]
async fn a_member_or_site_in_the_wrong_state_is_told_so_and_hidden_from_readers() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let (mut producer, mut events) = (installation.producer().await, installation.events().await);
    let (open, closed) = (Uuid::new_v4(), Uuid::new_v4());
    installation.gate(closed, "NO_ONE").await;
    let with = |status, privacy| MemberSpec { status, privacy, ..JOINABLE };
    // The gate answers before the member's own state does; only that state owes a tombstone.
    for (site, spec, reason, hidden) in [
        (open, with("PENDING", "PRIVATE"), "PENDING", true),
        (open, with("BLOCKED", "PRIVATE"), "BLOCKED", true),
        (open, with("BLOCKED", "PUBLIC"), "BLOCKED", true),
        (open, with("OFFLINE", "PRIVATE"), "OFFLINE", true),
        (closed, with("APPROVED", "PRIVATE"), "SITE_CLOSED", false),
        (closed, with("APPROVED", "PUBLIC"), "SITE_CLOSED", false),
        (closed, with("BLOCKED", "PRIVATE"), "SITE_CLOSED", false),
    ] {
        let member = installation.member(site, spec).await;
        installation.cache_holds(site, member, 16, &json!({ "stale": true })).await;
        let record = installation.record(site, member).await;
        let request = Message::join(site, member);

        let answer = producer.ask(&request).await;
        assert_eq!(rejection(&answer), (428, "COMMUNITY_JOIN_IMPOSSIBLE", Some(reason)));
        assert_eq!(producer.ask(&request).await, answer);
        let verdict = installation.verdict(site, &request).await;
        let expected = ("rejected", Some("COMMUNITY_JOIN_IMPOSSIBLE".to_owned()), Some(reason.to_owned()));
        assert_eq!((verdict.verdict.as_str(), verdict.code, verdict.reason), expected);
        assert_eq!((verdict.member, verdict.sequence), (Some(member), Some(16)));
        assert_eq!(installation.record(site, member).await, record, "{reason}");
        installation.outbox_is_empty().await;
        let shown = if hidden { None } else { Some(json!({ "stale": true })) };
        let cached = eventually("the cache", PATIENCE, async || match installation.cached(site, member).await {
            Some((16, cached)) if cached == shown => Ok(cached),
            other => Err(other),
        });
        cached.await;
    }
    assert_nothing_else(&installation, &mut producer, &mut events, open).await;
    worker.stop().await;
}

#[tokio::test]
async fn an_unknown_member_is_waited_for_on_the_ladder_and_then_not_found() {
    let installation = Installation::with(|config| config.join.unknown_member_retries = 1).await;
    let worker = installation.start().await;
    let (mut producer, mut events) = (installation.producer().await, installation.events().await);
    let site = Uuid::new_v4();
    let deleted = installation.member(site, PUBLIC).await;
    installation.cache_holds(site, deleted, 16, &json!({ "stale": true })).await;
    installation.change(site, deleted, "DELETE FROM members WHERE site_id = $1 AND id = $2").await;
    let unknown = Uuid::new_v4();

    let requests = [deleted, unknown].map(|member| Message::join(site, member));
    producer.send_all(&requests).await;
    for (request, sequence) in requests.iter().zip([Some(17), None]) {
        let answer = producer.answer_to(request).await;
        assert_eq!(rejection(&answer), (404, "NOT_FOUND", None));
        let verdict = installation.verdict(site, request).await;
        assert_eq!((verdict.verdict.as_str(), verdict.code.as_deref()), ("rejected", Some("NOT_FOUND")));
        assert_eq!(verdict.sequence, sequence);
        assert_eq!(producer.ask(request).await, answer);
    }
    assert_eq!(worker.counted("join_community_retries_total"), 2);
    assert_eq!(installation.cached_at(site, deleted, 17).await, None);
    assert_nothing_else(&installation, &mut producer, &mut events, site).await;
    // Of whom nothing is known, nothing is to be hidden: an entry now would stand in the way of a later one.
    assert_eq!(installation.cached(site, unknown).await, None);
    worker.stop().await;
}

#[tokio::test]
async fn a_member_whose_record_comes_while_the_request_waits_joins_and_nothing_of_the_request_is_lost() {
    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let (mut producer, mut events) = (installation.producer().await, installation.events().await);
    let mut ladder = installation.listen("join-community.internal", "retry.1s").await;
    let (site, member) = (Uuid::new_v4(), Uuid::new_v4());

    let request = Message::join(site, member)
        .correlation_id("waited")
        .text_header("traceparent", TRACE)
        .text_header("tracestate", "rojo=1");
    producer.send(&request).await;
    assert_copy(&ladder.next().await, &request, member);
    installation.change(site, member, "INSERT INTO members (site_id, id, event_sequence) VALUES ($1, $2, 4)").await;

    let answer = producer.answer_to(&request).await;
    assert_eq!((answer.status, answer.correlation_id.as_deref()), (200, Some("waited")));
    assert_eq!(answer.headers["traceparent"], TRACE);
    let event = events.next().await;
    assert_eq!(event.header("requestId"), request.request_id());
    assert_eq!((event.header("traceparent"), &event.json()["entityEventSequence"]), (TRACE, &json!("5")));
    let verdict = installation.verdict(site, &request).await;
    assert_eq!((verdict.verdict.as_str(), verdict.requester.as_str()), ("joined", "producer:member-gateway"));
    worker.stop().await;
}

/// A copy on the ladder: the request as it came, and who asked, proven by who wrote the copy.
fn assert_copy(copy: &crate::support::Delivered, request: &Message, member: Uuid) {
    assert_eq!(copy.body, request.body());
    let user = copy.properties.user_id().as_ref().map(lapin::types::ShortString::as_str);
    assert_eq!((copy.message_id(), user), (Some(request.request_id()), Some("join-worker")));
    assert_eq!(copy.headers["x-join-community-attempts"], 1);
    assert_eq!(copy.header("x-join-community-requester"), "producer:member-gateway");
    assert_eq!(copy.header("x-join-community-caller"), format!("MEMBER:{member}"));
    assert_eq!(copy.header("tracestate"), "rojo=1");
    let arrived = copy.header("x-join-community-arrived");
    assert!(arrived.ends_with('Z') && arrived.len() == 24, "{arrived}");
}

/// No event, no dead letter.
async fn assert_nothing_else(
    installation: &Installation,
    producer: &mut crate::support::Producer,
    events: &mut crate::support::Events,
    site: Uuid,
) {
    installation.outbox_is_empty().await;
    let marker = installation.member(site, JOINABLE).await;
    assert_eq!(producer.ask(&Message::join(site, marker)).await.status, 200);
    events.none_before(marker).await;
    assert_eq!(installation.depth("join-community.dead-letters").await, 0);
}

fn rejection(answer: &Answer) -> (i64, &str, Option<&str>) {
    let error = &answer.body["details"]["applicationError"];
    assert!(answer.body["message"].is_string() && error["description"].is_string() && error["data"].is_object());
    assert_eq!(answer.body["member"], Value::Null);
    (answer.status, error["code"].as_str().unwrap(), error["data"]["reason"].as_str())
}
