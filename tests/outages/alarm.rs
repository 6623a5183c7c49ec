//! A broker that blocks publishers for lack of memory: a blocked connection writes nothing, acks included, so the one that
//! consumes must never be the one that publishes.

use std::time::Duration;

use join_community::app::Stopped;
use join_community::operations::Dependency;

use crate::steps::Steps;
use crate::support::services::{Alarm, alone};
use crate::support::{Crowd, Installation, Message, Worker};

#[tokio::test]
async fn requests_are_acknowledged_while_publishers_are_blocked_and_their_events_come_after() {
    let _turn = alone().await;
    let (installation, crowd) = full_house().await;
    let alarm = Alarm::raise();
    let worker = Worker::launch(installation.alert()).await;
    // More than ever lie unacknowledged.
    installation.until_answered(&crowd, 100).await;
    let reason = worker.until_misses(Dependency::Publishing).await;
    assert!(reason.contains("blocks publishers"), "{reason}");
    assert!(worker.health().is_up(Dependency::Consuming));
    assert_eq!(installation.depth("members.events.unrouted").await, 0, "publishers are not blocked");
    alarm.end();
    installation.all_joined_once(&crowd).await;
    installation.all_announced(&[&crowd]).await;
    worker.until_ready().await;
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_whose_publishers_are_blocked_does_not_wait_for_them_to_stop() {
    let _turn = alone().await;
    let (installation, crowd) = full_house().await;
    let alarm = Alarm::raise();
    let worker = Worker::launch(installation.alert()).await;
    installation.until_answered(&crowd, 100).await;
    worker.until_misses(Dependency::Publishing).await;
    assert_eq!(worker.stop().await, Stopped::Drained);
    assert_eq!(installation.depth("join-community.requests").await, 0);
    alarm.end();
    let worker = installation.start().await;
    installation.all_joined_once(&crowd).await;
    installation.all_announced(&[&crowd]).await;
    worker.stop().await;
}

#[tokio::test]
async fn what_cannot_move_on_while_publishers_are_blocked_is_kept_and_neighbours_join() {
    let _turn = alone().await;
    let (installation, crowd) = full_house().await;
    let producer = installation.producer().await;
    // Fewer than are delivered at once, or nobody behind them would be.
    producer.send_all(&vec![Message::bytes("{"); 3]).await;
    let others = installation.crowd_at_the_door(&producer, 50).await;
    let alarm = Alarm::raise();
    let mut config = installation.alert();
    // Over long before fifty others have joined, two at a time.
    config.settle.timeout = Duration::from_millis(20);
    let worker = Worker::launch(config).await;
    installation.until_answered(&crowd, 100).await;
    installation.until_answered(&others, 50).await;
    worker.until_misses(Dependency::Publishing).await;
    assert_eq!(worker.counted("join_community_returned_total"), 0, "each would have used up a delivery");
    alarm.end();
    assert_eq!(installation.dead_letters(3).await.len(), 3);
    installation.until_holds("join-community.requests", 0).await;
    worker.stop().await;
}

#[tokio::test]
async fn the_broker_blocks_publishers() {
    let _turn = alone().await;
    let (installation, crowd) = full_house().await;
    let mut steps = Steps::of("The broker blocks publishers", &installation).with_broker();
    let alarm = Alarm::raise();
    let worker = Worker::launch(installation.alert()).await;
    installation.until_answered(&crowd, 100).await;
    worker.until_misses(Dependency::Publishing).await;
    steps.next_until("\"mem_alarm\":true").await;
    alarm.end();
    steps.again_until("\"mem_alarm\":false").await;
    steps.done();
    installation.all_joined_once(&crowd).await;
    installation.all_announced(&[&crowd]).await;
    worker.until_ready().await;
    worker.stop().await;
}

/// Requests that lie there before the alarm, since no producer could send them after. No more than five are ever
/// delivered without an ack: what is answered beyond them proves acks.
async fn full_house() -> (Installation, Crowd) {
    let installation = Installation::with(|config| {
        (config.join.lanes, config.join.batch_max, config.join.prefetch) = (1, 5, 5);
    })
    .await;
    let producer = installation.producer().await;
    let crowd = installation.crowd_at_the_door(&producer, 100).await;
    (installation, crowd)
}
