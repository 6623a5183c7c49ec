//! The marks of suspects: what is left of a try during which the process died.

use std::time::Duration;

use uuid::Uuid;

use super::rows::count;
use super::{Session, StoreError};

/// Held in common by all sessions of the lanes of a process: it is free once the last of them is gone.
pub(super) const STAND_FOR: &str = "SELECT pg_advisory_lock_shared(hashtextextended($1::uuid::text, 0))";
// What counts does not see the mark: both look at what stood before.
pub(super) const MARK: &str = "
    WITH mark AS (INSERT INTO suspects (fingerprint, process) VALUES ($1, $2) ON CONFLICT DO NOTHING)
    SELECT count(*), count(*) FILTER (WHERE NOT EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND objsubid = 1 AND granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND (classid::bigint << 32) | objid::bigint = hashtextextended(process::text, 0)))
    FROM suspects WHERE fingerprint = $1 AND process <> $2";
pub(super) const UNMARK: &str = "DELETE FROM suspects WHERE fingerprint = $1";
pub(super) const UNMARK_PROCESS: &str = "DELETE FROM suspects WHERE process = $1";
pub(super) const PRUNE_MARKS: &str =
    "DELETE FROM suspects WHERE marked_at < clock_timestamp() - $1 * interval '1 second'";

/// What a delivery is known by, whatever it says.
pub type Fingerprint = [u8; 32];

/// Marks that others left at a suspect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marks {
    /// Of how many processes.
    pub others: u64,
    /// How many of these have no session any more: they died while they tried it.
    pub dead: u64,
}

impl Session {
    /// Marks a suspect as being tried by a process. Answers which marks of others there are.
    ///
    /// # Errors
    /// Sorted by reaction.
    pub async fn mark_suspect(&mut self, suspect: &Fingerprint, process: Uuid) -> Result<Marks, StoreError> {
        self.run(async |connection| {
            let query = sqlx::query_as(MARK).bind(suspect.as_slice()).bind(process);
            let (others, dead) = query.fetch_one(connection).await?;
            Ok(Marks { others: count(others), dead: count(dead) })
        })
        .await
    }

    /// Takes all marks of a suspect away.
    ///
    /// # Errors
    /// Sorted by reaction.
    pub async fn unmark_suspect(&mut self, suspect: &Fingerprint) -> Result<(), StoreError> {
        self.run(async |connection| sqlx::query(UNMARK).bind(suspect.as_slice()).execute(connection).await.map(|_| ()))
            .await
    }

    /// Takes all marks of a process away: it lives, so it died of none.
    ///
    /// # Errors
    /// Sorted by reaction.
    pub async fn unmark_process(&mut self, process: Uuid) -> Result<(), StoreError> {
        self.run(async |connection| sqlx::query(UNMARK_PROCESS).bind(process).execute(connection).await.map(|_| ()))
            .await
    }

    /// Deletes marks that are older than this, by the clock of `PostgreSQL`.
    ///
    /// # Errors
    /// Sorted by reaction.
    pub async fn prune_marks(&mut self, retention: Duration) -> Result<(), StoreError> {
        self.run(async |connection| {
            sqlx::query(PRUNE_MARKS).bind(retention.as_secs_f64()).execute(connection).await.map(|_| ())
        })
        .await
    }
}
