//! Another writer who locks the same members in the other order, so that PostgreSQL ends the worker's commit to get both
//! out of it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures_util::FutureExt as _;
use sqlx::{Acquire as _, PgConnection};
use uuid::Uuid;

use crate::ledger::Key;
use crate::load::Load;
use crate::stage::Stage;
use crate::trial::{Fault, Outcome, Trial};

/// Deadlocks out of which PostgreSQL helped by ending the worker's commit.
const WANTED: u64 = 3;
/// How long the worker may take to wait for a lock.
const LIMIT: Duration = Duration::from_secs(20);
const CHANGE: &str = "UPDATE members SET last_login_date = clock_timestamp() WHERE site_id = $1 AND id = $2";

pub(super) fn faults() -> Vec<Fault> {
    vec![Fault {
        name: "postgres/deadlocks",
        what: "another writer who locks the same members in the other order, until PostgreSQL ends the worker's commit",
        quick: true,
        alone: false,
        workers: &[1, 3],
        run: |trial| deadlocks(trial).boxed(),
    }]
}

async fn deadlocks(trial: Trial) -> Result<Outcome> {
    let mut stage = Stage::set(&trial).await?;
    // Longer than the second after which PostgreSQL looks for deadlocks.
    stage.fleet.set("JOIN_COMMUNITY__DATABASE__LOCK_TIMEOUT", "8s");
    stage.fleet.set("JOIN_COMMUNITY__DATABASE__STATEMENT_TIMEOUT", "9s");
    let load = Load::mixed(&stage.installation, trial.seed, if trial.quick { 200 } else { 1000 }).await?;
    let mut keys: Vec<Key> = load.ledger.joiners().into_iter().collect();
    let mut ledger = stage.send(load, Duration::ZERO).finish().await?;
    ledger.disturbed.clone_from(&keys);
    // The worker commits in the order of the keys, so whoever holds the late ones meets it with early ones in hand.
    let late = keys.split_off(keys.len() * 3 / 4);
    let (mut other, mut looker) = (stage.installation.stranger().await, stage.installation.stranger().await);
    let mut held = other.begin().await?;
    for (site, member) in late {
        sqlx::query(CHANGE).bind(site).bind(member).execute(&mut *held).await?;
    }
    stage.fleet.start(trial.workers).await?;
    let mut times = 0;
    while times < WANTED {
        let (site, early) = held_by_who_waits(&mut looker, &keys).await?;
        keys.retain(|key| *key != (site, early));
        // Who waited longer looks first, and is ended: the worker. If not, this writer was, and is done.
        if sqlx::query(CHANGE).bind(site).bind(early).execute(&mut *held).await.is_err() {
            break;
        }
        times += 1;
    }
    ensure!(times > 0, "no deadlock ended the worker's commit");
    held.rollback().await.ok();
    stage.healed();
    Ok(Outcome { times, ..stage.compare(ledger).await? })
}

/// A member of these that somebody holds who waits for another one.
async fn held_by_who_waits(looker: &mut PgConnection, keys: &[Key]) -> Result<Key> {
    let waits = "SELECT EXISTS (SELECT FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event_type = 'Lock')";
    let free = "SELECT id FROM members WHERE site_id = $1 AND id = ANY ($2) FOR NO KEY UPDATE SKIP LOCKED";
    let members: Vec<Uuid> = keys.iter().map(|(_, member)| *member).collect();
    let site = keys.first().context("all members are held")?.0;
    let began = tokio::time::Instant::now();
    loop {
        if sqlx::query_scalar(waits).fetch_one(&mut *looker).await? {
            let free: Vec<Uuid> = sqlx::query_scalar(free).bind(site).bind(&members).fetch_all(&mut *looker).await?;
            if let Some(member) = members.iter().find(|member| !free.contains(member)) {
                return Ok((site, *member));
            }
        }
        ensure!(began.elapsed() < LIMIT, "nobody holds a member and waits for another within {LIMIT:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
