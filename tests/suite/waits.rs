//! How long requests had waited: told where the broker stamps their arrival, and nowhere believed where it does not.

use join_community::app::StartError;
use uuid::Uuid;

use crate::support::{Caller, Installation, JOINABLE, Message, PATIENCE, Worker, eventually, stamp_arrivals};

#[tokio::test]
async fn waits_are_told_by_the_time_of_the_broker_and_not_of_the_producer() {
    let installation = Installation::with(|config| {
        config.auth.trust_broker_timestamps = true;
        "127.0.0.1:0".clone_into(&mut config.http.listen);
    })
    .await;
    let mut config = installation.config.clone();
    stamp_arrivals(&mut config.broker.url);
    stamp_arrivals(&mut config.broker.producer_url);
    let mut producer = installation.producer_by(&config.broker.producer_url).await;
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    // By its own word it has waited for half a century.
    let request = Message::join(site, member).properties(|properties| properties.with_timestamp(1));
    producer.send(&request).await;
    let worker = Worker::start(config).await;
    assert_eq!(producer.answer_to(&request).await.status, 200);
    worker.until_counts("join_community_queue_wait_seconds_count", 1).await;
    let caller = Caller::of(&worker);
    let metrics = caller.get("/metrics").await.text;
    let sum = metrics.lines().find_map(|line| line.strip_prefix("join_community_queue_wait_seconds_sum "));
    let sum: f64 = sum.expect("the series is there").parse().unwrap();
    assert!(sum > 0.0 && sum < 600.0, "it waited for {sum} s");
    let told = eventually("the overview tells of it", PATIENCE, async || {
        let told = caller.get("/api/v1/overview").await.json()["latencies"]["queueWait"].clone();
        if told.is_object() { Ok(told) } else { Err(told) }
    })
    .await;
    assert!(told["p99Seconds"].as_f64().is_some_and(|seconds| seconds > 0.0 && seconds < 900.0), "{told}");
    let page = caller.get("/").await.text;
    assert!(page.contains("wait for the verdict</th><td>half "), "{page}");
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_that_is_to_believe_times_which_producers_choose_refuses_to_run() {
    let installation = Installation::with(|config| config.auth.trust_broker_timestamps = true).await;
    let worker = Worker::launch(installation.config.clone()).await;
    let refused = worker.until_refused().await;
    assert!(matches!(refused, StartError::TimestampsForgeable), "{refused:?}");
}
