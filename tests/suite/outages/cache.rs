//! Redis away or hung: no join waits for it, and every write it missed is made up for when it is back.

use join_community::operations::Dependency;

use crate::support::{Installation, Proxy, Wire, Worker};

#[tokio::test]
async fn a_cache_that_is_away_at_the_start_delays_nothing_and_is_filled_when_it_is_back() {
    is_made_up_for(Wire::Cut, false).await;
}

#[tokio::test]
async fn a_cache_that_hangs_at_the_start_delays_nothing_and_is_filled_when_it_is_back() {
    is_made_up_for(Wire::Hung, false).await;
}

#[tokio::test]
async fn a_cache_that_goes_away_under_load_delays_nothing_and_is_filled_when_it_is_back() {
    is_made_up_for(Wire::Cut, true).await;
}

#[tokio::test]
async fn a_cache_that_hangs_under_load_delays_nothing_and_is_filled_when_it_is_back() {
    is_made_up_for(Wire::Hung, true).await;
}

async fn is_made_up_for(fault: Wire, under_load: bool) {
    let installation = Installation::with(|config| {
        config.join.batch_max = 16;
        config.cache.audit_rate = 100_000;
    })
    .await;
    let mut producer = installation.producer().await;
    let mut events = installation.events().await;
    let mut config = installation.alert();
    let wire = Proxy::before(&mut config.cache.url);
    if !under_load {
        wire.set(fault);
    }
    // Ready, whatever becomes of the cache.
    let worker = Worker::start(config).await;
    let before = installation.crowd_at_the_door(&producer, 100).await;
    wire.set(fault);
    let during = installation.crowd_at_the_door(&producer, 100).await;
    for crowd in [&before, &during] {
        // Verdict, reply and event of every request are there while the cache is not.
        for request in &crowd.requests {
            assert_eq!(producer.answer_to(request).await.status, 200);
        }
    }
    events.tell_of(&[&before, &during]).await;
    worker.until_misses(Dependency::Cache).await;
    assert!(worker.health().report().0, "the worker is ready without a cache");
    let absent = installation.cached(during.site, during.members[99]).await;
    assert_eq!(absent, None, "the wire does not hang");
    wire.set(Wire::Whole);
    for crowd in [&before, &during] {
        installation.all_joined_once(crowd).await;
    }
    worker.until_audited(200).await;
    assert_eq!(worker.drift(), [0, 0, 0], "what was owed meanwhile is no drift");
    worker.stop().await;
}
