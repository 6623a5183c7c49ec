//! The request records looked through: newest ids first, within one site. Apart from looking one up, because a search has
//! to end somewhere, and says where.
//!
//! Only the key serves: an index on member, verdict or time would cost every commit. So a search walks the newest part of
//! a site's records, at most [`EXAMINED`] of them, and goes on from there when it is asked again.

use sqlx::postgres::PgRow;
use sqlx::{Error, Row};
use time::OffsetDateTime;

use super::requests::{RecordedRequest, recorded};
use super::rows::unreadable;
use super::{Session, StoreError};
use crate::domain::{MemberId, RequestId, SiteId};

/// Records that one search looks through at most: 4 to 10 ms where they lie in memory, in the order of their ids.
pub const EXAMINED: i64 = 20_000;

macro_rules! search {
    ($from:literal) => {
        concat!(
            "SELECT r.site_id, r.requester, r.verdict, r.code, r.reason, r.member_id, r.caller, r.elevated, r.proof,
                    r.event_sequence, r.received_at, r.decided_at, r.traceparent, r.rule_version, r.method,
                    NULL::bigint, NULL::boolean, NULL::boolean, NULL::integer, NULL::float8, r.request_id
             FROM (
                 SELECT * FROM join_requests r WHERE r.site_id = $1",
            $from,
            " ORDER BY r.site_id DESC, r.request_id DESC, r.requester DESC LIMIT $2
             ) r
             WHERE ($3::uuid IS NULL OR r.member_id = $3)
               AND ($4::text IS NULL OR r.verdict = $4 OR r.code = $4 OR r.reason = $4)
               AND ($5::timestamptz IS NULL OR r.decided_at >= $5)
               AND ($6::timestamptz IS NULL OR r.decided_at < $6)
             ORDER BY r.request_id DESC, r.requester DESC LIMIT $7"
        )
    };
}

macro_rules! edge {
    ($from:literal) => {
        concat!(
            "SELECT r.request_id, r.requester FROM join_requests r WHERE r.site_id = $1",
            $from,
            " ORDER BY r.site_id DESC, r.request_id DESC, r.requester DESC OFFSET $2 - 1 LIMIT 1"
        )
    };
}

pub(super) const NEWEST: &str = search!("");
pub(super) const OLDER: &str = search!(" AND (r.site_id, r.request_id, r.requester) < ($1, $8::text, $9::text)");
pub(super) const NEWEST_EDGE: &str = edge!("");
pub(super) const OLDER_EDGE: &str = edge!(" AND (r.site_id, r.request_id, r.requester) < ($1, $3::text, $4::text)");

/// What is looked for.
#[derive(Clone, Debug)]
pub struct Search {
    /// At this site.
    pub site: SiteId,
    /// About this member.
    pub member: Option<MemberId>,
    /// With this verdict, code or reason.
    pub verdict: Option<String>,
    /// Decided no sooner.
    pub since: Option<OffsetDateTime>,
    /// Decided sooner.
    pub until: Option<OffsetDateTime>,
    /// Below this key: where the last search ended.
    pub below: Option<Edge>,
    /// Most records that are answered.
    pub limit: u32,
}

/// Where a search ended: a request id, and its requester.
pub type Edge = (String, String);

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The records, with their request ids, newest ids first.
    pub records: Vec<(RequestId, RecordedRequest)>,
    /// Where to go on; `None` if there is no more.
    pub edge: Option<Edge>,
}

impl Found {
    /// So many of its records at most; going on finds what is left out.
    #[must_use]
    pub fn cut(mut self, most: usize) -> Self {
        if self.records.len() > most {
            self.records.truncate(most);
            self.edge = last(&self.records);
        }
        self
    }
}

impl Session {
    /// Looks through one part of a site's records.
    ///
    /// # Errors
    /// Sorted by reaction.
    pub async fn search(&mut self, search: &Search) -> Result<Found, StoreError> {
        self.run(async |connection| {
            let statement = if search.below.is_some() { OLDER } else { NEWEST };
            let mut query = sqlx::query(statement)
                .bind(search.site.0)
                .bind(EXAMINED)
                .bind(search.member.map(|member| member.0))
                .bind(search.verdict.as_deref())
                .bind(search.since)
                .bind(search.until)
                .bind(i64::from(search.limit));
            if let Some((id, requester)) = &search.below {
                query = query.bind(id).bind(requester);
            }
            let rows = query.fetch_all(&mut *connection).await?;
            let records = rows.iter().map(found).collect::<Result<Vec<_>, Error>>()?;
            if records.len() >= usize::try_from(search.limit).unwrap_or(usize::MAX) {
                return Ok(Found { edge: last(&records), records });
            }
            let statement = if search.below.is_some() { OLDER_EDGE } else { NEWEST_EDGE };
            let mut query = sqlx::query_as(statement).bind(search.site.0).bind(EXAMINED);
            if let Some((id, requester)) = &search.below {
                query = query.bind(id).bind(requester);
            }
            Ok(Found { records, edge: query.fetch_optional(connection).await? })
        })
        .await
    }
}

fn last(records: &[(RequestId, RecordedRequest)]) -> Option<Edge> {
    records.last().map(|(id, record)| (id.to_string(), record.requester.as_str().to_owned()))
}

fn found(row: &PgRow) -> Result<(RequestId, RecordedRequest), Error> {
    let id: &str = row.try_get(20)?;
    Ok((RequestId::parse(id).ok_or_else(|| unreadable(20, id))?, recorded(row)?))
}
