//! The publishing connection away or hung while the consuming one is not: two connections, so that neither holds up the
//! other.

use std::time::Duration;

use join_community::operations::Dependency;
use join_community::rabbitmq::connect::connect;
use join_community::rabbitmq::topology::{self, Names};
use lapin::options::ExchangeDeleteOptions;
use reqwest::Method;
use serde_json::json;

use crate::support::{Installation, Message, PATIENCE, Proxy, Wire, Worker, eventually};

const PUBLISHING: &str = "join-community publishing";

#[tokio::test]
async fn joins_are_acknowledged_while_the_publishing_connection_is_away_and_their_events_come_later() {
    acknowledges_during(Wire::Cut).await;
}

#[tokio::test]
async fn joins_are_acknowledged_while_the_publishing_connection_hangs_and_their_events_come_later() {
    acknowledges_during(Wire::Hung).await;
}

async fn acknowledges_during(fault: Wire) {
    let installation = Installation::with(|config| {
        // No more than this is ever delivered without an ack: what is answered beyond it proves acks.
        (config.join.lanes, config.join.batch_max, config.join.prefetch) = (1, 5, 5);
    })
    .await;
    let producer = installation.producer().await;
    let mut events = installation.events().await;
    let mut config = installation.alert();
    let wire = Proxy::of_some(&mut config.broker.url, PUBLISHING);
    let worker = Worker::start(config).await;
    wire.set(fault);
    let crowd = installation.crowd_at_the_door(&producer, 50).await;
    worker.until_misses(Dependency::Publishing).await;
    installation.until_answered(&crowd, 50).await;
    assert!(worker.health().is_up(Dependency::Consuming), "the consuming connection was lost, too");
    wire.set(Wire::Whole);
    events.tell_of(&[&crowd]).await;
    installation.all_joined_once(&crowd).await;
    worker.stop().await;
}

#[tokio::test]
async fn events_that_the_worker_may_not_publish_harm_nobody_and_come_once_it_may() {
    let installation = Installation::new().await;
    let producer = installation.producer().await;
    let mut events = installation.events().await;
    let vhost = installation.vhost();
    let path = format!("permissions/{}/join-worker", vhost.name);
    let before = vhost.manage(Method::GET, &path, None).await;
    let mut fewer = before.clone();
    fewer["write"] = json!("^(join-community.*|members\\.events\\.unrouted|amq\\.default)$");
    vhost.manage(Method::PUT, &path, Some(&fewer)).await;
    let worker = Worker::launch(installation.alert()).await;
    let crowd = installation.crowd_at_the_door(&producer, 50).await;
    installation.until_answered(&crowd, 50).await;
    // Copies have a channel of their own.
    producer.send(&Message::bytes("{")).await;
    installation.dead_letters(1).await;
    vhost.manage(Method::PUT, &path, Some(&before)).await;
    events.tell_of(&[&crowd]).await;
    installation.outbox_is_empty().await;
    worker.stop().await;
    assert_eq!(installation.answered(&crowd).await, 50);
}

#[tokio::test]
async fn an_event_that_no_queue_took_stays_owed_and_goes_out_when_one_does() {
    let installation = Installation::new().await;
    let producer = installation.producer().await;
    let worker = installation.start().await;
    // Nobody is bound, and where such events are kept is gone: what the broker confirms now, it has thrown away.
    let channel = installation.channel().await;
    channel.exchange_delete("members.events.unrouted".into(), ExchangeDeleteOptions::default()).await.unwrap();
    let crowd = installation.crowd_at_the_door(&producer, 20).await;
    installation.until_answered(&crowd, 20).await;
    let mut stranger = installation.stranger().await;
    eventually("every event was tried twice", PATIENCE, async || {
        let tried = "SELECT count(*) FROM outbox WHERE event_due AND attempts > 0";
        match sqlx::query_scalar::<_, i64>(tried).fetch_one(&mut stranger).await.unwrap() {
            20 => Ok(()),
            tried => Err(tried),
        }
    })
    .await;
    assert!(worker.counted("join_community_events_unproven_total") >= 20);
    let broker = &installation.config.broker;
    let deployer = connect(&broker.url, "deployer", broker).await.unwrap();
    topology::declare(&deployer, &Names::of(broker)).await.unwrap();
    installation.all_joined_once(&crowd).await;
    installation.until_holds("members.events.unrouted", 20).await;
    worker.stop().await;
}

#[tokio::test]
async fn an_event_that_is_larger_than_the_broker_takes_stays_owed_until_its_record_is_smaller() {
    let installation = Installation::new().await;
    let producer = installation.producer().await;
    let mut events = installation.events().await;
    let crowd = installation.crowd(2).await;
    // Of the contact, which no cache entry shows.
    let grow = "UPDATE members SET contact = contact || jsonb_build_object('jobTitle', repeat('x', 1100000))
                WHERE site_id = $1 AND id = $2";
    installation.change(crowd.site, crowd.members[0], grow).await;
    let worker = installation.start().await;
    producer.send_all(&crowd.requests).await;
    installation.until_answered(&crowd, 2).await;
    worker.until_counts("join_community_events_too_large_total", 1).await;
    events.until(crowd.members[1]).await;
    worker.until_counts("join_community_outbox_rows", 1).await;
    let shrink = "UPDATE members SET contact = contact - 'jobTitle' WHERE site_id = $1 AND id = $2";
    installation.change(crowd.site, crowd.members[0], shrink).await;
    let (_, event) = events.until(crowd.members[0]).await;
    assert_eq!(event.json()["updatedEvent"]["currentEntity"]["privacyStatus"], "PUBLIC");
    installation.outbox_is_empty().await;
    worker.stop().await;
}

#[tokio::test]
async fn a_malformed_message_whose_copy_is_not_confirmed_goes_back_alone_while_its_neighbours_are_done() {
    let installation = Installation::with(|config| {
        (config.join.lanes, config.join.batch_max, config.join.prefetch) = (1, 100, 100);
        config.settle.timeout = Duration::from_secs(1);
    })
    .await;
    let producer = installation.producer().await;
    let malformed = Message::bytes("{");
    let batch = installation.crowd(99).await;
    let mut sent = batch.requests.clone();
    sent.insert(37, malformed.clone());
    // They lie there before anybody takes them, and so are taken as one batch.
    producer.send_all(&sent).await;
    let mut config = installation.alert();
    let wire = Proxy::of_some(&mut config.broker.url, PUBLISHING);
    wire.set(Wire::HungToClient);
    let worker = Worker::launch(config).await;
    // More would not be delivered, had the neighbours not been acknowledged.
    let next = installation.crowd_at_the_door(&producer, 99).await;
    installation.until_answered(&next, 99).await;
    eventually("a delivery goes back", PATIENCE, async || match worker.counted("join_community_returned_total") {
        0 => Err(0),
        returned => Ok(returned),
    })
    .await;
    wire.set(Wire::Whole);
    eventually("the malformed message is a dead letter", PATIENCE, async || {
        match installation.depth("join-community.dead-letters").await {
            0 => Err(0),
            depth => Ok(depth),
        }
    })
    .await;
    worker.stop().await;
    // A copy that was sent and not confirmed is sent again: both are the same message.
    let depth = installation.depth("join-community.dead-letters").await;
    for letter in installation.dead_letters(depth).await {
        assert_eq!(letter.message_id(), Some(malformed.request_id()));
        assert_eq!(letter.header("x-join-community-reason"), "malformed");
    }
    for crowd in [&batch, &next] {
        assert_eq!(installation.answered(crowd).await, 99);
    }
    assert_eq!(installation.depth("join-community.requests").await, 0);
}
