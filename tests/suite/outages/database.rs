//! PostgreSQL away or hung: deliveries are held, then given back, and nothing decided before is used after.

use std::time::Duration;

use join_community::operations::Dependency;
use sqlx::Executor as _;

use crate::support::{Installation, PATIENCE, Proxy, Wire, Worker, eventually};

#[tokio::test]
async fn a_database_that_is_away_at_the_start_is_waited_for_before_anything_is_consumed() {
    starts_with(Wire::Cut).await;
}

#[tokio::test]
async fn a_database_that_hangs_at_the_start_is_waited_for_before_anything_is_consumed() {
    starts_with(Wire::Hung).await;
}

#[tokio::test]
async fn a_database_that_goes_away_under_load_costs_no_request() {
    let reason = goes_through(Wire::Cut).await;
    assert!(reason.contains("PostgreSQL does not serve"), "{reason}");
}

#[tokio::test]
async fn a_database_that_hangs_under_load_is_given_up_within_the_limit_and_costs_no_request() {
    let reason = goes_through(Wire::Hung).await;
    assert!(reason.contains("PostgreSQL did not answer within"), "{reason}");
}

#[tokio::test]
async fn a_database_that_does_its_work_and_cannot_say_so_does_it_once() {
    goes_through(Wire::HungToClient).await;
}

#[tokio::test]
async fn a_rule_that_changed_during_the_outage_is_the_one_that_counts() {
    let installation = Installation::new().await;
    let mut producer = installation.producer().await;
    let mut config = installation.alert();
    let wire = Proxy::before(&mut config.database.url);
    let worker = Worker::start(config).await;
    wire.set(Wire::Cut);
    let crowd = installation.crowd_at_the_door(&producer, 3).await;
    worker.until_misses(Dependency::Database).await;
    installation.gate(crowd.site, "NO_ONE").await;
    wire.set(Wire::Whole);
    for request in &crowd.requests {
        let answer = producer.answer_to(request).await;
        assert_eq!(answer.status, 428, "{answer:?}");
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_database_that_ends_every_connection_under_load_costs_no_request() {
    let mut installation = Installation::with(|config| config.join.batch_max = 4).await;
    let producer = installation.producer().await;
    let worker = Worker::start(installation.alert()).await;
    let crowd = installation.crowd_at_the_door(&producer, 300).await;
    for least in [20, 60, 100] {
        installation.until_answered(&crowd, least).await;
        let mut administrator = installation.stranger().await;
        let end_all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                       WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()";
        sqlx::query(end_all).execute(&mut administrator).await.unwrap();
        installation.reconnect().await;
    }
    installation.all_joined_once(&crowd).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_database_that_takes_no_writes_is_an_outage_and_costs_no_request() {
    is_no_requests_fault(
        "DO $$ BEGIN
            EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database());
            PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid();
        END $$",
        [
            "SET default_transaction_read_only = off",
            "DO $$ BEGIN
            EXECUTE format('ALTER DATABASE %I RESET default_transaction_read_only', current_database());
            PERFORM pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid();
        END $$",
        ],
        "read-only",
    )
    .await;
}

#[tokio::test]
async fn a_table_that_is_missing_is_an_outage_and_costs_no_request() {
    let (away, back) = ("ALTER TABLE join_requests RENAME TO gone", "ALTER TABLE gone RENAME TO join_requests");
    is_no_requests_fault(away, ["SELECT", back], "does not exist").await;
}

/// The installation is at fault, not a request: all of them are held or given back, however many there are.
async fn is_no_requests_fault(break_it: &'static str, mend_it: [&'static str; 2], told: &str) {
    let mut installation = Installation::new().await;
    let producer = installation.producer().await;
    let mut config = installation.alert();
    config.outage.hold = Duration::from_secs(1);
    let worker = Worker::start(config).await;
    let crowd = installation.crowd(60).await;
    installation.stranger().await.execute(break_it).await.unwrap();
    producer.send_all(&crowd.requests).await;
    eventually("the worker tells the reason", PATIENCE, async || {
        match worker.until_misses(Dependency::Database).await {
            reason if reason.contains(told) => Ok(()),
            reason => Err(reason),
        }
    })
    .await;
    let mut administrator = installation.stranger().await;
    for statement in mend_it {
        administrator.execute(statement).await.unwrap();
    }
    installation.reconnect().await;
    installation.all_joined_once(&crowd).await;
    worker.stop().await;
}

async fn starts_with(fault: Wire) {
    let installation = Installation::new().await;
    let producer = installation.producer().await;
    let crowd = installation.crowd_at_the_door(&producer, 20).await;
    let mut config = installation.alert();
    let wire = Proxy::before(&mut config.database.url);
    wire.set(fault);
    let worker = Worker::launch(config).await;
    worker.until_misses(Dependency::Database).await;
    assert_eq!(installation.depth("join-community.requests").await, 20, "requests were taken that cannot be served");
    wire.set(Wire::Whole);
    worker.until_ready().await;
    installation.all_joined_once(&crowd).await;
    worker.stop().await;
}

/// A fault under load that lasts for longer than deliveries may be held. Answers the reason that the worker gave.
async fn goes_through(fault: Wire) -> String {
    let installation = Installation::with(|config| config.join.batch_max = 4).await;
    let producer = installation.producer().await;
    let mut events = installation.events().await;
    let mut config = installation.alert();
    config.outage.hold = Duration::from_secs(1);
    let wire = Proxy::before(&mut config.database.url);
    let worker = Worker::start(config).await;
    let before = installation.crowd_at_the_door(&producer, 200).await;
    installation.until_answered(&before, 20).await;
    wire.set(fault);
    let during = installation.crowd_at_the_door(&producer, 50).await;
    let reason = worker.until_misses(Dependency::Database).await;
    eventually("what was held too long is given back", PATIENCE, async || {
        let answered = installation.answered(&before).await;
        let ready = usize::try_from(installation.depth("join-community.requests").await).unwrap();
        // What was committed without an answer is given back, too.
        if ready + answered >= 250 { Ok(()) } else { Err((ready, answered)) }
    })
    .await;
    wire.set(Wire::Whole);
    worker.until_ready().await;
    for crowd in [&before, &during] {
        installation.all_joined_once(crowd).await;
    }
    events.tell_of(&[&before, &during]).await;
    assert!(worker.counted("join_community_dependency_outages_total{dependency=\"database\"}") > 0);
    worker.stop().await;
    reason
}
