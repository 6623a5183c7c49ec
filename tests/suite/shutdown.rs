//! Stopping: what was begun is finished or given back, within the grace period, whatever is out meanwhile.

mod process;

use std::time::Duration;

use join_community::app::Stopped;
use lapin::options::BasicGetOptions;
use sqlx::Row as _;

use crate::support::{Crowd, Installation, PATIENCE, Proxy, Wire, Worker, eventually};

#[tokio::test]
async fn a_worker_that_stops_under_load_leaves_each_request_either_answered_or_in_the_queue() {
    let installation = Installation::with(|config| {
        (config.join.batch_max, config.join.prefetch) = (4, 16);
        config.announce.lease = LONG;
    })
    .await;
    let producer = installation.producer().await;
    let mut events = installation.events().await;
    let crowd = installation.crowd_at_the_door(&producer, 600).await;
    for least in [20, 200] {
        let worker = installation.start().await;
        installation.until_answered(&crowd, least).await;
        assert_eq!(worker.stop().await, Stopped::Drained);
        let answered = u32::try_from(installation.answered(&crowd).await).unwrap();
        installation.until_holds("join-community.requests", 600 - answered).await;
        installation.nothing_is_leased().await;
    }
    let worker = installation.start().await;
    installation.all_joined_once(&crowd).await;
    events.tell_of(&[&crowd]).await;
    assert_eq!(worker.stop().await, Stopped::Drained);
    assert_eq!(installation.depth("join-community.requests").await, 0);
}

#[tokio::test]
async fn a_worker_that_stops_handles_what_was_delivered_to_it_instead_of_giving_it_back() {
    let installation = Installation::with(|config| {
        config.join.steered = false;
        (config.join.lanes, config.join.batch_max, config.join.prefetch) = (2, 4, 16);
    })
    .await;
    let producer = installation.producer().await;
    let mut config = installation.config.clone();
    let wire = Proxy::before(&mut config.database.url);
    let worker = Worker::start(config).await;
    eventually("both lanes serve", PATIENCE, async || match worker.counted("join_community_lanes") {
        2 => Ok(()),
        lanes => Err(lanes),
    })
    .await;
    wire.set(Wire::Hung);
    let crowd = installation.crowd_at_the_door(&producer, 100).await;
    installation.until_holds("join-community.requests", 68).await;
    // The first is polled first, so the worker is told to stop before anything can go on.
    let (stopped, ()) = tokio::join!(worker.stop(), async { wire.set(Wire::Whole) });
    assert_eq!(stopped, Stopped::Drained);

    let answered = installation.answered(&crowd).await;
    assert!(answered >= 32, "{answered}");
    let channel = installation.channel().await;
    let (mut left, mut came_back) = (0, 0);
    let queue = "join-community.requests";
    while let Some(request) = channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.unwrap() {
        left += 1;
        came_back += usize::from(request.redelivered);
    }
    assert_eq!(answered + left, 100);
    // What RabbitMQ sends between the last acknowledgement and the cancel comes too late for the consumer: a batch of each lane.
    assert!(came_back <= 8, "{came_back} of 32 came back");
}

#[tokio::test]
async fn a_worker_that_stops_has_announced_what_it_recorded() {
    let installation = Installation::new().await;
    let producer = installation.producer().await;
    let mut events = installation.events().await;
    let worker = installation.start().await;
    let crowd = installation.crowd_at_the_door(&producer, 200).await;
    installation.until_answered(&crowd, 200).await;
    assert_eq!(worker.stop().await, Stopped::Drained);
    installation.outbox_is_empty().await;
    installation.all_joined_once(&crowd).await;
    events.tell_of(&[&crowd]).await;
}

/// Longer than any test waits: whoever finds something leased, finds it too late.
const LONG: Duration = Duration::from_mins(5);

#[tokio::test]
async fn a_cache_that_is_out_does_not_hold_up_the_end() {
    for fault in [Wire::Cut, Wire::Hung] {
        let installation = Installation::with(|config| config.announce.lease = LONG).await;
        let mut config = installation.config.clone();
        let wire = Proxy::before(&mut config.cache.url);
        let crowd = stops_in_time(&installation, config, &wire, fault).await;
        installation.nothing_is_leased().await;
        let worker = installation.start().await;
        installation.all_joined_once(&crowd).await;
        worker.stop().await;
    }
}

#[tokio::test]
async fn a_broker_that_is_out_does_not_hold_up_the_end() {
    for fault in [Wire::Cut, Wire::Hung] {
        let installation = Installation::with(|config| config.announce.lease = LONG).await;
        let mut config = installation.config.clone();
        let wire = Proxy::before(&mut config.broker.url);
        let crowd = stops_in_time(&installation, config, &wire, fault).await;
        installation.nothing_is_leased().await;
        // Only now the broker learns that its worker is gone.
        drop(wire);
        let worker = installation.start().await;
        installation.all_joined_once(&crowd).await;
        worker.stop().await;
    }
}

#[tokio::test]
async fn a_database_that_is_out_does_not_hold_up_the_end() {
    for fault in [Wire::Cut, Wire::Hung] {
        let installation = Installation::new().await;
        let mut config = installation.config.clone();
        let wire = Proxy::before(&mut config.database.url);
        let crowd = stops_in_time(&installation, config, &wire, fault).await;
        let worker = installation.start().await;
        installation.all_joined_once(&crowd).await;
        worker.stop().await;
    }
}

#[tokio::test]
async fn records_that_are_locked_do_not_hold_up_the_end() {
    let installation = Installation::with(|config| {
        (config.join.lanes, config.join.batch_max, config.join.prefetch) = (1, 256, 256);
        config.shutdown.grace = Duration::from_secs(6);
    })
    .await;
    let producer = installation.producer().await;
    let crowd = installation.crowd(256).await;
    let mut holder = installation.stranger().await;
    let mut held = sqlx::Connection::begin(&mut holder).await.unwrap();
    let lock = "SELECT FROM members WHERE site_id = $1 FOR UPDATE";
    sqlx::query(lock).bind(crowd.site).execute(&mut *held).await.unwrap();
    producer.send_all(&crowd.requests).await;
    let worker = installation.start().await;
    until_somebody_waits_for_a_lock(&installation).await;
    // All of them fail, a second each: one by one that would be minutes.
    assert_eq!(worker.stop().await, Stopped::Drained);
    held.rollback().await.unwrap();
    let worker = installation.start().await;
    installation.all_joined_once(&crowd).await;
    worker.stop().await;
}

async fn until_somebody_waits_for_a_lock(installation: &Installation) {
    let mut stranger = installation.stranger().await;
    let waiting =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually("somebody waits for a lock", PATIENCE, async || {
        match sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut stranger).await.unwrap() {
            0 => Err(0),
            waiting => Ok(waiting),
        }
    })
    .await;
}

/// Stops a worker that has work while a service behind the wire is out.
async fn stops_in_time(
    installation: &Installation,
    mut config: join_community::config::Config,
    wire: &Proxy,
    fault: Wire,
) -> Crowd {
    (config.join.batch_max, config.broker.heartbeat) = (4, Duration::from_secs(2));
    let producer = installation.producer().await;
    let worker = Worker::start(config).await;
    let crowd = installation.crowd_at_the_door(&producer, 200).await;
    installation.until_answered(&crowd, 20).await;
    wire.set(fault);
    assert_eq!(worker.stop().await, Stopped::Drained, "{fault:?}");
    crowd
}

impl Installation {
    /// Proves that whatever is still owed may be claimed by anybody at once.
    async fn nothing_is_leased(&self) {
        let mut stranger = self.stranger().await;
        let leased = "SELECT member_id::text, attempts FROM outbox WHERE lease_until > statement_timestamp()";
        let leased = sqlx::query(leased).fetch_all(&mut stranger).await.unwrap();
        let leased: Vec<(String, i32)> = leased.iter().map(|row| (row.get(0), row.get(1))).collect();
        assert!(leased.is_empty(), "leased by a worker that has ended: {leased:?}");
    }
}
