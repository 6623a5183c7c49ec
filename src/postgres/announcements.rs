//! When changes were announced: looked up for `explain` and timelines, pruned when their time is over. Apart from the outbox,
//! which records it while it forgets, and which the announcing half depends on.
//!
//! Only time leads to an announcement: one more index would cost every join. So a look-up walks what was announced around the
//! decision, and ends [`EACH`] rows after it.

use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{Error, Row};
use time::OffsetDateTime;

use super::requests::RecordedRequest;
use super::rows::count;
use super::{Session, StoreError};
use crate::domain::{MemberId, SiteId};

/// Announcements that are looked through for one change at most, before its decision as after it; each of up to 2,048 members.
const EACH: usize = 2_500;
/// The same for all changes of one look-up, which share it.
const TOGETHER: usize = 10_000;
/// Announcements that one statement deletes at most.
const SLICE: i64 = 1_000;

/// What was announced around a change's decision.
macro_rules! around {
    ($columns:literal) => {
        concat!("SELECT ", $columns, " FROM announcements WHERE at >= w.since AND at <= w.until ORDER BY at")
    };
}

/// The first of them that has this change, or a newer one, on one side. They come in the order of the index, so that nothing
/// is read beyond it.
macro_rules! first {
    ($done_at:literal) => {
        concat!(
            "SELECT p.done_at, p.event_sequence
             FROM (",
            around!("*"),
            ") a CROSS JOIN LATERAL (
                 SELECT p.done_at, p.event_sequence
                 FROM unnest(a.site_ids, a.member_ids, a.event_sequences, a.",
            $done_at,
            ") AS p (site_id, member_id, event_sequence, done_at)
                 WHERE p.site_id = c.site_id AND p.member_id = c.member_id AND p.event_sequence >= c.event_sequence
                   AND p.done_at IS NOT NULL
                 ORDER BY p.event_sequence LIMIT 1
             ) p
             WHERE c.member_id = ANY (a.member_ids)
             ORDER BY a.at LIMIT 1"
        )
    };
}

// Before the decision as well: whoever decided may have another clock than PostgreSQL, by `auth.leeway` and still be ready.
pub(super) const ANNOUNCED: &str = concat!(
    "SELECT e.done_at, e.event_sequence, k.done_at, k.event_sequence,
            CASE WHEN e.done_at IS NULL OR k.done_at IS NULL THEN (SELECT count(*) FROM (",
    around!("at"),
    ") a) END,
            e.done_at IS NULL AND k.done_at IS NULL
                AND coalesce(c.decided_at < (SELECT min(at) FROM announcements) - interval '30 seconds', false)
     FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::timestamptz[]) WITH ORDINALITY
         AS c (site_id, member_id, event_sequence, decided_at, n)
     CROSS JOIN LATERAL (SELECT
         greatest(c.decided_at - interval '30 seconds',
                  (SELECT at FROM announcements WHERE at < c.decided_at ORDER BY at DESC OFFSET $5 - 1 LIMIT 1)),
         coalesce((SELECT at FROM announcements WHERE at >= c.decided_at ORDER BY at OFFSET $5 - 1 LIMIT 1), 'infinity')
     ) AS w (since, until)
     LEFT JOIN LATERAL (",
    first!("confirmed_at"),
    ") e ON true
     LEFT JOIN LATERAL (",
    first!("cached_at"),
    ") k ON true
     ORDER BY c.n"
);

// Not by `ctid`, as the index has the order. `statement_timestamp`, for a clock that runs on can be looked up in no index.
pub(super) const PRUNE_ANNOUNCEMENTS: &str = "
    DELETE FROM announcements WHERE at <= (
        SELECT max(slice.at) FROM (
            SELECT at FROM announcements WHERE at < statement_timestamp() - $1 * interval '1 second'
            ORDER BY at LIMIT $2
        ) slice
    )";

/// A change that was decided, and is to be announced.
#[derive(Clone, Copy, Debug)]
pub struct DecidedChange {
    /// The member's site.
    pub site: SiteId,
    /// The member.
    pub member: MemberId,
    /// The sequence that it made.
    pub event_sequence: i64,
    /// When it was decided.
    pub decided_at: OffsetDateTime,
}

/// What is known of a change's announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announced {
    /// Its event.
    pub event: Option<Receipt>,
    /// Its cache entry, or tombstone.
    pub cache: Option<Receipt>,
    /// How many announcements were looked through, if one of the two was not found.
    pub among: Option<u64>,
    /// Whether neither was, and it was decided before anything that is on record was announced.
    pub is_older: bool,
}

/// What one side has to show for a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// When, by the clock of the worker that announced.
    pub at: OffsetDateTime,
    /// With which sequence: a higher one, if the change was folded into a newer one.
    pub event_sequence: i64,
}

impl RecordedRequest {
    /// The change that hangs on the verdict.
    #[must_use]
    pub fn change(&self) -> Option<DecidedChange> {
        self.verdict.leads_to()?;
        let (site, decided_at) = (self.site, self.decided_at);
        Some(DecidedChange { site, member: self.target?, event_sequence: self.event_sequence?, decided_at })
    }
}

impl Session {
    /// When these changes were announced, in their order.
    ///
    /// # Errors
    /// Sorted by reaction.
    pub async fn announced(&mut self, changes: &[DecidedChange]) -> Result<Vec<Announced>, StoreError> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        self.run(async |connection| {
            let query = sqlx::query(ANNOUNCED)
                .bind(changes.iter().map(|change| change.site.0).collect::<Vec<_>>())
                .bind(changes.iter().map(|change| change.member.0).collect::<Vec<_>>())
                .bind(changes.iter().map(|change| change.event_sequence).collect::<Vec<_>>())
                .bind(changes.iter().map(|change| change.decided_at).collect::<Vec<_>>())
                .bind(share(changes.len()));
            query.fetch_all(connection).await?.iter().map(announced).collect()
        })
        .await
    }

    /// Deletes announcements that are older than this, by the clock of `PostgreSQL`: the oldest slice of them. Answers whether
    /// there may be more.
    ///
    /// # Errors
    /// Sorted by reaction.
    pub async fn prune_announcements(&mut self, retention: Duration) -> Result<bool, StoreError> {
        self.run(async |connection| {
            let query = sqlx::query(PRUNE_ANNOUNCEMENTS).bind(retention.as_secs_f64()).bind(SLICE);
            Ok(query.execute(connection).await?.rows_affected() >= SLICE.unsigned_abs())
        })
        .await
    }
}

/// How many announcements are looked through for each of so many changes.
fn share(changes: usize) -> i64 {
    i64::try_from((TOGETHER / changes.max(1)).clamp(1, EACH)).unwrap_or(i64::MAX)
}

fn announced(row: &PgRow) -> Result<Announced, Error> {
    let receipt = |column: usize| -> Result<Option<Receipt>, Error> {
        match row.try_get(column)? {
            None => Ok(None),
            Some(at) => Ok(Some(Receipt { at, event_sequence: row.try_get(column + 1)? })),
        }
    };
    Ok(Announced {
        event: receipt(0)?,
        cache: receipt(2)?,
        among: row.try_get::<Option<i64>, _>(4)?.map(count),
        is_older: row.try_get(5)?,
    })
}

#[cfg(test)]
mod tests {
    use super::{EACH, TOGETHER, share};

    #[test]
    fn many_changes_share_what_one_look_up_may_cost() {
        let most = |rows: usize| i64::try_from(rows).unwrap();
        assert_eq!((share(1), share(4), share(100)), (most(EACH), most(EACH), 100));
        for changes in 1..=1_000 {
            assert!(share(changes) * most(changes) <= most(TOGETHER) && share(changes) > 0, "{changes} changes");
        }
        assert_eq!(share(usize::MAX), 1);
    }
}
