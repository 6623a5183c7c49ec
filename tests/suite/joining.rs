//! Joins that succeed, as sections 3 to 6 of the contract have them: the reply, the record, the verdict, the event, the
//! cache entry, each in full.

use serde_json::{Value, json};
use uuid::{Uuid, uuid};

use crate::support::{
    Answer, Event, Installation, JOINABLE, MemberSpec, Message, PUBLIC, Record, Recorded, entity, instant,
};

const EVENT_IDS: Uuid = uuid!("0c5b2f0e-6d2c-5f6e-9b1d-3a7c4e8f1a20");
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[tokio::test]
async fn a_member_who_may_join_becomes_public_once_and_the_world_learns_of_it() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    let before = installation.record(site, member).await.unwrap();
    let (mut producer, mut events) = (installation.producer().await, installation.events().await);

    let request = Message::join(site, member).correlation_id("c-1").text_header("traceparent", TRACE);
    let answer = producer.ask(&request).await;
    let record = installation.record(site, member).await.unwrap();
    assert_eq!((record.privacy.as_str(), record.status.as_str(), record.sequence), ("PUBLIC", "APPROVED", 17));
    assert!(record.updated >= before.updated, "{record:?}");
    let verdict = the_verdict(&installation, site).await;
    let expected = Recorded {
        request_id: request.request_id().to_owned(),
        requester: "producer:member-gateway".to_owned(),
        member: Some(member),
        caller: format!("MEMBER:{member}"),
        elevated: false,
        method: "join".to_owned(),
        verdict: "joined".to_owned(),
        code: None,
        reason: None,
        sequence: Some(17),
    };
    assert_eq!(verdict, expected);

    let shown = entity(member, &record, &answer.body["member"]["createdDate"]);
    assert_reply(&answer, &shown);
    assert_event(&events.next().await, site, &record, &shown, request.request_id());
    let cached = installation.cached_at(site, member, 17).await;
    assert_eq!(cached, Some(public_part(&shown)));
    let (ttl, left) = (installation.config.cache.ttl, installation.cache_ttl(site, member).await);
    assert!(left <= ttl.mul_f64(1.1) && left > ttl.mul_f64(0.85), "{left:?} of {ttl:?}");
    worker.stop().await;
}

#[tokio::test]
async fn the_same_request_again_gets_the_first_verdict_with_the_member_as_it_is_now() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    let (mut producer, mut events) = (installation.producer().await, installation.events().await);

    let request = Message::join(site, member);
    let first = producer.ask(&request).await;
    let verdict = the_verdict(&installation, site).await;
    assert_eq!(events.next().await.json()["entityEventSequence"], "17");
    assert_eq!(producer.ask(&request).await, first);

    installation
        .change(site, member, "UPDATE members SET profile = '{\"nickname\": \"Joan\"}' WHERE site_id = $1 AND id = $2")
        .await;
    assert_eq!(events.next().await.json()["entityEventSequence"], "18");
    let again = producer.ask(&request).await;
    assert_eq!((again.status, &again.body["member"]["profile"]), (200, &json!({ "nickname": "Joan" })));

    installation.change(site, member, "DELETE FROM members WHERE site_id = $1 AND id = $2").await;
    let gone = producer.ask(&request).await;
    assert_eq!((gone.status, gone.code()), (404, "NOT_FOUND"));
    assert_eq!(the_verdict(&installation, site).await, verdict);
    assert!(installation.record(site, member).await.unwrap().deleted);

    let marker = marker(&installation, &mut producer, site).await;
    events.none_before(marker).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_second_request_for_a_public_member_changes_nothing_and_warms_the_cache() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let site = Uuid::new_v4();
    let member = installation.member(site, PUBLIC).await;
    let record = installation.record(site, member).await;
    let (mut producer, mut events) = (installation.producer().await, installation.events().await);
    assert_eq!(installation.cached(site, member).await, None);

    let answer = producer.ask(&Message::join(site, member)).await;
    assert_eq!((answer.status, &answer.body["member"]["privacyStatus"]), (200, &json!("PUBLIC")));
    assert_eq!(installation.record(site, member).await, record);
    let verdict = the_verdict(&installation, site).await;
    assert_eq!((verdict.verdict.as_str(), verdict.code, verdict.sequence), ("already_joined", None, Some(16)));
    let cached = installation.cached_at(site, member, 16).await;
    assert_eq!(cached, Some(public_part(&answer.body["member"])));

    let marker = marker(&installation, &mut producer, site).await;
    events.none_before(marker).await;
    worker.stop().await;
}

#[tokio::test]
async fn what_does_not_matter_keeps_nobody_out() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let mut producer = installation.producer().await;
    let (unheard_of, open) = (Uuid::new_v4(), Uuid::new_v4());
    installation.gate(open, "ANYONE").await;
    for (what, site, spec) in [
        ("a site without a row", unheard_of, JOINABLE),
        ("a site for anyone", open, JOINABLE),
        ("a muted member", open, MemberSpec { activity: "MUTED", ..JOINABLE }),
        ("an unverified e-mail address", open, MemberSpec { email_verified: false, ..JOINABLE }),
        ("a record that was never changed", open, MemberSpec { sequence: 0, ..JOINABLE }),
    ] {
        let member = installation.member(site, spec.clone()).await;
        let answer = producer.ask(&Message::join(site, member)).await;
        assert_eq!((answer.status, &answer.body["member"]["privacyStatus"]), (200, &json!("PUBLIC")), "{what}");
        assert_eq!(installation.record(site, member).await.unwrap().sequence, spec.sequence + 1, "{what}");
    }
    worker.stop().await;
}

#[tokio::test]
async fn the_clock_of_a_record_never_goes_back() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let (mut producer, mut events) = (installation.producer().await, installation.events().await);
    let site = Uuid::new_v4();
    let ahead = time::OffsetDateTime::now_utc() + time::Duration::hours(1);
    let member = installation.member(site, MemberSpec { updated: Some(ahead), ..JOINABLE }).await;
    let before = installation.record(site, member).await.unwrap();

    let answer = producer.ask(&Message::join(site, member)).await;
    let record = installation.record(site, member).await.unwrap();
    assert_eq!((record.updated, record.sequence), (before.updated, 17));
    assert_eq!(answer.body["member"]["updatedDate"], instant(before.updated));
    assert_eq!(events.next().await.json()["eventTime"], instant(before.updated));
    worker.stop().await;
}

async fn the_verdict(installation: &Installation, site: Uuid) -> Recorded {
    let [verdict] = installation.requests(site).await.try_into().expect("one verdict");
    verdict
}

/// Joins a member after everything that is owed was paid: whatever comes before this event was announced before.
async fn marker(installation: &Installation, producer: &mut crate::support::Producer, site: Uuid) -> Uuid {
    installation.outbox_is_empty().await;
    let marker = installation.member(site, JOINABLE).await;
    producer.ask(&Message::join(site, marker)).await;
    marker
}

fn assert_reply(answer: &Answer, shown: &Value) {
    let expected = Answer {
        status: 200,
        body: json!({ "member": shown }),
        correlation_id: Some("c-1".to_owned()),
        kind: Some("join-community.v1.response".to_owned()),
        headers: json!({ "status": 200, "traceparent": TRACE }),
        persistent: false,
    };
    assert_eq!(*answer, expected);
}

/// The public fieldset of a member.
fn public_part(shown: &Value) -> Value {
    let fields = ["id", "contactId", "createdDate", "updatedDate", "privacyStatus", "profile"];
    fields.into_iter().map(|field| (field.to_owned(), shown[field].clone())).collect::<serde_json::Map<_, _>>().into()
}

fn assert_event(event: &Event, site: Uuid, record: &Record, shown: &Value, request_id: &str) {
    let member = shown["id"].as_str().unwrap();
    let id = Uuid::new_v5(&EVENT_IDS, format!("{site}/{member}/17").as_bytes()).to_string();
    let time = instant(record.updated);
    let body = json!({
        "id": id, "entityFqdn": "wix.members.v1.member", "slug": "updated", "entityId": member, "eventTime": time,
        "triggeredByAnonymizeRequest": false, "originatedFrom": "join_community", "entityEventSequence": "17",
        "updatedEvent": { "currentEntity": shown },
    });
    assert_eq!(event.json(), body);
    let mut headers = event.headers.clone();
    let identity = headers.as_object_mut().unwrap().remove("identity").unwrap();
    let identity: Value = serde_json::from_str(identity.as_str().unwrap()).unwrap();
    assert_eq!(identity, json!({ "identityType": "MEMBER", "memberId": member }));
    let expected = json!({
        "cloudEvents:specversion": "1.0", "cloudEvents:id": id, "cloudEvents:source": format!("/sites/{site}"),
        "cloudEvents:type": "wix.members.v1.member_updated", "cloudEvents:subject": member, "cloudEvents:time": time,
        "siteId": site, "requestId": request_id, "traceparent": TRACE,
    });
    assert_eq!(headers, expected);
    assert_eq!((&*event.exchange, &*event.routing_key), ("members.events", "wix.members.v1.member_updated"));
    let expected = lapin::BasicProperties::default()
        .with_message_id(id.as_str().into())
        .with_type("wix.members.v1.member_updated".into())
        .with_content_type("application/json".into())
        .with_delivery_mode(2)
        .with_timestamp(record.updated.unix_timestamp().try_into().unwrap())
        .with_app_id("join-community".into())
        .with_headers(event.properties.headers().clone().unwrap());
    assert_eq!(event.properties, expected);
}
