//! All services away at once, for a worker at work and for one that starts; then back, one after the other.

use join_community::operations::Dependency;

use crate::support::services::{Away, Service, alone};
use crate::support::{Crowd, Installation, Producer, Worker};

#[tokio::test]
async fn services_that_come_back_in_any_order_find_their_workers_again() {
    use Service::{Broker, Cache, Database};
    let _turn = alone().await;
    let mut installation = Installation::with(|config| config.join.batch_max = 4).await;
    let mut workers = vec![Worker::start(installation.alert()).await];
    let mut crowds: Vec<Crowd> = Vec::new();
    let mut producer = installation.producer().await;
    for order in [[Database, Cache, Broker], [Broker, Cache, Database]] {
        let crowd = installation.crowd_at_the_door(&producer, 300).await;
        installation.until_answered(&crowd, 20).await;
        crowds.push(crowd);
        let away: Vec<Away> = order.map(Service::stop).into();
        workers.push(Worker::launch(installation.alert()).await);
        for worker in &workers {
            for dependency in [Dependency::Consuming, Dependency::Publishing, Dependency::Cache] {
                worker.until_misses(dependency).await;
            }
        }
        // They come back in the order in which they went.
        for service in away {
            service.end();
        }
        installation.reconnect().await;
        producer = back_in_full(&installation, &workers, &mut crowds).await;
    }
    installation.all_announced(&crowds.iter().collect::<Vec<_>>()).await;
    for worker in workers {
        worker.stop().await;
    }
    assert_eq!(installation.depth("join-community.requests").await, 0);
}

/// Waits until all workers serve, and everything asked before and from now on is done.
async fn back_in_full(installation: &Installation, workers: &[Worker], crowds: &mut Vec<Crowd>) -> Producer {
    for worker in workers {
        worker.until_ready().await;
    }
    let producer = installation.producer().await;
    let after = installation.crowd_at_the_door(&producer, 50).await;
    for crowd in crowds.iter() {
        installation.all_recorded_once(crowd).await;
    }
    installation.all_joined_once(&after).await;
    crowds.push(after);
    producer
}
