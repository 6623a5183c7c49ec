//! RabbitMQ away or hung, both connections at once.

use join_community::operations::Dependency;

use crate::support::{Installation, Proxy, Wire, Worker};

#[tokio::test]
async fn a_broker_that_is_away_at_the_start_is_waited_for() {
    starts_with(Wire::Cut).await;
}

#[tokio::test]
async fn a_broker_that_hangs_at_the_start_is_waited_for() {
    starts_with(Wire::Hung).await;
}

#[tokio::test]
async fn a_broker_that_goes_away_under_load_costs_no_request() {
    goes_through(&[Wire::Cut]).await;
}

#[tokio::test]
async fn a_broker_that_hangs_under_load_costs_no_request() {
    goes_through(&[Wire::Hung]).await;
}

#[tokio::test]
async fn a_wire_that_hangs_in_one_direction_costs_no_request() {
    goes_through(&[Wire::HungToService, Wire::HungToClient]).await;
}

async fn starts_with(fault: Wire) {
    let installation = Installation::new().await;
    let producer = installation.producer().await;
    let mut events = installation.events().await;
    let crowd = installation.crowd_at_the_door(&producer, 20).await;
    let mut config = installation.alert();
    let wire = Proxy::before(&mut config.broker.url);
    wire.set(fault);
    let worker = Worker::launch(config).await;
    for dependency in [Dependency::Consuming, Dependency::Publishing] {
        worker.until_misses(dependency).await;
    }
    wire.set(Wire::Whole);
    worker.until_ready().await;
    installation.all_joined_once(&crowd).await;
    events.tell_of(&[&crowd]).await;
    worker.stop().await;
}

/// For each fault: a crowd of which some are answered before it, and some come while it lasts.
async fn goes_through(faults: &[Wire]) {
    let installation = Installation::with(|config| config.join.batch_max = 4).await;
    let producer = installation.producer().await;
    let mut events = installation.events().await;
    let mut config = installation.alert();
    let wire = Proxy::before(&mut config.broker.url);
    let worker = Worker::start(config).await;
    for fault in faults {
        let before = installation.crowd_at_the_door(&producer, 200).await;
        installation.until_answered(&before, 20).await;
        wire.set(*fault);
        let during = installation.crowd_at_the_door(&producer, 50).await;
        worker.until_misses(Dependency::Consuming).await;
        worker.until_misses(Dependency::Publishing).await;
        wire.set(Wire::Whole);
        worker.until_ready().await;
        for crowd in [&before, &during] {
            installation.all_joined_once(crowd).await;
        }
        events.tell_of(&[&before, &during]).await;
    }
    for dependency in [Dependency::Consuming, Dependency::Publishing].map(Dependency::as_str) {
        let outages =
            worker.counted(&format!("join_community_dependency_outages_total{{dependency=\"{dependency}\"}}"));
        assert!(outages >= faults.len() as u64, "{outages} outages of {dependency}");
    }
    worker.stop().await;
}
