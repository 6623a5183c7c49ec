//! PostgreSQL in trouble without being away: sessions ended, writes refused, no room for connections, locks held.

use std::time::Duration;

use anyhow::Result;
use futures_util::FutureExt as _;
#[expect(clippy::disallowed_types, reason = "the name of a database cannot be bound, and this one is ours")]
use sqlx::AssertSqlSafe;
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::load::Load;
use crate::sender::Sender;
use crate::stage::Stage;
use crate::trial::{Fault, Outcome, Trial};

/// How long a state lasts: longer than deliveries are held.
const WHILE: Duration = Duration::from_secs(3);
/// Ends every session of this database's user but the one that says so. An autovacuum is not ours to end.
const TERMINATE: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()";

pub(super) fn faults() -> Vec<Fault> {
    let fault = |name, what, run| Fault { name, what, quick: true, alone: false, workers: &[1, 3], run };
    vec![
        fault("postgres/terminated-backends", "all sessions of the worker terminated, again and again", |trial| {
            terminated_backends(trial).boxed()
        }),
        fault("postgres/read-only", "the database read-only for a while", |trial| {
            state(trial, "SET default_transaction_read_only = on", "SET default_transaction_read_only = off").boxed()
        }),
        fault("postgres/no-connections", "no session left for the worker for a while", |trial| {
            state(trial, "CONNECTION LIMIT 0", "CONNECTION LIMIT -1").boxed()
        }),
        fault("postgres/forgotten-lock", "a record locked by somebody's forgotten transaction", |trial| {
            forgotten_lock(trial).boxed()
        }),
    ]
}

async fn begin(trial: &Trial) -> Result<(Stage, Sender, PgConnection)> {
    let stage = Stage::with_workers(trial).await?;
    let mut sender = stage.load(if trial.quick { 200 } else { 1000 }, Duration::from_millis(30)).await?;
    sender.until(10).await?;
    let other = stage.installation.stranger().await;
    Ok((stage, sender, other))
}

async fn terminated_backends(trial: Trial) -> Result<Outcome> {
    let (mut stage, sender, mut other) = begin(&trial).await?;
    let times = 20;
    for _ in 0..times {
        other.execute(TERMINATE).await?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stage.healed();
    let ledger = sender.finish().await?;
    stage.installation.reconnect().await;
    Ok(Outcome { times, ..stage.compare(ledger).await? })
}

/// Puts the database into a state, and back.
async fn state(trial: Trial, on: &'static str, off: &'static str) -> Result<Outcome> {
    let (mut stage, sender, mut other) = begin(&trial).await?;
    let name: String = sqlx::query_scalar("SELECT current_database()::text").fetch_one(&mut other).await?;
    other.execute(AssertSqlSafe(format!("ALTER DATABASE {name} {on}"))).await?;
    other.execute(TERMINATE).await?;
    tokio::time::sleep(WHILE).await;
    other.execute(AssertSqlSafe(format!("ALTER DATABASE {name} {off}"))).await?;
    // Whoever connected meanwhile goes by what held then.
    other.execute(TERMINATE).await?;
    stage.healed();
    let ledger = sender.finish().await?;
    stage.installation.reconnect().await;
    stage.compare(ledger).await
}

async fn forgotten_lock(trial: Trial) -> Result<Outcome> {
    let mut stage = Stage::with_workers(&trial).await?;
    let load = Load::mixed(&stage.installation, trial.seed, if trial.quick { 200 } else { 1000 }).await?;
    let (site, member) = load.ledger.members[0].key;
    let mut other = stage.installation.stranger().await;
    let mut forgotten = other.begin().await?;
    let lock = "SELECT FROM members WHERE site_id = $1 AND id = $2 FOR UPDATE";
    sqlx::query(lock).bind(site).bind(member).execute(&mut *forgotten).await?;
    let sender = stage.send(load, Duration::from_millis(20));
    tokio::time::sleep(WHILE).await;
    forgotten.rollback().await?;
    stage.healed();
    stage.conclude(sender).await
}
