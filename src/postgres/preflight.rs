//! Asks the server what it is, for a person who wants to know whether it is the right one. Separate from
//! [`Session::probe`], which asks only whether it serves now.

use std::time::Duration;

use sqlx::Row as _;
use time::OffsetDateTime;

use super::migrate::{MigrationError, pending};
use super::{Role, Session, StoreError};
use crate::config;

/// What a server tells of itself.
#[derive(Debug)]
pub struct ServerFacts {
    /// Its version as a number, 150018 for 15.18.
    pub version: i32,
    /// Its version in words.
    pub version_text: String,
    /// Whether it takes no writes.
    pub read_only: bool,
    /// The settings that decide whether what it has confirmed survives, with their values.
    pub durability: Vec<(&'static str, String)>,
    /// How far its clock is from ours.
    pub clock_apart: Duration,
    /// The migrations that are still to be applied.
    pub schema: Result<Vec<String>, MigrationError>,
}

/// Asks the server. Changes nothing.
///
/// # Errors
/// If it does not answer.
pub async fn preflight(config: &config::Database) -> Result<ServerFacts, StoreError> {
    let mut session = Session::new(config, Role::Tool)?;
    // Connecting takes its time, which must not count as a difference of the clocks.
    session.run(async |connection| sqlx::query("SELECT 1").execute(connection).await).await?;
    session
        .run(async |connection| {
            let before = OffsetDateTime::now_utc();
            let row = sqlx::query(FACTS).fetch_one(&mut *connection).await?;
            let after = OffsetDateTime::now_utc();
            let theirs: OffsetDateTime = row.try_get("clock")?;
            Ok(ServerFacts {
                version: row.try_get("version")?,
                version_text: row.try_get("version_text")?,
                read_only: row.try_get("read_only")?,
                durability: vec![
                    ("fsync", row.try_get("fsync")?),
                    ("full_page_writes", row.try_get("full_page_writes")?),
                    ("synchronous_commit", row.try_get("synchronous_commit")?),
                ],
                clock_apart: apart(before, theirs, after),
                schema: pending(connection).await.map(|steps| steps.into_iter().map(|step| step.description).collect()),
            })
        })
        .await
}

impl Session {
    /// Asks how far the server's clock is from ours.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn clock_apart(&mut self) -> Result<Duration, StoreError> {
        // Connecting takes its time, which must not count as a difference of the clocks.
        self.run(async |connection| sqlx::query("SELECT 1").execute(connection).await).await?;
        self.run(async |connection| {
            let before = OffsetDateTime::now_utc();
            let theirs = sqlx::query_scalar(CLOCK).fetch_one(connection).await?;
            Ok(apart(before, theirs, OffsetDateTime::now_utc()))
        })
        .await
    }
}

pub(super) const CLOCK: &str = "SELECT clock_timestamp()";

/// Between asking and hearing, any time is possible.
fn apart(before: OffsetDateTime, theirs: OffsetDateTime, after: OffsetDateTime) -> Duration {
    if theirs < before {
        (before - theirs).unsigned_abs()
    } else if theirs > after {
        (theirs - after).unsigned_abs()
    } else {
        Duration::ZERO
    }
}

pub(super) const FACTS: &str = "SELECT clock_timestamp() AS clock, \
     current_setting('server_version_num')::integer AS version, current_setting('server_version') AS version_text, \
     current_setting('transaction_read_only')::boolean AS read_only, current_setting('fsync') AS fsync, \
     current_setting('full_page_writes') AS full_page_writes, current_setting('synchronous_commit') AS synchronous_commit";

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use time::macros::datetime;

    use super::apart;

    #[test]
    fn the_time_that_an_answer_takes_is_no_difference_of_clocks() {
        let [before, after] = [datetime!(2026-11-24 10:00:00 UTC), datetime!(2026-11-24 10:00:03 UTC)];
        assert_eq!(apart(before, datetime!(2026-11-24 10:00:02 UTC), after), Duration::ZERO);
        assert_eq!(apart(before, datetime!(2026-11-24 09:59:58 UTC), after), Duration::from_secs(2));
        assert_eq!(apart(before, datetime!(2026-11-24 10:00:07 UTC), after), Duration::from_secs(4));
    }
}
