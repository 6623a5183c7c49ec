//! Work that stands still or takes long, and what it is that worker and services do not agree on: clocks, keys.

use std::sync::atomic::Ordering;

use join_community::domain::IdentityType;
use join_community::operations::Dependency;
use sqlx::{Connection as _, Executor as _};
use uuid::Uuid;

use super::steps::{Steps, blocks};
use super::{listening, place};
use crate::keys::{self, Door};
use crate::probes::AHEAD;
use crate::support::{Installation, Issuer, JOINABLE, Message, PATIENCE, Said, Worker};

#[tokio::test]
async fn nothing_is_settled() {
    let installation = Installation::new().await;
    let (producer, worker) = (installation.producer().await, installation.start().await);
    let mut forgotten = installation.stranger().await;
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut forgotten).await.unwrap();
    let mut open = forgotten.begin().await.unwrap();
    sqlx::query("LOCK TABLE join_requests").execute(&mut *open).await.unwrap();
    let crowd = installation.crowd_at_the_door(&producer, 5).await;
    let mut steps = Steps::of("Nothing is settled", &installation).with("PID", pid.to_string());
    steps.next_until(&pid.to_string()).await;
    steps.next().await.tells(&["pg_terminate_backend", "t\n"]);
    steps.done();
    installation.all_joined_once(&crowd).await;
    worker.stop().await;
}

/// What a step took so far, as the worker's metrics tell.
fn spent(said: &Said, step: &str) -> f64 {
    let series = format!("join_community_step_seconds_sum{{step=\"{step}\"}} ");
    let value = said.stdout.lines().find_map(|line| line.strip_prefix(&series));
    value.unwrap_or_else(|| panic!("{series} is not in {said:#?}")).parse().unwrap()
}

#[tokio::test]
async fn work_is_slow() {
    const SECTION: &str = "Work is slow";
    let installation = Installation::with(|config| {
        listening(config);
        // Who is in the way is waited for.
        (config.database.lock_timeout, config.database.statement_timeout) = (PATIENCE, PATIENCE);
    })
    .await;
    let (producer, worker) = (installation.producer().await, installation.start().await);
    let mut stranger = installation.stranger().await;
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut stranger).await.unwrap();
    let mut open = stranger.begin().await.unwrap();
    // In the way of whoever writes.
    sqlx::query("LOCK TABLE join_requests IN SHARE MODE").execute(&mut *open).await.unwrap();
    let crowd = installation.crowd_at_the_door(&producer, 5).await;
    let mut steps = Steps::of(SECTION, &installation).with("WORKER", place(&worker));
    steps.next().await.tells(&["join_community_step_seconds_count{step=\"commit\"} 0\n"]);
    steps.next_until(&format!("{{{pid}}}")).await;
    open.rollback().await.unwrap();
    installation.all_joined_once(&crowd).await;
    let said = steps.run(&blocks(SECTION)[0]).await;
    assert!(spent(&said, "commit") > spent(&said, "load"), "{said:#?}");
    steps.next().await.tells(&["ANALYZE"]);
    steps.done();
    let known = "SELECT reltuples FROM pg_class WHERE oid = 'members'::regclass";
    let known: f32 = sqlx::query_scalar(known).fetch_one(&mut stranger).await.unwrap();
    assert!((known - 5.0).abs() < 0.5, "the planner knows of {known} members");
    worker.stop().await;
}

#[tokio::test]
async fn the_clocks_are_apart() {
    let installation = Installation::new().await;
    let mut stranger = installation.stranger().await;
    stranger.execute(sqlx::raw_sql(AHEAD)).await.unwrap();
    let worker = Worker::launch(installation.config.clone()).await;
    worker.until_misses(Dependency::Clock).await;
    let mut steps = Steps::of("The clocks are apart", &installation);
    let said = steps.next().await;
    assert!(said.code == Some(1) && said.stdout.contains("its clock differs from ours"), "{said:#?}");
    stranger.execute("DROP FUNCTION public.clock_timestamp()").await.unwrap();
    steps.again().await.tells(&["its clock agrees with ours"]);
    steps.done();
    worker.until_ready().await;
    worker.stop().await;
}

#[tokio::test]
async fn keys_cannot_be_read() {
    let (issuer, door) = (Issuer::new(), Door::open(&Issuer::new()).await);
    door.serves.store(false, Ordering::Relaxed);
    let installation = keys::installation(&issuer, &door).await;
    let worker = Worker::launch(installation.config.clone()).await;
    worker.until_misses(Dependency::Keys).await;
    let auth = &installation.config.auth;
    let mut steps = Steps::of("Keys cannot be read", &installation)
        .with("JOIN_COMMUNITY__AUTH__JWKS", auth.jwks.as_str())
        .with("JOIN_COMMUNITY__AUTH__ISSUER", auth.issuer.as_str())
        .with("JOIN_COMMUNITY__AUTH__AUDIENCE", auth.audience.as_str());
    let said = steps.next().await;
    for words in ["no keys can be read, so no request will be taken", "503"] {
        assert!(said.code == Some(1) && said.stdout.contains(words), "{said:#?}");
    }
    door.serves.store(true, Ordering::Relaxed);
    steps.again().await.tells(&[&format!(" of {}", door.url)]);
    steps.done();
    let (mut producer, site) = (installation.producer().await, Uuid::new_v4());
    let member = installation.member(site, JOINABLE).await;
    let token = issuer.token(&issuer.claims(site, IdentityType::Member, member));
    assert_eq!(producer.ask(&Message::join(site, member).token(&token)).await.status, 200);
    worker.stop().await;
}
