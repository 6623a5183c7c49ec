//! A consumer that ended must not look like an idle one, and a settlement that went nowhere not like one that arrived.

use std::time::Duration;

use join_community::operations::Dependency;
use join_community::rabbitmq::connect::connect;
use join_community::rabbitmq::consumer::{Deliveries, Source};
use join_community::rabbitmq::topology::{self, Names};
use lapin::options::{BasicGetOptions, BasicNackOptions, QueueDeleteOptions};
use uuid::Uuid;

use crate::support::{Installation, JOINABLE, Message};

const REQUESTS: &str = "join-community.requests";

fn requests() -> Source {
    Source { queue: REQUESTS.to_owned(), prefetch: 10 }
}

#[tokio::test]
async fn a_queue_that_was_deleted_under_the_worker_is_made_anew_and_consumed() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let mut producer = installation.producer().await;
    installation.delete_queue(REQUESTS).await;
    worker.until_misses(Dependency::Consuming).await;
    worker.until_ready().await;
    let crowd = installation.crowd_at_the_door(&producer, 5).await;
    for request in &crowd.requests {
        assert_eq!(producer.answer_to(request).await.status, 200);
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_that_may_not_declare_consumes_again_once_somebody_else_has() {
    let installation = Installation::with(|config| config.broker.declare = false).await;
    let worker = installation.start().await;
    let mut producer = installation.producer().await;
    installation.delete_queue(REQUESTS).await;
    worker.until_misses(Dependency::Consuming).await;
    let broker = &installation.config.broker;
    let deployer = connect(&broker.url, "deployer", broker).await.unwrap();
    topology::declare(&deployer, &Names::of(broker)).await.unwrap();
    let crowd = installation.crowd_at_the_door(&producer, 5).await;
    for request in &crowd.requests {
        assert_eq!(producer.answer_to(request).await.status, 200);
    }
    worker.stop().await;
}

#[tokio::test]
async fn an_ack_on_a_channel_that_is_gone_is_an_error_and_the_delivery_comes_again() {
    const LIMIT: Duration = Duration::from_secs(5);
    let installation = Installation::new().await;
    let producer = installation.producer().await;
    let crowd = installation.crowd_at_the_door(&producer, 1).await;
    let broker = &installation.config.broker;
    let connection = connect(&broker.url, "test", broker).await.unwrap();
    let mut deliveries = Deliveries::open(&connection, &[requests()], LIMIT).await.unwrap();
    let batch = deliveries.next_batch(10).await.expect("a delivery");
    let settlements = deliveries.settlements();
    assert!(settlements.are_possible());
    deliveries.close(LIMIT).await.unwrap();
    assert!(!settlements.are_possible());
    assert!(settlements.ack(batch[0].0, false).await.is_err(), "it was not acknowledged, and nobody was told");
    assert!(settlements.give_back(batch[0].0).await.is_err());
    let mut deliveries = Deliveries::open(&connection, &[requests()], LIMIT).await.unwrap();
    let again = deliveries.next_batch(10).await.expect("the delivery again");
    assert_eq!(again[0].1.message_id.as_deref(), Some(crowd.requests[0].request_id()));
    assert!(again[0].1.redelivered);
}

#[tokio::test]
async fn what_waits_untouched_from_one_queue_is_not_acknowledged_with_what_came_from_another() {
    const LIMIT: Duration = Duration::from_secs(5);
    const OTHERS: &str = "members.events.unrouted";
    let installation = Installation::new().await;
    installation.put(OTHERS, b"waits").await;
    let broker = &installation.config.broker;
    let connection = connect(&broker.url, "test", broker).await.unwrap();
    let sources = [requests(), Source { queue: OTHERS.to_owned(), prefetch: 10 }];
    let mut deliveries = Deliveries::open(&connection, &sources, LIMIT).await.unwrap();
    deliveries.serve(|_| std::iter::once(0));
    // It is in our hands before any request is, and nobody looks at it.
    installation.until_holds(OTHERS, 0).await;
    let producer = installation.producer().await;
    installation.crowd_at_the_door(&producer, 3).await;
    let mut tags = Vec::new();
    while tags.len() < 3 {
        tags.extend(deliveries.next_batch(10).await.expect("a delivery").into_iter().map(|(tag, _)| tag));
    }
    deliveries.settlements().ack(tags[2], true).await.unwrap();
    deliveries.close(LIMIT).await.unwrap();
    installation.until_holds(OTHERS, 1).await;
    installation.until_holds(REQUESTS, 0).await;
}

#[tokio::test]
async fn a_request_that_was_given_back_many_times_is_joined_like_any_other() {
    let installation = Installation::new().await;
    let mut producer = installation.producer().await;
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    let request = Message::join(site, member);
    producer.send(&request).await;
    let channel = installation.channel().await;
    // More often than RabbitMQ 4 allows where no limit is set.
    for _ in 0..30 {
        let got = channel.basic_get("join-community.requests".into(), BasicGetOptions::default()).await.unwrap();
        let back = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
        channel.basic_nack(got.expect("the request").delivery_tag, back).await.unwrap();
        installation.until_holds("join-community.requests", 1).await;
    }
    let worker = installation.start().await;
    assert_eq!(producer.answer_to(&request).await.status, 200);
    worker.stop().await;
}

impl Installation {
    async fn delete_queue(&self, name: &'static str) {
        let channel = self.channel().await;
        channel.queue_delete(name.into(), QueueDeleteOptions::default()).await.unwrap();
        channel.close(200, "deleted".into()).await.unwrap();
    }
}
