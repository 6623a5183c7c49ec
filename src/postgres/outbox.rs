//! What is owed: claimed by lease, forgotten when both debts are paid. What was paid when is recorded in the same breath
//! (`announcements`).

use std::time::Duration;

use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::{Error, Postgres, Row};
use time::OffsetDateTime;
use tracing::warn;
use uuid::Uuid;

use super::rows::{age, count, member, member_columns, unreadable};
use super::{Owed, Session, StoreError};
use crate::ceiling;
use crate::domain::{Caller, Change, MemberId, Origin, RequestId, SiteId};

/// One of the two debts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The event.
    Event,
    /// The cache entry or tombstone.
    Cache,
}

/// How far the debts of one change are paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Paid {
    /// The member's site.
    pub site: SiteId,
    /// The member.
    pub member_id: MemberId,
    /// The sequence that was announced.
    pub event_sequence: i64,
    /// The event is confirmed, or none was due.
    pub event: bool,
    /// The cache has it, or nothing was due.
    pub cache: bool,
    /// When the event was confirmed, by our clock; `None` if none was.
    pub confirmed_at: Option<OffsetDateTime>,
    /// When the cache took it, likewise.
    pub cached_at: Option<OffsetDateTime>,
}

/// What is owed to the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxDepth {
    /// Members with a debt.
    pub rows: u64,
    /// For how long the oldest has been owed.
    pub oldest: Option<Duration>,
}

/// A member's debt that was claimed.
pub type Claim = Change;

/// Claims by lease: `SKIP LOCKED`, so that sweeps never wait for each other; never by `id > last`, so that a row that
/// commits late is not passed over. The pause between two tries grows, so that what cannot be paid stands in nobody's way.
/// A debt that lags behind its member (a rejection that was decided just before a change) is brought up to it.
macro_rules! claim {
    ($due:literal) => {
        concat!(
            "WITH due AS MATERIALIZED (
                 SELECT site_id, member_id FROM outbox WHERE ", $due, " AND lease_until < statement_timestamp()
                 ORDER BY lease_until LIMIT $1 FOR UPDATE SKIP LOCKED
             ), claimed AS (
                 UPDATE outbox o
                 SET attempts = o.attempts + 1,
                     event_sequence = greatest(o.event_sequence, (
                         SELECT m.event_sequence FROM members m WHERE m.site_id = o.site_id AND m.id = o.member_id
                     )),
                     lease_until = clock_timestamp() + $2 * interval '1 second' * power(2, least(o.attempts, 6))
                 FROM due d WHERE o.site_id = ANY (ARRAY[d.site_id]) AND o.member_id = d.member_id
                 RETURNING o.*
             )
             SELECT o.site_id, o.member_id, o.event_sequence, o.event_due, o.cache_due, o.origin, o.caller, o.request_id,
                    o.traceparent, ",
            member_columns!(),
            " FROM claimed o LEFT JOIN LATERAL (
                 SELECT * FROM members m WHERE m.site_id = o.site_id AND m.id = o.member_id LIMIT 1
             ) m ON true"
        )
    };
}

pub(super) const CLAIM_EVENTS: &str = claim!("event_due");
pub(super) const CLAIM_CACHE: &str = claim!("cache_due");

// SKIP LOCKED: whoever holds the row is raising its sequence, so it is not ours to forget any more; and nobody waits.
macro_rules! forget {
    ($recording:literal) => {
        concat!(
            $recording,
            "
    DELETE FROM outbox o USING (
        SELECT o.site_id, o.member_id
        FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::boolean[], $5::boolean[])
            AS p (site_id, member_id, event_sequence, event, cache)
        CROSS JOIN LATERAL (
            SELECT o.site_id, o.member_id FROM outbox o
            WHERE o.site_id = p.site_id AND o.member_id = p.member_id AND o.event_sequence = p.event_sequence
              AND (p.event OR NOT o.event_due) AND (p.cache OR NOT o.cache_due)
            LIMIT 1 FOR UPDATE SKIP LOCKED
        ) o
    ) paid
    WHERE o.site_id = ANY (ARRAY[paid.site_id]) AND o.member_id = paid.member_id"
        )
    };
}

pub(super) const FORGET: &str = forget!("");

// One statement: it costs no round trip of its own, and what is forgotten is on record. What was announced is recorded as it
// was, whatever the row says by now.
pub(super) const RECORD_AND_FORGET: &str = forget!(
    "WITH recorded AS (
        INSERT INTO announcements (site_ids, member_ids, event_sequences, confirmed_at, cached_at)
        VALUES ($1::uuid[], $2::uuid[], $3::bigint[], $6::timestamptz[], $7::timestamptz[])
    )"
);

pub(super) const CLEAR: &str = "
    UPDATE outbox o SET event_due = o.event_due AND NOT paid.event, cache_due = o.cache_due AND NOT paid.cache
    FROM (
        SELECT o.site_id, o.member_id, p.event, p.cache
        FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::boolean[], $5::boolean[])
            AS p (site_id, member_id, event_sequence, event, cache)
        CROSS JOIN LATERAL (
            SELECT o.site_id, o.member_id FROM outbox o
            WHERE o.site_id = p.site_id AND o.member_id = p.member_id AND o.event_sequence = p.event_sequence
            LIMIT 1 FOR UPDATE SKIP LOCKED
        ) o
    ) paid
    WHERE o.site_id = ANY (ARRAY[paid.site_id]) AND o.member_id = paid.member_id";

pub(super) const RELEASE: &str = "
    UPDATE outbox o SET lease_until = '-infinity'
    FROM (
        SELECT o.site_id, o.member_id
        FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS p (site_id, member_id, event_sequence)
        CROSS JOIN LATERAL (
            SELECT o.site_id, o.member_id FROM outbox o
            WHERE o.site_id = p.site_id AND o.member_id = p.member_id AND o.event_sequence = p.event_sequence
            LIMIT 1 FOR UPDATE SKIP LOCKED
        ) o
    ) held
    WHERE o.site_id = ANY (ARRAY[held.site_id]) AND o.member_id = held.member_id";

pub(super) const DEPTH: &str =
    "SELECT count(*), extract(epoch FROM clock_timestamp() - min(since))::float8 FROM outbox";

pub(super) const DEBT: &str = "
    SELECT event_sequence, event_due, cache_due, attempts, extract(epoch FROM clock_timestamp() - since)::float8
    FROM outbox WHERE site_id = $1 AND member_id = $2";

impl Session {
    /// What one member owes the world; `None` if nothing.
    ///
    /// # Errors
    /// Sorted by reaction.
    pub async fn debt(&mut self, site: SiteId, member: MemberId) -> Result<Option<Owed>, StoreError> {
        self.run(async |connection| {
            let row = sqlx::query(DEBT).bind(site.0).bind(member.0).fetch_optional(connection).await?;
            let read = |row: PgRow| -> Result<Owed, Error> {
                Ok(Owed {
                    event_sequence: row.try_get(0)?,
                    event: row.try_get(1)?,
                    cache: row.try_get(2)?,
                    attempts: row.try_get(3)?,
                    age: age(row.try_get(4)?),
                })
            };
            row.map(read).transpose()
        })
        .await
    }

    /// Claims up to `limit` debts of one side whose lease is over, oldest lease first.
    ///
    /// # Errors
    /// Sorted by reaction.
    pub async fn claim(&mut self, side: Side, limit: usize, lease: Duration) -> Result<Vec<Claim>, StoreError> {
        let statement = match side {
            Side::Event => CLAIM_EVENTS,
            Side::Cache => CLAIM_CACHE,
        };
        self.run(async |connection| {
            let rows = sqlx::query(statement)
                .bind(i64::try_from(limit).unwrap_or(i64::MAX))
                .bind(lease.as_secs_f64())
                .fetch_all(connection)
                .await?;
            // What cannot be read is left to its lease; it must not keep the others from being announced.
            Ok(rows
                .iter()
                .filter_map(|row| change(row).inspect_err(|error| warn!(%error, "a debt cannot be read")).ok())
                .collect())
        })
        .await
    }

    /// Records what is paid, and deletes what is paid in full; of the rest, clears the debt that is paid.
    ///
    /// # Errors
    /// Sorted by reaction. Nothing is lost by a failure: what is not forgotten is announced again.
    pub async fn forget(&mut self, paid: &[Paid]) -> Result<(), StoreError> {
        if ceiling::is_on() {
            return Ok(());
        }
        self.run(async |connection| {
            let query = about(RECORD_AND_FORGET, paid)
                .bind(paid.iter().map(|paid| paid.confirmed_at).collect::<Vec<_>>())
                .bind(paid.iter().map(|paid| paid.cached_at).collect::<Vec<_>>());
            query.execute(connection).await
        })
        .await?;
        let halves: Vec<Paid> = paid.iter().copied().filter(|paid| paid.event != paid.cache).collect();
        if halves.is_empty() {
            return Ok(());
        }
        self.mark(CLEAR, &halves).await?;
        // Another worker may have cleared the other half meanwhile: then nothing is owed any more.
        self.mark(FORGET, &halves).await
    }

    /// Gives leases back, so that the next sweep, here or elsewhere, need not wait for them.
    ///
    /// # Errors
    /// Sorted by reaction.
    pub async fn release(&mut self, unpaid: &[Paid]) -> Result<(), StoreError> {
        self.run(async |connection| {
            sqlx::query(RELEASE)
                .bind(unpaid.iter().map(|paid| paid.site.0).collect::<Vec<_>>())
                .bind(unpaid.iter().map(|paid| paid.member_id.0).collect::<Vec<_>>())
                .bind(unpaid.iter().map(|paid| paid.event_sequence).collect::<Vec<_>>())
                .execute(connection)
                .await
        })
        .await?;
        Ok(())
    }

    /// How many members are owed to the world, and since when. Reads the whole outbox: not for every second.
    ///
    /// # Errors
    /// Sorted by reaction.
    pub async fn outbox_depth(&mut self) -> Result<OutboxDepth, StoreError> {
        self.run(async |connection| {
            let row = sqlx::query(DEPTH).fetch_one(connection).await?;
            Ok(OutboxDepth { rows: count(row.try_get(0)?), oldest: row.try_get::<Option<f64>, _>(1)?.map(age) })
        })
        .await
    }

    async fn mark(&mut self, statement: &'static str, paid: &[Paid]) -> Result<(), StoreError> {
        self.run(async |connection| about(statement, paid).execute(connection).await).await?;
        Ok(())
    }
}

/// A statement about what is paid: its first five parameters.
fn about(statement: &'static str, paid: &[Paid]) -> Query<'static, Postgres, PgArguments> {
    sqlx::query(statement)
        .bind(paid.iter().map(|paid| paid.site.0).collect::<Vec<_>>())
        .bind(paid.iter().map(|paid| paid.member_id.0).collect::<Vec<_>>())
        .bind(paid.iter().map(|paid| paid.event_sequence).collect::<Vec<_>>())
        .bind(paid.iter().map(|paid| paid.event).collect::<Vec<_>>())
        .bind(paid.iter().map(|paid| paid.cache).collect::<Vec<_>>())
}

fn change(row: &PgRow) -> Result<Change, Error> {
    let caller = row.try_get::<Option<&str>, _>(6)?;
    let request_id = row.try_get::<Option<&str>, _>(7)?;
    Ok(Change {
        site: SiteId(row.try_get::<Uuid, _>(0)?),
        member_id: MemberId(row.try_get::<Uuid, _>(1)?),
        event_sequence: row.try_get(2)?,
        event_due: row.try_get(3)?,
        cache_due: row.try_get(4)?,
        // A newer worker may know words that this one does not: what is owed is owed all the same.
        origin: Origin::parse(row.try_get(5)?).unwrap_or(Origin::Unrecorded),
        caller: caller.map(|text| Caller::parse(text).ok_or_else(|| unreadable(6, text))).transpose()?,
        request_id: request_id.map(|text| RequestId::parse(text).ok_or_else(|| unreadable(7, text))).transpose()?,
        traceparent: row.try_get::<Option<&str>, _>(8)?.map(Into::into),
        member: member(row, 9)?,
    })
}
