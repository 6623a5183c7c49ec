//! Workers of two versions side by side, as in every upgrade: what one of an earlier schema says to PostgreSQL still counts,
//! and this one waits for a schema that it can work with. A worker of an earlier *build* is tried by `scripts/upgrade-test`.

mod old_worker;

use join_community::domain::Control;
use join_community::operations::Dependency;
use join_community::postgres::{STATEMENTS, Terms, migrate};
use sqlx::migrate::Migrator;
use sqlx::{Executor as _, SqlSafeStr as _};
use uuid::Uuid;

use self::old_worker::OldWorker;
use crate::support::{self, Installation, JOINABLE, PATIENCE, Worker, eventually};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// The schemas whose workers may still run, each with what they say to it.
const KEPT: [(i64, &str); 2] = [(5, include_str!("upgrade/schema_5.sql")), (8, include_str!("upgrade/schema_8.sql"))];

/// Names a file to which the statements of this version are to be written, as they are kept.
const KEEP: &str = "JOIN_COMMUNITY_KEEP_STATEMENTS";

/// The statements of a schema by name.
fn statements(kept: &'static str) -> Vec<(&'static str, &'static str)> {
    let parts = kept.split("-- name: ").skip(1);
    parts.map(|part| part.split_once('\n').expect("a name, and its statement below")).collect()
}

impl Installation {
    /// Leaves nothing in the database but the schema as it was at a version.
    pub(crate) async fn back_to(&self, version: i64) {
        let mut owner = self.stranger().await;
        sqlx::raw_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public").execute(&mut owner).await.unwrap();
        MIGRATIONS.run_direct(Some(version), &mut owner, false).await.unwrap();
    }
}

#[tokio::test]
async fn every_statement_of_a_worker_that_may_still_run_fits_the_schema() {
    if let Some(file) = std::env::var_os(KEEP) {
        let kept = STATEMENTS.iter().map(|(name, statement)| format!("-- name: {name}\n{}\n", statement.trim()));
        std::fs::write(file, kept.collect::<Vec<_>>().join("\n")).unwrap();
    }
    let database = support::database().await;
    let mut connection = database.stranger().await;
    let mut misfits = Vec::new();
    for (version, kept) in KEPT {
        let statements = statements(kept);
        assert!(statements.len() > 40, "the statements of schema {version} are read wrongly");
        for (name, statement) in statements {
            if let Err(error) = connection.prepare(statement.into_sql_str()).await {
                misfits.push(format!("schema {version}: {name}: {error}"));
            }
        }
    }
    assert!(misfits.is_empty(), "{misfits:#?}");
}

#[tokio::test]
async fn an_old_worker_and_this_one_share_a_queue_and_the_schema_is_brought_up_to_date_meanwhile() {
    for (version, kept) in KEPT {
        let installation = Installation::with(|config| {
            // One by one: whoever is free takes the next.
            (config.join.lanes, config.join.batch_max, config.join.prefetch) = (1, 1, 1);
        })
        .await;
        installation.back_to(version).await;
        let (producer, mut events) = (installation.producer().await, installation.events().await);
        let mut old = OldWorker::start(&installation, statements(kept)).await;
        let before = installation.crowd_at_the_door(&producer, 40).await;
        old.takes(20).await;
        let applied = migrate(&installation.config.database.url).await.unwrap();
        assert_eq!(applied.first().map(|step| step.version), Some(version + 1));
        old.takes(10).await;

        let worker = installation.start().await;
        let during = installation.crowd(300).await;
        tokio::join!(producer.send_all(&during.requests), old.takes(40));
        // What it owes is left behind, as when it is killed.
        drop(old);
        for crowd in [&before, &during] {
            installation.all_joined_once(crowd).await;
        }
        events.tell_of(&[&before, &during]).await;
        assert!(worker.counted("join_community_requests_total") > 0, "the old one took them all");
        worker.stop().await;
    }
}

#[tokio::test]
async fn what_this_worker_owes_an_old_one_can_pay() {
    let installation = Installation::new().await;
    let producer = installation.producer().await;
    for control in [Control::PauseEvents, Control::PauseCache] {
        installation.set(control, Terms::default()).await;
    }
    for (version, kept) in KEPT {
        let worker = installation.start().await;
        let crowd = installation.crowd_at_the_door(&producer, 30).await;
        installation.until_answered(&crowd, 30).await;
        worker.stop().await;
        let mut old = OldWorker::start(&installation, statements(kept)).await;
        let mut paid = 0;
        eventually(&format!("a worker of schema {version} has paid"), PATIENCE, async || {
            paid += old.pays().await;
            if paid >= 30 { Ok(()) } else { Err(paid) }
        })
        .await;
        installation.outbox_is_empty().await;
        assert_eq!(old.prunes().await, 0, "nothing is old enough");
    }
}

#[tokio::test]
async fn a_worker_that_is_started_before_the_schema_is_brought_up_to_date_waits_for_it() {
    let installation = Installation::new().await;
    let (oldest, _) = KEPT[0];
    installation.back_to(oldest).await;
    let (producer, mut events) = (installation.producer().await, installation.events().await);
    // Owed already, and not announced before it can be forgotten: it would be announced again and again.
    let (site, mut stranger) = (Uuid::new_v4(), installation.stranger().await);
    let changed = installation.member(site, JOINABLE).await;
    installation.change(site, changed, "UPDATE members SET status = 'BLOCKED' WHERE site_id = $1 AND id = $2").await;
    let worker = Worker::launch(installation.alert()).await;
    let reason = worker.until_misses(Dependency::Database).await;
    assert!(reason.contains("run `migrate`"), "{reason}");
    worker.until_counts("join_community_outbox_rows", 1).await;
    let crowd = installation.crowd_at_the_door(&producer, 20).await;
    installation.until_holds("join-community.requests", 20).await;
    let attempts: i32 = sqlx::query_scalar("SELECT attempts FROM outbox").fetch_one(&mut stranger).await.unwrap();
    assert_eq!((attempts, events.all_so_far().await.len()), (0, 0), "it was announced");
    migrate(&installation.config.database.url).await.unwrap();
    installation.all_joined_once(&crowd).await;
    events.until(changed).await;
    worker.stop().await;
}
