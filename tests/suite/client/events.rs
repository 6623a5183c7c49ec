//! `MemberEvents`: each change once and none that is older, whatever comes, and whatever becomes of the connection.

mod kept;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use join_community::client::{
    EventsError, JoinRequest, MemberEvents, MemberId, MemberUpdated, PrivacyStatus, Queue, Sequences, SiteId,
};
use join_community::domain::IdentityType;
use lapin::options::{BasicPublishOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokio::time::timeout;
use uuid::Uuid;

use super::{broker, client};
use crate::support::{Installation, JOINABLE, PATIENCE, Proxy, Wire, eventually};

const QUEUE: &str = "shop.members";
/// As they are spoken, and as they were released.
const VECTORS: [&str; 2] = [
    include_str!("../../../contract/v1/vectors/events.json"),
    include_str!("../../../contract/released/vectors/events.json"),
];

async fn listen(installation: &Installation) -> MemberEvents {
    MemberEvents::connect(&broker(&installation.administrator_url()), Queue::durable(QUEUE)).await.unwrap()
}

/// The next event, handled.
async fn handle<S: Sequences>(events: &mut MemberEvents<S>) -> MemberUpdated {
    let event = timeout(PATIENCE, events.next()).await.expect("an event comes").unwrap();
    let updated = (*event).clone();
    event.handled().await.unwrap();
    updated
}

/// Sends an event as the worker does, as far as a consumer looks.
async fn announce(channel: &Channel, site: Uuid, body: &[u8], id: &str) {
    let mut headers = FieldTable::default();
    headers.insert("siteId".into(), AMQPValue::LongString(site.to_string().into()));
    let properties = BasicProperties::default().with_message_id(id.into()).with_headers(headers);
    let (exchange, key) = ("members.events".into(), "wix.members.v1.member_updated".into());
    channel.basic_publish(exchange, key, BasicPublishOptions::default(), body, properties).await.unwrap();
}

fn event(member: Uuid, sequence: i64) -> Vec<u8> {
    let at = "2026-11-24T10:00:00.123Z";
    let entity = json!({ "id": member, "status": "APPROVED", "createdDate": at, "updatedDate": at });
    let event = json!({ "id": Uuid::new_v4(), "entityId": member, "eventTime": at,
        "entityEventSequence": sequence.to_string(), "updatedEvent": { "currentEntity": entity } });
    event.to_string().into_bytes()
}

#[tokio::test]
async fn of_the_test_vectors_exactly_what_is_news_is_handed_out() {
    let installation = Installation::new().await;
    let channel = installation.channel().await;
    let mut events = listen(&installation).await;
    let files = VECTORS.map(|text| serde_json::from_str::<Value>(text).unwrap());
    for vector in files.iter().flat_map(|file| file["vectors"].as_array().unwrap()) {
        // Sites of its own, so that one consumer takes them all.
        let mut sites: BTreeMap<String, Uuid> = BTreeMap::new();
        let deliveries = vector["deliveries"].as_array().unwrap();
        for delivery in deliveries {
            let site = delivery["headers"]["siteId"].as_str().unwrap().to_owned();
            let site = *sites.entry(site).or_insert_with(Uuid::new_v4);
            announce(&channel, site, delivery["event"].to_string().as_bytes(), "vector").await;
        }
        let end = Uuid::new_v4();
        announce(&channel, end, &event(end, 1), "end").await;
        let mut kept = Vec::new();
        let mut held: BTreeMap<String, String> = BTreeMap::new();
        loop {
            let updated = handle(&mut events).await;
            if updated.member.id == MemberId(end) {
                break;
            }
            let (name, _) = sites.iter().find(|(_, site)| SiteId(**site) == updated.site).unwrap();
            held.insert(format!("{name}/{}", updated.member.id), updated.sequence.to_string());
            kept.push(updated.id.to_string());
        }
        let expected = &vector["expected"];
        let keeps =
            expected["keeps"].as_array().unwrap().iter().map(|at| usize::try_from(at.as_u64().unwrap()).unwrap());
        let keeps: Vec<&str> = keeps.map(|at| deliveries[at]["event"]["id"].as_str().unwrap()).collect();
        assert_eq!(kept, keeps, "{}", vector["name"]);
        assert_eq!(json!(held), expected["held"], "{}", vector["name"]);
    }
    assert!(events.dropped() > 0);
}

#[tokio::test]
async fn what_the_worker_announces_is_heard_once_with_who_caused_it() {
    let installation = Installation::new().await;
    let mut events = listen(&installation).await;
    let worker = installation.start().await;
    let client = client(&installation).await;
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    let asked = JoinRequest::member(SiteId(site), MemberId(member));
    let joined = client.join(&asked).await.unwrap();
    let heard = handle(&mut events).await;
    assert_eq!((heard.site, heard.sequence, &heard.member), (SiteId(site), JOINABLE.sequence + 1, &joined));
    assert_eq!((heard.request.as_ref(), heard.originated_from.as_deref()), (Some(asked.id()), Some("join_community")));
    let caller = heard.caller.unwrap();
    assert_eq!((caller.identity_type, caller.id), (IdentityType::Member, member));

    installation
        .change(site, member, "UPDATE members SET privacy_status = 'PRIVATE' WHERE site_id = $1 AND id = $2")
        .await;
    let heard = handle(&mut events).await;
    assert_eq!((heard.sequence, heard.member.privacy_status), (JOINABLE.sequence + 2, Some(PrivacyStatus::Private)));
    assert_eq!((heard.caller, heard.request, heard.originated_from.as_deref()), (None, None, Some("external")));
    worker.stop().await;
}

#[tokio::test]
async fn an_event_that_was_not_handled_comes_again_and_one_that_was_does_not() {
    let installation = Installation::new().await;
    let channel = installation.channel().await;
    let mut events = listen(&installation).await;
    let (site, member) = (Uuid::new_v4(), Uuid::new_v4());
    announce(&channel, site, &event(member, 1), "1").await;
    let began = Instant::now();
    for _ in 0..3 {
        // Not settled: an effect that failed.
        assert_eq!(timeout(PATIENCE, events.next()).await.unwrap().unwrap().sequence, 1);
    }
    // Two pauses, which are at least half as long as they are meant to be.
    assert!(began.elapsed() >= Duration::from_millis(100), "as fast as it can: {:?}", began.elapsed());
    // Another one, after a restart of the consumer.
    drop(events);
    let mut events = listen(&installation).await;
    assert_eq!(handle(&mut events).await.sequence, 1);
    announce(&channel, site, &event(member, 1), "1").await;
    announce(&channel, site, &event(member, 2), "2").await;
    assert_eq!((handle(&mut events).await.sequence, events.dropped()), (2, 1));
    announce(&channel, site, &event(member, 3), "3").await;
    timeout(PATIENCE, events.next()).await.unwrap().unwrap().reject().await;
    announce(&channel, site, &event(member, 4), "4").await;
    assert_eq!(handle(&mut events).await.sequence, 4);
    drop(events);
    // To one who remembers nothing everything would be news.
    let mut events = listen(&installation).await;
    let other = Uuid::new_v4();
    announce(&channel, site, &event(other, 1), "other").await;
    assert_eq!(handle(&mut events).await.member.id, MemberId(other), "something else was left in the queue");
}

#[tokio::test]
async fn of_two_consumers_one_is_given_the_events_and_the_other_takes_over() {
    let installation = Installation::new().await;
    let channel = installation.channel().await;
    let (mut active, mut standing_by) = (listen(&installation).await, listen(&installation).await);
    let (site, member) = (Uuid::new_v4(), Uuid::new_v4());
    for sequence in 1..=4 {
        announce(&channel, site, &event(member, sequence), "in order").await;
    }
    for sequence in 1..=3 {
        assert_eq!(handle(&mut active).await.sequence, sequence);
    }
    assert_eq!(timeout(PATIENCE, active.next()).await.unwrap().unwrap().sequence, 4);
    drop(active);
    assert_eq!(handle(&mut standing_by).await.sequence, 4);
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_named_and_stops_nobody() {
    let installation = Installation::new().await;
    let channel = installation.channel().await;
    let mut events = listen(&installation).await;
    let member = Uuid::new_v4();
    announce(&channel, Uuid::new_v4(), b"{ \"loginEmail\": \"jane@example.com\"", "broken").await;
    announce(&channel, Uuid::new_v4(), &event(member, 1), "sound").await;
    let error = timeout(PATIENCE, events.next()).await.unwrap().err().expect("no event");
    assert!(matches!(&error, EventsError::Unreadable { id: Some(id), .. } if id == "broken"), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("jane"), "{error:?}");
    assert_eq!(handle(&mut events).await.member.id, MemberId(member));
}

#[tokio::test]
async fn a_consumer_whose_connection_is_lost_says_so_and_goes_on_where_it_was() {
    let installation = Installation::new().await;
    let channel = installation.channel().await;
    let mut url = SecretString::from(installation.administrator_url());
    let wire = Proxy::before(&mut url);
    let broker = broker(url.expose_secret()).timeout(Duration::from_secs(5));
    let mut events = MemberEvents::connect(&broker, Queue::durable(QUEUE)).await.unwrap();
    let (site, member) = (Uuid::new_v4(), Uuid::new_v4());
    announce(&channel, site, &event(member, 1), "1").await;
    assert_eq!(handle(&mut events).await.sequence, 1);
    announce(&channel, site, &event(member, 2), "2").await;
    // In hand, and not settled, when the connection goes.
    assert_eq!(timeout(PATIENCE, events.next()).await.unwrap().unwrap().sequence, 2);
    wire.set(Wire::Cut);
    let lost = timeout(PATIENCE, async {
        loop {
            if let Err(error) = events.next().await {
                return error;
            }
            // As long as nobody has noticed, it is what it was.
            tokio::task::yield_now().await;
        }
    });
    assert!(matches!(lost.await.unwrap(), EventsError::Lost(_)));
    wire.set(Wire::Whole);
    announce(&channel, site, &event(member, 3), "3").await;
    for expected in [2, 3] {
        let sequence = eventually("the consumer has connected anew", PATIENCE, async || match events.next().await {
            Ok(event) => {
                let sequence = event.sequence;
                event.handled().await.unwrap();
                Ok(sequence)
            }
            Err(error) => Err(error),
        })
        .await;
        assert_eq!(sequence, expected);
    }
}

#[tokio::test]
async fn a_queue_that_somebody_else_declared_is_consumed_and_one_of_another_kind_is_refused() {
    let installation = Installation::new().await;
    let channel = installation.channel().await;
    let broker = broker(&installation.administrator_url());
    let (classic, none) = (QueueDeclareOptions::durable(), FieldTable::default);
    channel.queue_declare(QUEUE.into(), classic, none()).await.unwrap();
    let (exchange, key) = ("members.events".into(), "wix.members.v1.member_updated".into());
    channel.queue_bind(QUEUE.into(), exchange, key, QueueBindOptions::default(), none()).await.unwrap();
    assert!(MemberEvents::connect(&broker, Queue::durable(QUEUE)).await.is_err());
    let mut events = MemberEvents::connect(&broker, Queue::existing(QUEUE)).await.unwrap();
    let member = Uuid::new_v4();
    announce(&channel, Uuid::new_v4(), &event(member, 1), "1").await;
    assert_eq!(handle(&mut events).await.member.id, MemberId(member));
    assert!(MemberEvents::connect(&broker, Queue::existing("nobody's")).await.is_err());
}
