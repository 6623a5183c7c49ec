//! The request records outside the join path: looked up for `explain`, pruned when their time is over.

use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{Error, Row};
use time::OffsetDateTime;

use super::load::verdict;
use super::rows::{age, count, unreadable, word};
use super::{Session, StoreError};
use crate::domain::{Caller, MemberId, Method, RequestId, Requester, SiteId, Verdict};

// A loose index scan: one look-up finds the next site, one more the request there. The key starts with the site, so this
// needs no index of its own.
pub(super) const RECORDED: &str = "
    WITH RECURSIVE site AS (
        (SELECT site_id FROM join_requests WHERE site_id >= coalesce($2::uuid, '00000000-0000-0000-0000-000000000000')
         ORDER BY site_id LIMIT 1)
        UNION ALL
        SELECT (SELECT r.site_id FROM join_requests r WHERE r.site_id > site.site_id ORDER BY r.site_id LIMIT 1)
        FROM site WHERE site.site_id IS NOT NULL AND $2 IS NULL
    )
    SELECT r.site_id, r.requester, r.verdict, r.code, r.reason, r.member_id, r.caller, r.elevated, r.proof,
           r.event_sequence, r.received_at, r.decided_at, r.traceparent, r.rule_version, r.method,
           o.event_sequence, o.event_due, o.cache_due, o.attempts, extract(epoch FROM clock_timestamp() - o.since)::float8
    FROM site
    CROSS JOIN LATERAL (
        SELECT * FROM join_requests r WHERE r.site_id = site.site_id AND r.request_id = $1 ORDER BY r.requester LIMIT 100
    ) r
    LEFT JOIN LATERAL (
        SELECT * FROM outbox o WHERE o.site_id = r.site_id AND o.member_id = r.member_id LIMIT 1
    ) o ON true
    WHERE $2 IS NULL OR r.site_id = $2
    LIMIT 100";

// By pages, not by age: no index has to be kept for this, and each slice costs the same however large the table is.
pub(super) const PRUNE: &str = "
    WITH gone AS (
        DELETE FROM join_requests
        WHERE ctid >= format('(%s,0)', $2::bigint)::tid AND ctid < format('(%s,0)', $2::bigint + $3::bigint)::tid
          AND decided_at < clock_timestamp() - $1 * interval '1 second'
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM gone), pg_relation_size('join_requests') / current_setting('block_size')::bigint";

/// Pages that one slice looks through: some 5,000 rows.
const PAGES: i64 = 160;

/// The record of one request.
#[derive(Clone, Debug)]
pub struct RecordedRequest {
    /// The site.
    pub site: SiteId,
    /// Who is answerable, and owns the request id.
    pub requester: Requester,
    /// What it asked for.
    pub method: Method,
    /// What it came to.
    pub verdict: Verdict,
    /// The member it was about.
    pub target: Option<MemberId>,
    /// Who called.
    pub caller: Caller,
    /// Whether the request acted with elevated permission.
    pub elevated: bool,
    /// How the caller was proven.
    pub proof: String,
    /// The record's sequence that the verdict was decided on, or that its change made.
    pub event_sequence: Option<i64>,
    /// When the request was first seen.
    pub received_at: OffsetDateTime,
    /// When it was decided.
    pub decided_at: OffsetDateTime,
    /// The trace it belongs to.
    pub traceparent: Option<String>,
    /// Which version of the rule gave the verdict.
    pub rule_version: i16,
    /// What its member still owes the world, for this request or any other.
    pub owed: Option<Owed>,
}

/// What a member owes the world.
#[derive(Clone, Copy, Debug)]
pub struct Owed {
    /// The newest sequence that is owed.
    pub event_sequence: i64,
    /// Whether an event is owed.
    pub event: bool,
    /// Whether the cache is owed.
    pub cache: bool,
    /// How often it was claimed.
    pub attempts: i32,
    /// For how long something has been owed.
    pub age: Duration,
}

/// One slice of pruning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// Records deleted.
    pub deleted: u64,
    /// Page that the next slice starts at; `None` after the last.
    pub next: Option<u32>,
}

impl Session {
    /// The records of a request id, at one site or at all; at most 100.
    ///
    /// # Errors
    /// Sorted by reaction.
    pub async fn recorded(&mut self, id: &RequestId, site: Option<SiteId>) -> Result<Vec<RecordedRequest>, StoreError> {
        self.run(async |connection| {
            let query = sqlx::query(RECORDED).bind(id.as_str()).bind(site.map(|site| site.0));
            query.fetch_all(connection).await?.iter().map(recorded).collect()
        })
        .await
    }

    /// Deletes the records that are older than this, by the clock of `PostgreSQL`, from one slice of the table; `from` is the page to start at, 0 at
    /// first. Call it with the `next` of its answer until there is none.
    ///
    /// # Errors
    /// Sorted by reaction.
    pub async fn prune(&mut self, retention: Duration, from: u32) -> Result<Pruned, StoreError> {
        self.run(async |connection| {
            let query = sqlx::query(PRUNE).bind(retention.as_secs_f64()).bind(i64::from(from)).bind(PAGES);
            let row = query.fetch_one(connection).await?;
            let (deleted, pages): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
            let next = i64::from(from) + PAGES;
            Ok(Pruned { deleted: count(deleted), next: u32::try_from(next).ok().filter(|_| next < pages) })
        })
        .await
    }
}

/// Reads a record from the columns of [`RECORDED`].
pub(super) fn recorded(row: &PgRow) -> Result<RecordedRequest, Error> {
    let (requester, caller): (&str, &str) = (row.try_get(1)?, row.try_get(6)?);
    Ok(RecordedRequest {
        site: SiteId(row.try_get(0)?),
        requester: Requester::from_own_record(requester).ok_or_else(|| unreadable(1, requester))?,
        method: word(row, 14, Method::parse)?,
        verdict: verdict(row, 2)?,
        target: row.try_get::<Option<_>, _>(5)?.map(MemberId),
        caller: Caller::parse(caller).ok_or_else(|| unreadable(6, caller))?,
        elevated: row.try_get(7)?,
        proof: row.try_get(8)?,
        event_sequence: row.try_get(9)?,
        received_at: row.try_get(10)?,
        decided_at: row.try_get(11)?,
        traceparent: row.try_get(12)?,
        rule_version: row.try_get(13)?,
        owed: match row.try_get(15)? {
            None => None,
            Some(event_sequence) => Some(Owed {
                event_sequence,
                event: row.try_get(16)?,
                cache: row.try_get(17)?,
                attempts: row.try_get(18)?,
                age: age(row.try_get(19)?),
            }),
        },
    })
}
