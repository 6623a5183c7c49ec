//! Arguments that a queue must have, as the broker itself tells them.

use std::time::Duration;

use join_community::rabbitmq::connect::connect;
use join_community::rabbitmq::topology::{self, Names};
use lapin::options::QueueDeleteOptions;
use reqwest::Method;
use serde_json::Value;
use tokio::time::Instant;

use crate::support::{Installation, Worker};

#[tokio::test]
async fn every_queue_that_dead_letters_does_so_at_least_once() {
    let installation = Installation::new().await;
    let mut dead_lettering = 0;
    for queue in queues(&installation).await {
        let arguments = &queue["arguments"];
        if !arguments["x-dead-letter-exchange"].is_null() {
            dead_lettering += 1;
            assert_eq!(arguments["x-dead-letter-strategy"], "at-least-once", "{queue}");
            // Without it the strategy is off, and nobody is told.
            assert_eq!(arguments["x-overflow"], "reject-publish", "{queue}");
            assert!(arguments["x-dead-letter-routing-key"].is_string(), "{queue}");
        }
    }
    assert_eq!(dead_lettering, 6, "the requests and five rungs");
}

#[tokio::test]
async fn every_queue_that_is_consumed_or_looked_into_has_a_positive_delivery_limit() {
    let installation = Installation::new().await;
    let queues = queues(&installation).await;
    let limit = |name: &str| {
        let queue = queues.iter().find(|queue| queue["name"] == name).expect("the queue");
        queue["arguments"]["x-delivery-limit"].as_i64().unwrap_or_default()
    };
    assert_eq!(limit("join-community.requests"), 200);
    for name in ["join-community.dead-letters", "join-community.discarded", "members.events.unrouted"] {
        assert!(limit(name) >= 1_000_000_000, "looking uses up the messages of {name}");
    }
}

#[tokio::test]
async fn a_worker_serves_two_seconds_after_it_created_a_queue_and_at_once_if_all_were_there() {
    const SETTLING: Duration = Duration::from_secs(2);
    let installation = Installation::new().await;
    let broker = &installation.config.broker;
    let deployer = connect(&broker.url, "deployer", broker).await.unwrap();
    assert!(!topology::declare(&deployer, &Names::of(broker)).await.unwrap().created_queues);
    let channel = installation.channel().await;
    channel.queue_delete("join-community.retry.10m".into(), QueueDeleteOptions::default()).await.unwrap();
    let started = Instant::now();
    let worker = Worker::start(installation.config.clone()).await;
    assert!(started.elapsed() >= SETTLING, "ready after {:?}", started.elapsed());
    worker.stop().await;
    assert!(!topology::declare(&deployer, &Names::of(broker)).await.unwrap().created_queues);
}

/// The queues as the broker has them.
async fn queues(installation: &Installation) -> Vec<Value> {
    let vhost = installation.vhost();
    let queues = vhost.manage(Method::GET, &format!("queues/{}", vhost.name), None).await;
    queues.as_array().expect("a list").clone()
}
