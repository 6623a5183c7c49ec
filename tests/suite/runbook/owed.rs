//! What the world is owed and does not get: events that are late, missing, too large; a cache that is behind.

use join_community::domain::Control;
use join_community::postgres::Terms;
use lapin::options::ExchangeDeleteOptions;
use serde_json::json;
use uuid::Uuid;

use super::steps::Steps;
use super::{QUEUE, listening, place};
use crate::support::{Installation, JOINABLE, MemberSpec, Message};

const UNROUTED: &str = "members.events.unrouted";
/// Of the contact, which no cache entry shows.
const GROW: &str = "UPDATE members SET contact = contact || jsonb_build_object('jobTitle', repeat('x', 1100000))
    WHERE site_id = $1 AND id = $2";
const SHRINK: &str = "UPDATE members SET contact = contact - 'jobTitle' WHERE site_id = $1 AND id = $2";

#[tokio::test]
async fn events_or_cache_entries_are_late() {
    let installation = Installation::with(listening).await;
    let (mut producer, worker) = (installation.producer().await, installation.start().await);
    // Nobody is bound, and where such events are kept is gone: what the broker confirms now, it has thrown away.
    let channel = installation.channel().await;
    channel.exchange_delete(UNROUTED.into(), ExchangeDeleteOptions::default()).await.unwrap();
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    let request = Message::join(site, member);
    assert_eq!(producer.ask(&request).await.status, 200);
    worker.until_counts("join_community_events_unproven_total", 1).await;
    let mut steps = Steps::of("Events or cache entries are late", &installation)
        .with("WORKER", place(&worker))
        .with("REQUEST", request.request_id());
    steps.next_until("join_community_outbox_rows 1\n").await;
    let said = steps.again().await;
    said.tells(&["Nothing is set.", "of sequence", "join_community_events_unproven_total "]);
    assert!(!said.stdout.contains("join_community_events_unproven_total 0"), "{said:#?}");
    steps.next().await.tells(&["Everything is declared."]);
    steps.done();
    installation.outbox_is_empty().await;
    installation.until_holds(UNROUTED, 1).await;
    worker.stop().await;
}

#[tokio::test]
async fn events_are_missing() {
    let installation = Installation::new().await;
    let (mut producer, worker) = (installation.producer().await, installation.start().await);
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    let request = Message::join(site, member);
    assert_eq!(producer.ask(&request).await.status, 200);
    installation.outbox_is_empty().await;
    // Bound only now.
    installation.foreign_queue(QUEUE).await;
    let steps = Steps::of("Events are missing", &installation).with("SITE", site.to_string()).with("QUEUE", QUEUE);
    let mut steps = steps.with("REQUEST", request.request_id());
    steps.next().await.tells(&[request.request_id()]);
    steps.next().await.tells(&[]);
    steps.done();
    let events = installation.messages(QUEUE, 1).await;
    assert_eq!(events[0].json()["entityId"], member.to_string());
    worker.stop().await;
}

#[tokio::test]
async fn events_are_missing_because_they_are_owed() {
    let installation = Installation::new().await;
    installation.set(Control::PauseEvents, Terms::default()).await;
    let (mut producer, worker) = (installation.producer().await, installation.start().await);
    let (mut events, site) = (installation.events().await, Uuid::new_v4());
    let member = installation.member(site, JOINABLE).await;
    let request = Message::join(site, member);
    assert_eq!(producer.ask(&request).await.status, 200);
    installation.cached_at(site, member, JOINABLE.sequence + 1).await;
    let mut steps = Steps::of("Events are missing", &installation).with("REQUEST", request.request_id());
    steps.next_until("of sequence").await;
    installation.release(Control::PauseEvents).await;
    events.until(member).await;
    installation.outbox_is_empty().await;
    steps.again().await.tells(&["owed       nothing"]);
    worker.stop().await;
}

#[tokio::test]
async fn an_event_is_too_large() {
    let installation = Installation::new().await;
    let (producer, mut events) = (installation.producer().await, installation.events().await);
    let crowd = installation.crowd(2).await;
    let (large, small) = (crowd.members[0], crowd.members[1]);
    installation.change(crowd.site, large, GROW).await;
    let worker = installation.start().await;
    producer.send_all(&crowd.requests).await;
    installation.until_answered(&crowd, 2).await;
    worker.until_counts("join_community_events_too_large_total", 1).await;
    events.until(small).await;
    let mut steps = Steps::of("An event is too large", &installation);
    steps.next_until(&large.to_string()).await;
    let said = steps.again().await;
    let row = said.stdout.lines().find(|line| line.contains(&large.to_string())).expect("it is named");
    let contact: u32 = row.split('|').nth(3).expect("its contact is measured").trim().parse().unwrap();
    assert!(contact > 1_100_000, "{said:#?}");
    steps.done();
    installation.change(crowd.site, large, SHRINK).await;
    let (_, event) = events.until(large).await;
    assert_eq!(event.json()["updatedEvent"]["currentEntity"]["privacyStatus"], "PUBLIC");
    installation.outbox_is_empty().await;
    worker.stop().await;
}

#[tokio::test]
async fn the_cache_is_behind() {
    let installation = Installation::new().await;
    let site = Uuid::new_v4();
    let [behind, leaked] =
        ["PUBLIC", "PRIVATE"].map(|privacy| installation.member(site, MemberSpec { privacy, ..JOINABLE }));
    let (behind, leaked) = (behind.await, leaked.await);
    installation.cache_holds(site, behind, JOINABLE.sequence - 1, &json!({ "id": behind })).await;
    installation.cache_holds(site, leaked, JOINABLE.sequence, &json!({ "id": leaked })).await;
    let mut steps = Steps::of("The cache is behind", &installation).with("SITE", site.to_string());
    let said = steps.next().await;
    assert!(
        said.code == Some(1) && said.stdout.contains("2 members compared with their entries: 1 behind"),
        "{said:#?}"
    );
    steps.next().await.tells(&["2 are set right.", "1 are shown"]);
    steps.done();
    let shown = installation.cached_at(site, behind, JOINABLE.sequence).await.unwrap();
    assert_eq!(shown["privacyStatus"], "PUBLIC");
    assert_eq!(installation.cached(site, leaked).await, Some((JOINABLE.sequence, None)));
}
