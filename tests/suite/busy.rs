//! One request's trouble in a batch: its neighbours go through, and it alone waits or is given up.

use std::time::Duration;

use join_community::config::Config;
use join_community::operations::Dependency;
use lapin::options::BasicGetOptions;
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::support::{Crowd, Installation, PATIENCE, Worker, eventually};

#[tokio::test]
async fn a_record_that_somebody_holds_keeps_nobody_else_waiting_and_joins_when_it_is_let_go() {
    let installation = Installation::with(one_batch).await;
    let producer = installation.producer().await;
    let mut events = installation.events().await;
    let crowd = installation.crowd_at_the_door(&producer, 100).await;
    let mut holder = installation.stranger().await;
    let held = hold(&mut holder, &crowd, 42).await;
    let worker = installation.start().await;
    installation.until_answered(&crowd, 99).await;
    eventually("the one is on the ladder", PATIENCE, async || match worker.counted("join_community_retries_total") {
        0 => Err(0),
        retries => Ok(retries),
    })
    .await;
    assert_eq!(installation.answered(&crowd).await, 99);
    held.rollback().await.unwrap();
    installation.all_joined_once(&crowd).await;
    events.tell_of(&[&crowd]).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_site_that_somebody_holds_keeps_no_other_site_waiting() {
    another_site_joins_beside(async |_| {}).await;
}

#[tokio::test]
async fn a_site_that_somebody_holds_keeps_no_other_site_waiting_when_its_requests_came_back() {
    another_site_joins_beside(async |installation| installation.give_all_back().await).await;
}

/// To wait for each lock by itself would take minutes.
async fn another_site_joins_beside(prepare: impl AsyncFnOnce(&Installation)) {
    let installation = Installation::with(|config| config.database.lock_timeout = Duration::from_secs(1)).await;
    let producer = installation.producer().await;
    let held = installation.crowd_at_the_door(&producer, 100).await;
    prepare(&installation).await;
    let mut holder = installation.stranger().await;
    let mut lock = holder.begin().await.unwrap();
    let all = "SELECT FROM members WHERE site_id = $1 FOR UPDATE";
    sqlx::query(all).bind(held.site).execute(&mut *lock).await.unwrap();
    let free = installation.crowd_at_the_door(&producer, 20).await;
    let worker = installation.start().await;
    installation.until_answered(&free, 20).await;
    assert_eq!(installation.answered(&held).await, 0);
    lock.rollback().await.unwrap();
    installation.all_joined_once(&held).await;
    installation.all_joined_once(&free).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_record_that_is_never_let_go_makes_its_request_a_dead_letter_after_the_ladder() {
    let installation = Installation::with(|config| {
        one_batch(config);
        config.join.busy_retries = 1;
    })
    .await;
    let producer = installation.producer().await;
    let crowd = installation.crowd_at_the_door(&producer, 3).await;
    let mut holder = installation.stranger().await;
    let held = hold(&mut holder, &crowd, 1).await;
    let worker = installation.start().await;
    let letters = installation.dead_letters(1).await;
    assert_eq!(letters[0].header("x-join-community-reason"), "busy");
    assert_eq!(letters[0].headers["x-join-community-attempts"], 1);
    assert_eq!(letters[0].message_id(), Some(crowd.requests[1].request_id()));
    assert_eq!(installation.answered(&crowd).await, 2);
    held.rollback().await.unwrap();
    worker.stop().await;
}

#[tokio::test]
async fn a_request_that_can_never_be_stored_is_a_dead_letter_and_its_neighbours_join() {
    let installation = Installation::with(one_batch).await;
    let producer = installation.producer().await;
    let crowd = installation.crowd_at_the_door(&producer, 100).await;
    installation.refuse_changes_of("poison").await;
    let poison = "UPDATE members SET login_email = 'poison' WHERE site_id = $1 AND id = $2";
    installation.change(crowd.site, crowd.members[42], poison).await;
    let worker = installation.start().await;
    let letters = installation.dead_letters(1).await;
    assert_eq!(letters[0].header("x-join-community-reason"), "permanent");
    assert_eq!(letters[0].message_id(), Some(crowd.requests[42].request_id()));
    installation.until_answered(&crowd, 99).await;
    installation.until_holds("join-community.requests", 0).await;
    assert!(worker.health().report().0, "one bad request is no reason to stop");
    assert!(worker.counted("join_community_batch_failures_total") > 1, "the request at fault is found by halves");
    worker.stop().await;
    assert_eq!(installation.depth("join-community.requests").await, 0);
}

#[tokio::test]
async fn a_database_that_refuses_everything_stops_the_worker_and_not_the_requests() {
    let installation = Installation::with(one_batch).await;
    let producer = installation.producer().await;
    let crowd = installation.crowd_at_the_door(&producer, 100).await;
    installation.refuse_changes_of("jane@example.com").await;
    let worker = Worker::launch(installation.config.clone()).await;
    eventually("the worker is not ready", PATIENCE, async || {
        let (_, report) = worker.health().report();
        match report["dependencies"][Dependency::Database.as_str()]["reason"].as_str() {
            Some(reason) if reason.contains("refuses the content") => Ok(()),
            _ => Err(report),
        }
    })
    .await;
    let given_up = u32::try_from(worker.counted("join_community_dead_letters_total")).unwrap();
    assert!(given_up <= 22, "{given_up} dead letters");
    assert!(!worker.health().report().0);
    installation.refuse_changes_of("nobody").await;
    let left = 100 - usize::try_from(given_up).unwrap();
    installation.until_answered(&crowd, left).await;
    worker.stop().await;
    assert_eq!(installation.dead_letters(given_up).await.len(), 100 - left);
    assert_eq!(installation.depth("join-community.requests").await, 0);
}

/// Everything that lies there is one batch; a lock is waited for briefly.
fn one_batch(config: &mut Config) {
    (config.join.lanes, config.join.batch_max, config.join.prefetch) = (1, 100, 100);
    config.database.lock_timeout = Duration::from_millis(200);
}

/// Begins a transaction that holds one member of the crowd.
async fn hold<'a>(holder: &'a mut PgConnection, crowd: &Crowd, place: usize) -> sqlx::Transaction<'a, sqlx::Postgres> {
    let mut held = holder.begin().await.unwrap();
    let lock = "SELECT FROM members WHERE site_id = $1 AND id = $2 FOR UPDATE";
    sqlx::query(lock).bind(crowd.site).bind(crowd.members[place]).execute(&mut *held).await.unwrap();
    held
}

impl Installation {
    /// Takes everything out of the queue of requests and gives it back, so that it comes as what came back.
    async fn give_all_back(&self) {
        let channel = self.channel().await;
        while let Some(got) =
            channel.basic_get("join-community.requests".into(), BasicGetOptions::default()).await.unwrap()
        {
            drop(got);
        }
        channel.close(200, "not handled".into()).await.unwrap();
    }

    /// From now on the database refuses each change of the members with this address, for good.
    pub(crate) async fn refuse_changes_of(&self, address: &'static str) {
        let mut stranger = self.stranger().await;
        stranger
            .execute(
                "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
                 BEGIN
                     IF OLD.login_email = (SELECT address FROM refused) THEN
                         RAISE EXCEPTION 'no' USING ERRCODE = '22000';
                     END IF;
                     RETURN NEW;
                 END $$;
                 CREATE TABLE IF NOT EXISTS refused (address text);
                 DELETE FROM refused;
                 CREATE OR REPLACE TRIGGER refuse BEFORE UPDATE ON members FOR EACH ROW EXECUTE FUNCTION refuse();",
            )
            .await
            .unwrap();
        sqlx::query("INSERT INTO refused VALUES ($1)").bind(address).execute(&mut stranger).await.unwrap();
    }
}
