//! The marks of suspects: what is left of a try during which the process died.

use time::OffsetDateTime;
use uuid::Uuid;

use super::rows::count;
use super::{Session, StoreError};

// The second half does not see the first: both look at what stood before.
pub(super) const MARK: &str = "
    WITH mark AS (INSERT INTO suspects (fingerprint, process) VALUES ($1, $2) ON CONFLICT DO NOTHING)
    SELECT count(*) FROM suspects WHERE fingerprint = $1 AND process <> $2";
pub(super) const UNMARK: &str = "DELETE FROM suspects WHERE fingerprint = $1";
pub(super) const UNMARK_PROCESS: &str = "DELETE FROM suspects WHERE process = $1";
pub(super) const PRUNE_MARKS: &str = "DELETE FROM suspects WHERE marked_at < $1";

/// What a delivery is known by, whatever it says.
pub type Fingerprint = [u8; 32];

impl Session {
    /// Marks a suspect as being tried by a process. Answers how many others died while they tried it.
    ///
    /// # Errors
    /// Sorted by reaction.
    pub async fn mark_suspect(&mut self, suspect: &Fingerprint, process: Uuid) -> Result<u64, StoreError> {
        self.run(async |connection| {
            let marks = sqlx::query_scalar(MARK).bind(suspect.as_slice()).bind(process).fetch_one(connection).await?;
            Ok(count(marks))
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

    /// Deletes marks that were made before a time.
    ///
    /// # Errors
    /// Sorted by reaction.
    pub async fn prune_marks(&mut self, older_than: OffsetDateTime) -> Result<(), StoreError> {
        self.run(async |connection| sqlx::query(PRUNE_MARKS).bind(older_than).execute(connection).await.map(|_| ()))
            .await
    }
}
