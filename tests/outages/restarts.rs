//! One service stopped, or killed, and started again under a working worker.

use std::time::Duration;

use join_community::operations::Dependency;
use tokio::time::Instant;

use crate::support::services::{Away, Service, alone};
use crate::support::{Installation, PATIENCE, Worker, eventually};

#[tokio::test]
async fn a_broker_that_is_killed_under_load_costs_no_request() {
    goes_through(Service::Broker, Service::kill, &[Dependency::Consuming, Dependency::Publishing]).await;
}

#[tokio::test]
async fn a_database_that_is_killed_under_load_costs_no_request() {
    goes_through(Service::Database, Service::kill, &[Dependency::Database]).await;
}

#[tokio::test]
async fn a_database_that_is_stopped_under_load_costs_no_request() {
    goes_through(Service::Database, Service::stop, &[Dependency::Database]).await;
}

#[tokio::test]
async fn a_cache_that_is_stopped_under_load_costs_no_request_and_no_entry() {
    goes_through(Service::Cache, Service::stop, &[Dependency::Cache]).await;
}

async fn goes_through(service: Service, end: impl Fn(Service) -> Away, missed: &[Dependency]) {
    let _turn = alone().await;
    let mut installation = Installation::with(|config| config.join.batch_max = 4).await;
    let made = Instant::now();
    let mut config = installation.alert();
    config.outage.hold = Duration::from_secs(1);
    let worker = Worker::start(config).await;
    if service == Service::Broker {
        until_queues_are_safe(made).await;
    }
    let mut producer = installation.producer().await;
    let during = installation.crowd(50).await;
    let before = installation.crowd_at_the_door(&producer, 300).await;
    installation.until_answered(&before, 20).await;

    let away = end(service);
    if service != Service::Broker {
        producer.send_all(&during.requests).await;
    }
    for dependency in missed {
        worker.until_misses(*dependency).await;
    }
    away.end();

    installation.reconnect().await;
    if service == Service::Broker {
        producer = installation.producer().await;
        producer.send_all(&during.requests).await;
    }
    worker.until_ready().await;
    // What a cache held is gone with it; what it missed is not.
    installation.all_recorded_once(&before).await;
    installation.all_joined_once(&during).await;
    installation.all_announced(&[&before, &during]).await;
    worker.stop().await;
    assert_eq!(installation.depth("join-community.requests").await, 0);
}

/// A quorum queue whose broker is killed within two seconds of its declaration can be lost.
async fn until_queues_are_safe(made: Instant) {
    eventually("the queues are two seconds old", PATIENCE, async || match made.elapsed() {
        age if age > Duration::from_secs(3) => Ok(()),
        age => Err(age),
    })
    .await;
}
