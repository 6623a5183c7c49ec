//! The probes while the worker starts, serves, misses a service and stops.

use std::net::SocketAddr;

use join_community::operations::Dependency;
use reqwest::StatusCode;
use serde_json::Value;
use sqlx::Executor as _;
use tokio::process::Command;

use crate::support::{Installation, PATIENCE, Proxy, Wire, Worker, eventually};

#[tokio::test]
async fn the_worker_lives_throughout_and_is_ready_only_while_it_can_take_requests() {
    let installation = Installation::with(|config| config.http.listen = "127.0.0.1:0".to_owned()).await;
    let producer = installation.producer().await;
    let mut config = installation.config.clone();
    let database = Proxy::before(&mut config.database.url);
    let broker = Proxy::before(&mut config.broker.url);

    database.set(Wire::Cut);
    let worker = Worker::launch(config).await;
    let operations = worker.operations().expect("the operations server listens");
    until_not_ready(operations, "database").await;
    assert_eq!(get(operations, "livez").await.0, StatusCode::OK);

    assert!(!says_ready(operations).await);
    database.set(Wire::Whole);
    until_ready(operations).await;
    assert!(says_ready(operations).await);

    broker.set(Wire::Cut);
    until_not_ready(operations, "broker_consuming").await;
    until_not_ready(operations, "broker_publishing").await;
    assert_eq!(get(operations, "livez").await.0, StatusCode::OK);
    broker.set(Wire::Whole);
    until_ready(operations).await;

    // While a commit waits for its answer the worker cannot end, and says so.
    database.set(Wire::Hung);
    let crowd = installation.crowd_at_the_door(&producer, 1).await;
    installation.until_holds("join-community.requests", 0).await;
    worker.tell_to_stop();
    let report = until_not_ready(operations, "broker_consuming").await;
    assert_eq!(report["draining"], true, "{report}");
    assert_eq!(get(operations, "livez").await.0, StatusCode::OK);
    database.set(Wire::Whole);
    worker.stop().await;
    installation.start().await.stop().await;
    installation.all_joined_once(&crowd).await;
}

#[tokio::test]
async fn an_idle_worker_notices_that_a_service_is_gone_and_back() {
    let installation = Installation::with(|config| config.http.listen = "127.0.0.1:0".to_owned()).await;
    let mut config = installation.alert();
    let database = Proxy::before(&mut config.database.url);
    let cache = Proxy::before(&mut config.cache.url);
    let worker = Worker::start(config).await;
    let operations = worker.operations().expect("the operations server listens");
    for fault in [Wire::Cut, Wire::Hung] {
        cache.set(fault);
        worker.until_misses(Dependency::Cache).await;
        assert_eq!(get(operations, "readyz").await.0, StatusCode::OK, "a cache is not needed to join");
        cache.set(Wire::Whole);
        eventually("the cache serves", PATIENCE, async || {
            if worker.health().is_up(Dependency::Cache) { Ok(()) } else { Err(worker.health().report()) }
        })
        .await;
        database.set(fault);
        until_not_ready(operations, "database").await;
        database.set(Wire::Whole);
        until_ready(operations).await;
    }
    worker.stop().await;
}

/// A clock of PostgreSQL that is ahead: what stands in `pg_catalog` is found first, unless the path says otherwise.
pub(crate) const AHEAD: &str = "CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql
        AS $$ SELECT pg_catalog.clock_timestamp() + interval '1 hour' $$;
    DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database()); END $$";

#[tokio::test]
async fn a_worker_whose_clock_is_not_the_one_of_the_database_is_not_ready_and_says_by_how_much() {
    let installation = Installation::with(|config| config.http.listen = "127.0.0.1:0".to_owned()).await;
    let mut stranger = installation.stranger().await;
    stranger.execute(sqlx::raw_sql(AHEAD)).await.unwrap();
    let worker = Worker::launch(installation.config.clone()).await;
    let reason = worker.until_misses(Dependency::Clock).await;
    assert!(reason.contains("1h apart, more than 30s (auth.leeway)") && reason.contains("NTP"), "{reason}");
    let operations = worker.operations().expect("the operations server listens");
    let report = until_not_ready(operations, "clock").await;
    assert_eq!(report["dependencies"]["clock"]["reason"], reason, "{report}");
    let metrics = text(operations, "metrics").await.1;
    let apart = metrics.lines().find_map(|line| line.strip_prefix("join_community_clock_apart_seconds "));
    let apart: f64 = apart.expect("it is measured").parse().unwrap();
    assert!((3599.0..3661.0).contains(&apart), "{apart}");

    stranger.execute("DROP FUNCTION public.clock_timestamp()").await.unwrap();
    until_ready(operations).await;
    worker.stop().await;
}

async fn until_ready(operations: SocketAddr) {
    eventually("readyz says ready", PATIENCE, async || match get(operations, "readyz").await {
        (StatusCode::OK, report) if report["ready"] == true => Ok(()),
        other => Err(other),
    })
    .await;
}

/// Waits until the worker says that it is not ready for lack of this, or because it stops.
async fn until_not_ready(operations: SocketAddr, dependency: &str) -> Value {
    eventually("readyz says not ready", PATIENCE, async || match get(operations, "readyz").await {
        (StatusCode::SERVICE_UNAVAILABLE, report)
            if report["draining"] == true || report["dependencies"][dependency]["up"] == false =>
        {
            assert_eq!(report["ready"], false, "{report}");
            Ok(report)
        }
        other => Err(other),
    })
    .await
}

/// What the program itself says of it, as the image's health check asks.
async fn says_ready(operations: SocketAddr) -> bool {
    let mut program = Command::new(env!("CARGO_BIN_EXE_join-community"));
    program.arg("ready").env("JOIN_COMMUNITY__HTTP__LISTEN", operations.to_string());
    program.output().await.unwrap().status.success()
}

async fn get(operations: SocketAddr, path: &str) -> (StatusCode, Value) {
    let (status, text) = text(operations, path).await;
    (status, serde_json::from_str(&text).unwrap_or_default())
}

async fn text(operations: SocketAddr, path: &str) -> (StatusCode, String) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(format!("http://{operations}/{path}")).send().await.expect("the operations server answers");
    (answer.status(), answer.text().await.unwrap())
}
