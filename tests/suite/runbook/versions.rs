//! A new version, and the way back; more shards, and fewer.

use join_community::app::Stopped;
use join_community::domain::Control;
use join_community::operations::Dependency;
use join_community::postgres::Terms;
use reqwest::Url;
use secrecy::ExposeSecret as _;
use sqlx::Executor as _;
use uuid::Uuid;

use super::steps::{Steps, blocks};
use super::{listening, place};
use crate::faults::superuser::superuser;
use crate::support::{Installation, Message, PUBLIC, Worker, finish};

const NEW_VERSION: &str = "A new version";

#[tokio::test]
async fn a_new_version() {
    let installation = Installation::with(listening).await;
    installation.back_to(5).await;
    let producer = installation.producer().await;
    // Started too early, it waits.
    let worker = Worker::launch(installation.alert()).await;
    worker.until_misses(Dependency::Database).await;
    let crowd = installation.crowd_at_the_door(&producer, 10).await;
    let mut steps = Steps::of(NEW_VERSION, &installation).with("WORKER", place(&worker));
    steps.next().await.tells(&["Everything is declared.", "Applied migration 6"]);
    installation.all_joined_once(&crowd).await;
    let mut steps = steps.pass_by();
    steps.next().await.tells(&["The worker stops."]);
    steps.pass_by().done();
    assert_eq!(worker.until_ended().await, Stopped::Drained);
}

/// A role that may do with tables what a worker does, but for the newest of them, which it has not been given.
const MAKE: &str = "DO $$
    DECLARE worker text := current_setting('runbook.role');
    BEGIN
        EXECUTE format('CREATE ROLE %I LOGIN PASSWORD %L', worker, worker);
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO %I', worker);
        EXECUTE format('GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO %I', worker);
        EXECUTE format('REVOKE ALL ON announcements FROM %I', worker);
    END $$";
const UNMAKE: &str = "DO $$
    DECLARE worker text := current_setting('runbook.role');
    BEGIN
        EXECUTE format('DROP OWNED BY %I', worker);
        EXECUTE format('DROP ROLE %I', worker);
    END $$";

/// Roles are the server's, not a database's: none outlives a test that fails.
struct Role {
    name: String,
    database: String,
}

impl Role {
    async fn of(installation: &Installation) -> Self {
        let database = installation.config.database.url.expose_secret().to_owned();
        let role = Self { name: format!("jc_{}", Uuid::new_v4().simple()), database };
        role.have_done(MAKE).await.unwrap();
        role
    }

    /// Has a superuser carry out a statement about it.
    async fn have_done(&self, statement: &'static str) -> anyhow::Result<()> {
        let mut superuser = superuser(&self.database).await?;
        let named = sqlx::query("SELECT set_config('runbook.role', $1, false)").bind(&self.name);
        named.execute(&mut superuser).await?;
        superuser.execute(statement).await?;
        Ok(())
    }

    fn url(&self) -> String {
        let mut url: Url = self.database.parse().unwrap();
        url.set_username(&self.name).and_then(|()| url.set_password(Some(&self.name))).unwrap();
        url.into()
    }
}

impl Drop for Role {
    fn drop(&mut self) {
        finish(self.have_done(UNMAKE)).ok();
    }
}

#[tokio::test]
async fn a_new_version_where_tables_belong_to_another_role() {
    let installation = Installation::new().await;
    let role = Role::of(&installation).await;
    let mut config = installation.alert();
    config.database.url = role.url().into();
    let worker = Worker::launch(config).await;
    let reason = worker.until_misses(Dependency::Database).await;
    assert!(reason.contains("may not write table announcements"), "{reason}");
    let mut steps = Steps::of(NEW_VERSION, &installation).pass_by().with("ROLE", role.name.as_str());
    steps.next().await.tells(&["GRANT"]);
    let crowd = installation.crowd_at_the_door(&installation.producer().await, 10).await;
    installation.all_joined_once(&crowd).await;
    worker.stop().await;
}

#[tokio::test]
async fn back_to_a_version_from_before_leaving() {
    let installation = Installation::new().await;
    installation.set(Control::PauseEvents, Terms::default()).await;
    let (mut producer, worker) = (installation.producer().await, installation.start().await);
    let (mut events, site) = (installation.events().await, Uuid::new_v4());
    let member = installation.member(site, PUBLIC).await;
    assert_eq!(producer.ask(&Message::leave(site, member)).await.status, 200);
    let mut steps = Steps::of(NEW_VERSION, &installation).pass_by().pass_by().pass_by();
    let said = steps.next().await;
    assert_eq!((said.code, said.stdout.as_str()), (Some(0), "1\n"), "{said:#?}");
    installation.release(Control::PauseEvents).await;
    events.until(member).await;
    steps.again_until("0\n").await;
    steps.done();
    worker.stop().await;
}

#[tokio::test]
async fn more_or_fewer_shards() {
    const SECTION: &str = "More or fewer shards";
    const SHARDS: &str = "JOIN_COMMUNITY__BROKER__SHARDS";
    let installation = Installation::new().await;
    let producer = installation.producer().await;
    let mut steps = Steps::of(SECTION, &installation).with_broker().with(SHARDS, "2");
    steps.next().await.tells(&["Queues were created"]);
    let mut config = installation.config.clone();
    config.broker.shards = 2;
    let worker = Worker::start(config).await;
    let spread = installation.crowd_at_the_door(&producer, 20).await;
    installation.all_joined_once(&spread).await;
    let left = installation.crowd(20).await;
    worker.stop().await;
    producer.send_all(&left.requests).await;

    steps.set(SHARDS, "1");
    steps.again().await.tells(&["Every queue was there already."]);
    let worker = installation.start().await;
    installation.all_joined_once(&left).await;
    let said = steps.next().await;
    for shard in ["1", "2"] {
        let told =
            format!("queue `join-community.requests.{shard}` is of more shards than broker.shards says and holds 0");
        assert!(said.code == Some(1) && said.stdout.contains(&told), "{said:#?}");
    }
    steps.set("SHARD", "2");
    steps.next().await.tells(&[]);
    steps.set("SHARD", "1");
    steps.again().await.tells(&[]);
    let said = steps.run(&blocks(SECTION)[1]).await;
    assert!(!said.stdout.contains("join-community.requests."), "{said:#?}");
    steps.done();
    let whole = installation.crowd_at_the_door(&producer, 20).await;
    installation.all_joined_once(&whole).await;
    worker.stop().await;
}
