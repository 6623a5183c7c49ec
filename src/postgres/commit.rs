//! *Commit*: one statement records the verdicts, changes the members and notes what is owed.

use std::time::Duration;

use sqlx::Row;
use sqlx::postgres::{PgConnection, PgRow};
use time::OffsetDateTime;

use super::{Session, StoreError};
use crate::ceiling;
use crate::domain::{Proof, RULE_VERSION, Request, Verdict};

pub(super) const COMMIT: &str = include_str!("sql/commit.sql");

/// A verdict to be recorded, with the change that hangs on it.
#[derive(Clone, Copy, Debug)]
pub struct Ruling<'a> {
    /// The request.
    pub request: &'a Request,
    /// What it came to.
    pub verdict: Verdict,
    /// The record's sequence: after the change if the verdict makes one, as it stands for every other verdict.
    pub event_sequence: Option<i64>,
}

impl Session {
    /// Records the rulings and makes the changes they stand for, each as a whole or not at all. Answers which of them
    /// stand recorded now *because of this call*; the others were overtaken, and must go through load again.
    ///
    /// At most one ruling for each member and each request key.
    ///
    /// # Errors
    /// Sorted by reaction. After [`StoreError::Silent`] or [`StoreError::Outage`] the outcome is unknown.
    pub async fn commit(
        &mut self,
        rulings: &[Ruling<'_>],
        decided_at: OffsetDateTime,
        lease: Duration,
    ) -> Result<Vec<bool>, StoreError> {
        if ceiling::is_on() {
            return Ok(vec![true; rulings.len()]);
        }
        let recorded = self.run(async |connection| commit(connection, rulings, decided_at, lease).await).await?;
        let mut keys = std::collections::HashSet::with_capacity(recorded.len());
        for row in &recorded {
            keys.insert((row.try_get::<uuid::Uuid, _>(0)?, row.try_get::<&str, _>(1)?, row.try_get::<&str, _>(2)?));
        }
        Ok(rulings
            .iter()
            .map(|Ruling { request, .. }| {
                keys.contains(&(request.site.0, request.id.as_str(), request.requester.as_str()))
            })
            .collect())
    }
}

/// Runs the statement. Answers with the keys that stand recorded because of it.
pub(super) async fn commit(
    connection: &mut PgConnection,
    rulings: &[Ruling<'_>],
    decided_at: OffsetDateTime,
    lease: Duration,
) -> Result<Vec<PgRow>, sqlx::Error> {
    let column = Columns(rulings);
    sqlx::query(COMMIT)
        .bind(column.of(|ruling| ruling.request.site.0))
        .bind(column.of(|ruling| ruling.request.id.as_str()))
        .bind(column.of(|ruling| ruling.request.requester.as_str()))
        .bind(column.of(|ruling| ruling.request.digest.as_slice()))
        .bind(column.of(|ruling| ruling.request.target.map(|member| member.0)))
        .bind(column.of(|ruling| ruling.request.caller.to_string()))
        .bind(column.of(|ruling| ruling.request.is_elevated()))
        .bind(column.of(|ruling| proof(ruling.request.proof)))
        .bind(column.of(|ruling| ruling.verdict.as_str()))
        .bind(column.of(|ruling| ruling.verdict.code()))
        .bind(column.of(|ruling| ruling.verdict.reason()))
        .bind(column.of(|ruling| ruling.event_sequence))
        .bind(column.of(|ruling| ruling.request.received_at))
        .bind(column.of(|ruling| ruling.request.traceparent.as_deref()))
        .bind(decided_at)
        .bind(lease.as_secs_f64())
        .bind(RULE_VERSION)
        .bind(column.of(|ruling| ruling.request.method.as_str()))
        .fetch_all(connection)
        .await
}

/// The rulings by column, as arrays are bound.
struct Columns<'a, 'b>(&'a [Ruling<'b>]);

impl<'a, 'b> Columns<'a, 'b> {
    fn of<T>(&self, value: impl Fn(&'a Ruling<'b>) -> T) -> Vec<T> {
        self.0.iter().map(value).collect()
    }
}

/// How the caller was proven, as `explain` tells it.
fn proof(proof: Proof) -> &'static str {
    match proof {
        Proof::Token { expired: true, .. } => "token:expired",
        Proof::Token { permission: true, expired: false } => "token:permission",
        Proof::Token { permission: false, expired: false } => "token",
        Proof::Producer { vouches: false, .. } => "producer:beyond-its-list",
        Proof::Producer { may_elevate: true, vouches: true } => "producer:may-elevate",
        Proof::Producer { may_elevate: false, vouches: true } => "producer",
    }
}
