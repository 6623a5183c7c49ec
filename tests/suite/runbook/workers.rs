//! Workers that nobody sees, that are not ready, that lack lanes, or whose deliveries keep coming back.

use std::net::TcpListener;
use std::time::Duration;

use reqwest::Url;
use secrecy::ExposeSecret as _;
use sqlx::{Executor as _, PgConnection};

use super::steps::{Steps, blocks};
use super::{listening, place};
use crate::support::{Installation, PATIENCE, Proxy, Wire, Worker, eventually, variable};
use crate::suspects::come_back;

/// Leaves room for one connection less than there are.
const FULL: &str = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I CONNECTION LIMIT %s', current_database(),
    (SELECT count(*) - 1 FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'));
    END $$";
const END_OF_A_LANE: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'join-community lane' LIMIT 1";

/// Where nobody listens, and a worker may.
fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[tokio::test]
async fn no_worker_is_seen() {
    const SECTION: &str = "No worker is seen";
    let (installation, address) = (Installation::new().await, free_address());
    let crowd = installation.crowd_at_the_door(&installation.producer().await, 10).await;
    let mut steps = Steps::of(SECTION, &installation)
        .with("WORKER", format!("http://{address}"))
        .with("JOIN_COMMUNITY__HTTP__LISTEN", address);
    let said = steps.next().await;
    assert_eq!(said.code, Some(7), "somebody answers: {said:#?}");
    // What kept it from starting: its configuration names a database that is not there.
    let database = installation.config.database.url.expose_secret();
    let mut nowhere: Url = database.parse().unwrap();
    nowhere.set_path("nowhere");
    steps.set("JOIN_COMMUNITY__DATABASE__URL", nowhere.as_str());
    let said = steps.next().await;
    assert!(said.code == Some(1) && said.stdout.contains("error   database  cannot be used"), "{said:#?}");
    steps.set("JOIN_COMMUNITY__DATABASE__URL", database);
    steps.again().await.tells(&["ok      database  the schema is up to date"]);
    let worker = steps.start_next();
    installation.all_joined_once(&crowd).await;
    steps.run(&blocks(SECTION)[0]).await.tells(&["alive"]);
    steps.done();
    worker.signal("TERM").await;
    assert_eq!(worker.end().await.code(), Some(0));
}

#[tokio::test]
async fn a_worker_is_not_ready() {
    let (installation, address) = (Installation::new().await, free_address());
    let mut producer = installation.producer().await;
    let mut url = installation.config.database.url.clone();
    let wire = Proxy::before(&mut url);
    let mut steps = Steps::of("A worker is not ready", &installation)
        .with("WORKER", format!("http://{address}"))
        .with("JOIN_COMMUNITY__HTTP__LISTEN", address)
        .with("JOIN_COMMUNITY__DATABASE__URL", url.expose_secret())
        // Long enough to be told a second time.
        .with("JOIN_COMMUNITY__DATABASE__STATEMENT_TIMEOUT", "1m")
        .with("JOIN_COMMUNITY__SHUTDOWN__GRACE", "90s")
        .with("JOIN_COMMUNITY__JOIN__LANES", "1");
    let mut worker = steps.start("join-community run");
    let first = installation.crowd_at_the_door(&producer, 1).await;
    assert_eq!(producer.answer_to(&first.requests[0]).await.status, 200);

    wire.set(Wire::Cut);
    steps.next_until("\"ready\":false").await;
    let report = steps.again().await.json();
    let database = &report["dependencies"]["database"];
    assert!(database["up"] == false && database["reason"].is_string() && database["since"].is_string(), "{report}");
    wire.set(Wire::Whole);
    steps.again_until("\"ready\":true").await;
    let second = installation.crowd_at_the_door(&producer, 1).await;
    assert_eq!(producer.answer_to(&second.requests[0]).await.status, 200);

    // Told to stop, it waits for a PostgreSQL that does not answer.
    wire.set(Wire::Hung);
    let last = installation.crowd_at_the_door(&producer, 1).await;
    installation.until_holds("join-community.requests", 0).await;
    worker.signal("TERM").await;
    steps.again_until("\"draining\":true").await;
    steps.set("PID", worker.id().expect("it runs").to_string());
    steps.next().await.tells(&[]);
    // Signals close together count as one, so it is told until it listens.
    let end = eventually("the worker ends", PATIENCE, async || match worker.ended() {
        Some(end) => Ok(end),
        None => Err(steps.again().await),
    })
    .await;
    assert_eq!(end.code(), Some(1));
    steps.done();
    let worker = installation.start().await;
    installation.all_joined_once(&last).await;
    worker.stop().await;
}

async fn until_lanes(worker: &Worker, expected: u64) {
    eventually(&format!("{expected} lanes serve"), PATIENCE, async || match worker.counted("join_community_lanes") {
        lanes if lanes == expected => Ok(()),
        lanes => Err(lanes),
    })
    .await;
}

/// Connections of a program that nobody needs any more.
async fn forgotten(installation: &Installation, count: usize) -> Vec<PgConnection> {
    let mut connections = Vec::new();
    for _ in 0..count {
        let mut connection = installation.stranger().await;
        connection.execute("SET application_name = 'forgotten'").await.unwrap();
        connections.push(connection);
    }
    connections
}

#[tokio::test]
async fn fewer_lanes_serve_than_shall() {
    let installation = Installation::with(|config| {
        config.join.steered = false;
        (config.join.lanes, config.join.batch_max, config.join.prefetch) = (2, 4, 4);
        config.outage.hold = Duration::from_millis(200);
    })
    .await;
    let producer = installation.producer().await;
    let worker = Worker::start(installation.alert()).await;
    until_lanes(&worker, 2).await;
    // With it, all that asks PostgreSQL is connected.
    let before = installation.crowd_at_the_door(&producer, 20).await;
    installation.all_joined_once(&before).await;

    let forgotten = forgotten(&installation, 5).await;
    let mut owner = installation.stranger().await;
    owner.execute(FULL).await.unwrap();
    owner.execute(END_OF_A_LANE).await.unwrap();
    let crowd = installation.crowd_at_the_door(&producer, 40).await;
    until_lanes(&worker, 1).await;
    // As a superuser gets into a database that is full, anybody gets into another one.
    let elsewhere = variable("JOIN_COMMUNITY__DATABASE__URL");
    let mut steps = Steps::of("Fewer lanes serve than shall", &installation).with("DATABASE", elsewhere);
    let said = steps.next().await;
    let url: Url = installation.config.database.url.expose_secret().parse().unwrap();
    let full = url.path().trim_start_matches('/');
    let row = said.stdout.lines().find(|row| row.contains(full) && row.contains("forgotten"));
    let row = row.unwrap_or_else(|| panic!("the forgotten ones are not named: {said:#?}"));
    assert_eq!(row.split('|').nth(3).map(str::trim), Some("5"), "{said:#?}");
    steps.done();
    drop(forgotten);
    until_lanes(&worker, 2).await;
    installation.all_joined_once(&crowd).await;
    worker.stop().await;
}

#[tokio::test]
async fn deliveries_keep_coming_back() {
    let installation = Installation::with(listening).await;
    let producer = installation.producer().await;
    let crowd = installation.crowd_at_the_door(&producer, 5).await;
    come_back(&installation, 5).await;
    let worker = installation.start().await;
    installation.all_joined_once(&crowd).await;
    let mut steps = Steps::of("Deliveries keep coming back", &installation).with("WORKER", place(&worker));
    steps.next().await.tells(&[
        "join_community_suspects_total 5\n",
        "join_community_returned_total 0\n",
        "join_community_connections_opened_total{connection=\"broker_consuming\"} 1\n",
    ]);
    worker.stop().await;

    let last = installation.crowd_at_the_door(&producer, 1).await;
    come_back(&installation, 1).await;
    let mut worker = steps.start_next();
    worker.until_says(last.requests[0].request_id()).await;
    steps.done();
    installation.all_joined_once(&last).await;
    worker.signal("TERM").await;
    assert_eq!(worker.end().await.code(), Some(0));
}
