//! Leaving, the inverse of joining: the same proofs, the same record, event and cache.

mod order;
mod spread;

use serde_json::json;
use uuid::Uuid;

use crate::support::{Installation, JOINABLE, MemberSpec, Message, PUBLIC, Recorded, entity, trusted};

#[tokio::test]
async fn a_member_who_leaves_becomes_private_once_and_the_world_learns_of_it() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let (mut producer, mut events) = (installation.producer().await, installation.events().await);
    let site = Uuid::new_v4();
    let member = installation.member(site, PUBLIC).await;
    // The profile stands in the cache before.
    producer.ask(&Message::join(site, member)).await;
    assert!(installation.cached_at(site, member, 16).await.is_some());

    let request = Message::leave(site, member);
    let answer = producer.ask(&request).await;
    let record = installation.record(site, member).await.unwrap();
    assert_eq!((record.privacy.as_str(), record.status.as_str(), record.sequence), ("PRIVATE", "APPROVED", 17));
    let shown = entity(member, &record, &answer.body["member"]["createdDate"]);
    assert_eq!((answer.status, &answer.body), (200, &json!({ "member": shown })));
    assert_eq!(answer.kind.as_deref(), Some("leave-community.v1.response"));
    let expected = Recorded {
        request_id: request.request_id().to_owned(),
        requester: "producer:member-gateway".to_owned(),
        member: Some(member),
        caller: format!("MEMBER:{member}"),
        elevated: false,
        method: "leave".to_owned(),
        verdict: "left".to_owned(),
        code: None,
        reason: None,
        sequence: Some(17),
    };
    assert_eq!(installation.verdict(site, &request).await, expected);

    let event = events.next().await;
    let body = event.json();
    assert_eq!((&body["originatedFrom"], &body["entityEventSequence"]), (&json!("leave_community"), &json!("17")));
    assert_eq!(body["updatedEvent"]["currentEntity"], shown);
    assert_eq!(event.header("requestId"), request.request_id());
    assert_eq!(installation.cached_at(site, member, 17).await, None, "a tombstone");

    // The same again, and another one: 200, and nothing more.
    assert_eq!(producer.ask(&request).await, answer);
    let once_more = Message::leave(site, member);
    assert_eq!(producer.ask(&once_more).await.body, answer.body);
    let verdict = installation.verdict(site, &once_more).await;
    assert_eq!((verdict.verdict.as_str(), verdict.sequence), ("already_left", Some(17)));
    assert_eq!(installation.record(site, member).await.unwrap(), record);
    installation.outbox_is_empty().await;
    let marker = installation.member(site, JOINABLE).await;
    producer.ask(&Message::join(site, marker)).await;
    events.none_before(marker).await;
    worker.stop().await;
}

#[tokio::test]
async fn neither_site_nor_status_keeps_anybody_in_and_who_never_joined_leaves_as_well() {
    let installation = Installation::with(|config| config.join.unknown_member_retries = 0).await;
    let worker = installation.start().await;
    let mut producer = installation.producer().await;
    let (open, closed) = (Uuid::new_v4(), Uuid::new_v4());
    installation.gate(closed, "NO_ONE").await;
    for (what, site, spec, verdict) in [
        ("of a closed site", closed, PUBLIC, "left"),
        ("blocked", open, MemberSpec { status: "BLOCKED", ..PUBLIC }, "left"),
        ("pending", open, MemberSpec { status: "PENDING", ..PUBLIC }, "left"),
        ("offline", open, MemberSpec { status: "OFFLINE", ..PUBLIC }, "left"),
        ("private", open, JOINABLE, "already_left"),
        ("private, of a closed site", closed, JOINABLE, "already_left"),
    ] {
        let member = installation.member(site, spec.clone()).await;
        let request = Message::leave(site, member);
        let answer = producer.ask(&request).await;
        assert_eq!((answer.status, &answer.body["member"]["privacyStatus"]), (200, &json!("PRIVATE")), "{what}");
        assert_eq!(installation.verdict(site, &request).await.verdict, verdict, "{what}");
        let record = installation.record(site, member).await.unwrap();
        let changes = i64::from(verdict == "left");
        assert_eq!((record.status.as_str(), record.sequence), (spec.status, spec.sequence + changes), "{what}");
    }
    let unknown = producer.ask(&Message::leave(open, Uuid::new_v4())).await;
    assert_eq!((unknown.status, unknown.code()), (404, "NOT_FOUND"));
    worker.stop().await;
}

#[tokio::test]
async fn whoever_may_not_join_a_member_may_not_make_them_leave() {
    let installation = Installation::with(|config| {
        config.auth.producers = vec![trusted("member-gateway"), trusted("admin")];
        config.auth.producers[1].may_elevate = false;
    })
    .await;
    let worker = installation.start().await;
    let (mut full, mut limited) = (installation.producer().await, installation.other_producer().await);
    let site = Uuid::new_v4();
    let (member, other) = (installation.member(site, PUBLIC).await, Uuid::new_v4());
    let for_them = |kind: &str, field: &str, elevated: bool| {
        let identity = json!({ "identityType": kind, field: other });
        Message::json(&json!({ "siteId": site, "memberId": member, "identity": identity, "elevated": elevated }))
            .leaving()
    };
    for refused in [for_them("MEMBER", "memberId", false), for_them("APP", "appId", false)] {
        let answer = full.ask(&refused).await;
        assert_eq!((answer.status, answer.code()), (403, "PERMISSION_DENIED"));
        assert_eq!(answer.kind.as_deref(), Some("leave-community.v1.response"));
    }
    assert_eq!(limited.ask(&for_them("APP", "appId", true)).await.status, 403);
    assert_eq!(full.ask(&Message::leave(site, member).anonymous()).await.status, 401);
    assert_eq!(installation.record(site, member).await.unwrap().privacy, "PUBLIC");
    assert_eq!(full.ask(&for_them("APP", "appId", true)).await.status, 200);
    assert_eq!(installation.record(site, member).await.unwrap().privacy, "PRIVATE");
    worker.stop().await;
}

#[tokio::test]
async fn joining_and_leaving_under_one_id_are_a_conflict_and_a_type_that_nobody_knows_is_malformed() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let mut producer = installation.producer().await;
    let site = Uuid::new_v4();
    for (spec, first, privacy) in [(JOINABLE, "join-community.v1", "PUBLIC"), (PUBLIC, "leave-community.v1", "PRIVATE")]
    {
        let member = installation.member(site, spec).await;
        let (join, leave) = (Message::join(site, member), Message::leave(site, member));
        let (first, second) = if first == "join-community.v1" { (join, leave) } else { (leave, join) };
        assert_eq!(producer.ask(&first).await.status, 200);
        let refused = producer.ask(&second.id(first.request_id()).correlation_id("second")).await;
        assert_eq!((refused.status, refused.violation()), (400, ("messageId", "REQUEST_ID_REUSED")));
        assert_eq!(installation.record(site, member).await.unwrap().privacy, privacy);
    }
    let letters = installation.dead_letters(2).await;
    assert!(letters.iter().all(|letter| letter.header("x-join-community-reason") == "conflict"), "{letters:?}");
    let mut kinds: Vec<String> =
        letters.iter().map(|letter| letter.properties.kind().as_ref().unwrap().to_string()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["join-community.v1", "leave-community.v1"], "each keeps its type");

    let unknown = Message::leave(site, Uuid::new_v4());
    let unknown = unknown.properties(|properties| properties.with_type("leave-community.v2".into()));
    let refused = producer.ask(&unknown).await;
    assert_eq!((refused.status, refused.violation()), (400, ("type", "UNKNOWN_VALUE")));
    worker.stop().await;
}

#[tokio::test]
async fn a_copy_on_the_ladder_comes_back_as_a_request_to_leave() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let mut producer = installation.producer().await;
    let mut ladder = installation.listen("join-community.internal", "retry.1s").await;
    let (site, member) = (Uuid::new_v4(), Uuid::new_v4());
    let request = Message::leave(site, member);
    producer.send(&request).await;
    let copy = ladder.next().await;
    assert_eq!(copy.properties.kind().as_ref().unwrap().as_str(), "leave-community.v1");
    installation
        .change(site, member, "INSERT INTO members (site_id, id, privacy_status) VALUES ($1, $2, 'PUBLIC')")
        .await;
    let answer = producer.answer_to(&request).await;
    assert_eq!((answer.status, &answer.body["member"]["privacyStatus"]), (200, &json!("PRIVATE")));
    worker.stop().await;
}
