//! The publishing connection away or hung while the consuming one is not: two connections, so that neither holds up the
//! other.

use std::time::Duration;

use join_community::operations::Dependency;

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
