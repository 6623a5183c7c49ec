//! The connection itself: limits, cancelled work, the schema, and the upkeep of the request records.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use join_community::config;
use join_community::postgres::{MigrationError, Role, Session, StoreError, migrate};
use sqlx::{Connection as _, Row as _};
use tokio::time::Instant;

use crate::support::asking::new_site;
use crate::support::{Proxy, Wire, database};

/// Polls a future so many times and drops it then, wherever it has come to.
async fn dropped_after<F: Future>(work: F, polls: usize) -> Option<F::Output> {
    let mut work = pin!(work);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        work.as_mut().poll(context).map(Some)
    })
    .await
}

#[tokio::test]
async fn work_that_is_dropped_halfway_leaves_no_connection_behind_and_later_writes_last() {
    let database = database().await;
    let mut store = Session::new(&database.config, Role::Tool).unwrap();
    let mut onlooker = database.stranger().await;
    let (mut cut, mut done) = (0, 0);
    for polls in 0..40 {
        // Connected, so that it is the work that is cut, and not the connecting.
        store.probe().await.unwrap();
        let work = store.run(async |connection| {
            for _ in 0..5 {
                let mut transaction = connection.begin().await?;
                // Slow enough that it is never answered at the first poll.
                sqlx::query("SELECT pg_sleep(0.002)").execute(&mut *transaction).await?;
                transaction.commit().await?;
            }
            Ok(())
        });
        match dropped_after(work, polls).await {
            None => cut += 1,
            Some(result) => {
                result.unwrap();
                done += 1;
            }
        }
        let site = new_site().0;
        let insert = "INSERT INTO sites (site_id) VALUES ($1)";
        store.run(async |connection| sqlx::query(insert).bind(site).execute(connection).await).await.unwrap();
        // Whoever writes inside a transaction that nobody will end has written nothing.
        let lasting = "SELECT count(*) FROM sites WHERE site_id = $1";
        let lasting: i64 = sqlx::query_scalar(lasting).bind(site).fetch_one(&mut onlooker).await.unwrap();
        assert_eq!(lasting, 1, "a write after work that was dropped at poll {polls} was lost");
    }
    assert!(cut > 2 && done > 0, "cut {cut} times, done {done} times: nothing was tested");
}

#[tokio::test]
async fn what_is_rolled_back_never_lasts_and_what_comes_after_it_always_does_wherever_it_was_cut() {
    let database = database().await;
    let mut store = Session::new(&database.config, Role::Tool).unwrap();
    let mut onlooker = database.stranger().await;
    let insert = "INSERT INTO sites (site_id) VALUES ($1)";
    let (mut cut, mut done, mut failed) = (0, 0, 0);
    for polls in 0..40 {
        store.probe().await.unwrap();
        let (tried, site) = (new_site().0, new_site().0);
        let work = store.rolled_back(async |connection| {
            sqlx::query(insert).bind(tried).execute(&mut *connection).await?;
            sqlx::query("SELECT pg_sleep(0.002)").execute(&mut *connection).await?;
            // Every third fails inside its transaction.
            if polls % 3 == 0 {
                sqlx::query("SELECT 1 / 0").execute(&mut *connection).await?;
            }
            Ok(())
        });
        match dropped_after(work, polls).await {
            None => cut += 1,
            Some(Ok(())) => done += 1,
            Some(Err(StoreError::Permanent(_))) => failed += 1,
            Some(Err(other)) => panic!("{other:?}"),
        }
        store.run(async |connection| sqlx::query(insert).bind(site).execute(connection).await).await.unwrap();
        let lasting = "SELECT array_agg(site_id) FROM sites WHERE site_id IN ($1, $2)";
        let lasting: Option<Vec<uuid::Uuid>> =
            sqlx::query_scalar(lasting).bind(tried).bind(site).fetch_one(&mut onlooker).await.unwrap();
        assert_eq!(lasting, Some(vec![site]), "cut at poll {polls}");
    }
    assert!(cut > 2 && done > 0 && failed > 0, "cut {cut} times, done {done}, failed {failed}: nothing was tested");
}

fn hurried(config: &config::Database) -> config::Database {
    config::Database {
        connect_timeout: Duration::from_secs(2),
        statement_timeout: Duration::from_millis(500),
        lock_timeout: Duration::from_millis(50),
        ..config.clone()
    }
}

#[tokio::test]
async fn a_server_that_falls_silent_is_given_up_within_the_limit() {
    let database = database().await;
    let mut config = hurried(&database.config);
    let proxy = Proxy::before(&mut config.url);
    let mut store = Session::new(&config, Role::Lane).unwrap();
    store.probe().await.unwrap();
    proxy.set(Wire::HungToClient);
    let began = Instant::now();
    assert!(matches!(store.probe().await, Err(StoreError::Silent(_))));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let connecting = store.probe().await.unwrap_err();
    assert!(matches!(connecting, StoreError::Silent(limit) if limit == config.connect_timeout), "{connecting}");
    assert!(connecting.is_outage());
    proxy.set(Wire::Whole);
    store.probe().await.expect("a new connection, not one that hung");
}

#[tokio::test]
async fn failures_are_sorted_by_what_to_do_about_them() {
    let database = database().await;
    let mut store = Session::new(
        &config::Database { lock_timeout: Duration::from_millis(50), ..database.config.clone() },
        Role::Tool,
    )
    .unwrap();
    let mut run = async |statement: &'static str| {
        store.run(async |connection| sqlx::query(statement).execute(connection).await).await.unwrap_err()
    };
    assert!(matches!(run("SELECT 1 / 0").await, StoreError::Permanent(_)));
    assert!(matches!(run("INSERT INTO sites VALUES (NULL)").await, StoreError::Permanent(_)));
    assert!(matches!(run("SELECT * FROM not_migrated").await, StoreError::Outage(_)));
    assert!(matches!(run("SELECT pg_terminate_backend(pg_backend_pid())").await, StoreError::Outage(_)));
    let mut holder = database.stranger().await;
    let mut held = holder.begin().await.unwrap();
    sqlx::query("LOCK TABLE sites").execute(&mut *held).await.unwrap();
    assert!(matches!(run("INSERT INTO sites VALUES (gen_random_uuid())").await, StoreError::Contention(_)));
}

#[tokio::test]
async fn a_probe_needs_a_schema_and_a_server_that_takes_writes() {
    let database = database().await;
    let mut store = Session::new(&database.config, Role::Tool).unwrap();
    store.probe().await.unwrap();
    let read_only = "SET default_transaction_read_only = on";
    store.run(async |connection| sqlx::query(read_only).execute(connection).await).await.unwrap();
    assert!(matches!(store.probe().await, Err(StoreError::Outage(_))));
    let empty = crate::support::empty_database().await;
    assert!(matches!(Session::new(&empty.config, Role::Tool).unwrap().probe().await, Err(StoreError::Outage(_))));
}

#[tokio::test]
async fn two_migrations_at_once_apply_each_step_once() {
    let database = crate::support::empty_database().await;
    let url = &database.config.url;
    let (one, other) = tokio::join!(migrate(url), migrate(url));
    let (one, other) = (one.unwrap(), other.unwrap());
    assert!(one.is_empty() != other.is_empty(), "{one:?} {other:?}");
    let applied: Vec<_> = one.iter().chain(&other).map(|step| step.version).collect();
    assert!(applied.len() >= 2 && applied.is_sorted(), "{applied:?}");
    assert_eq!(migrate(url).await.unwrap(), []);
}

#[tokio::test]
async fn a_schema_of_another_program_is_refused() {
    let database = database().await;
    let mut stranger = database.stranger().await;
    let newer = "INSERT INTO _sqlx_migrations SELECT 9999, 'later', now(), true, ''::bytea, 0";
    sqlx::query(newer).execute(&mut stranger).await.unwrap();
    let error = migrate(&database.config.url).await.unwrap_err();
    assert!(matches!(error, MigrationError::SchemaTooNew { found: 9999, .. }), "{error}");
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version = 9999").execute(&mut stranger).await.unwrap();
    let changed = "UPDATE _sqlx_migrations SET checksum = 'other' WHERE version = 1";
    sqlx::query(changed).execute(&mut stranger).await.unwrap();
    let error = migrate(&database.config.url).await.unwrap_err();
    assert!(matches!(error, MigrationError::Changed(1)), "{error}");
}

#[tokio::test]
async fn records_are_pruned_by_age_slice_by_slice() {
    let database = database().await;
    let mut stranger = database.stranger().await;
    // Old and new beside each other in every page, as in a table whose space is used again.
    let fill = "INSERT INTO join_requests
        SELECT gen_random_uuid(), n::text, 'producer:p', '', NULL, 'APP:' || gen_random_uuid(), false, 'producer', 'rejected',
               'PERMISSION_DENIED', NULL, NULL, now(), now() - (n % 2) * interval '40 days', NULL
        FROM generate_series(1, 12000) n";
    sqlx::query(fill).execute(&mut stranger).await.unwrap();
    let mut store = Session::new(&database.config, Role::Tool).unwrap();
    let (mut from, mut slices, mut deleted) = (Some(0), 0, 0);
    while let Some(page) = from {
        let pruned = store.prune(Duration::from_hours(30 * 24), page).await.unwrap();
        assert!(pruned.deleted <= 10_000, "a slice is small");
        (from, slices, deleted) = (pruned.next, slices + 1, deleted + pruned.deleted);
    }
    assert!(slices > 1, "one slice was enough: nothing was tested");
    assert_eq!(deleted, 6_000);
    let left = "SELECT count(*), count(*) FILTER (WHERE decided_at < now() - interval '30 days') FROM join_requests";
    let left = sqlx::query(left).fetch_one(&mut stranger).await.unwrap();
    assert_eq!((left.get::<i64, _>(0), left.get::<i64, _>(1)), (6_000, 0));
}
