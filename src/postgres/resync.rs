//! The records as `events resync` reads them: page by page, each with what caused its newest change, as far as that is still
//! recorded. Apart, because no path of a request or a change goes through here.

use sqlx::postgres::PgRow;
use sqlx::{Error, Row};
use time::OffsetDateTime;
use tracing::{debug, warn};
use uuid::Uuid;

use super::rows::{count, member, member_columns, unreadable, word};
use super::{Place, Session, StoreError};
use crate::domain::{Caller, Change, MemberId, Method, Origin, RequestId, SiteId};

/// One snapshot holds the record and its debt. A debt of the cache alone does not say what caused the change; asked for in
/// the condition, it would have the debt looked up in the index of all that are due.
pub(super) const RESYNC_PAGE: &str = concat!(
    "SELECT k.id, CASE WHEN o.event_due THEN o.origin END, o.caller, o.request_id, o.traceparent, ",
    member_columns!(),
    " FROM (SELECT site_id, id FROM members WHERE site_id = $1 AND id >= $2 ORDER BY id LIMIT $3) k
     LEFT JOIN LATERAL (
         SELECT * FROM members m
         WHERE m.site_id = k.site_id AND m.id = k.id AND m.event_sequence > 0 AND m.deleted_date IS NULL
           AND ($4::timestamptz IS NULL OR m.updated_date >= $4)
         LIMIT 1
     ) m ON true
     LEFT JOIN LATERAL (
         SELECT * FROM outbox o
         WHERE o.site_id = k.site_id AND o.member_id = k.id AND o.event_sequence = m.event_sequence LIMIT 1
     ) o ON true"
);

// By the key of the requests, since no index leads from a member to what changed it: one would cost every request.
pub(super) const CAUSES: &str = "
    WITH slice AS MATERIALIZED (
        SELECT request_id, requester, verdict, member_id, event_sequence, caller, traceparent, method FROM join_requests
        WHERE site_id = $1 AND (request_id, requester) > ($2, $3)
        ORDER BY request_id, requester LIMIT $4
    )
    SELECT request_id, requester,
           CASE WHEN verdict IN ('joined', 'left') AND member_id >= $5 AND ($6::uuid IS NULL OR member_id < $6) THEN member_id END,
           event_sequence, caller, traceparent, method
    FROM slice ORDER BY request_id, requester";

pub(super) const COUNT_MEMBERS: &str =
    "SELECT count(*) FROM members WHERE (site_id, id) >= ($1::uuid, $2::uuid) AND site_id <= $3::uuid";

/// Requests that one statement looks through: some milliseconds.
const SLICE: i64 = 2_000;

/// What caused a change that a request made.
#[derive(Clone, Debug)]
pub struct Cause {
    /// What it asked for.
    pub method: Method,
    /// Who called.
    pub caller: Caller,
    /// The request.
    pub request_id: RequestId,
    /// The trace that it belongs to.
    pub traceparent: Option<Box<str>>,
}

/// Some members of a site, in the order of their ids.
#[derive(Clone, Debug, Default)]
pub struct ResyncPage {
    /// How many were looked at.
    pub members: u64,
    /// The newest change of each that has one and was not deleted. [`Origin::Unrecorded`] where nothing is owed for it.
    pub changes: Vec<Change>,
    /// Those whose record this version cannot read.
    pub unreadable: u64,
    /// Where the next page starts; `None` after the last.
    pub next: Option<MemberId>,
}

/// A place among the requests of a site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestPlace {
    request_id: String,
    requester: String,
}

/// The requests that changed their member, found in one slice of all.
#[derive(Clone, Debug, Default)]
pub struct Causes {
    /// Each with its member, and the sequence that it made.
    pub found: Vec<(MemberId, i64, Cause)>,
    /// Where the next slice starts; `None` after the last.
    pub next: Option<RequestPlace>,
}

impl Session {
    /// Members of a site from one id on, with what was last announced of each; of those only that changed `since`.
    ///
    /// # Errors
    /// Sorted by reaction.
    pub async fn resync_page(
        &mut self,
        site: SiteId,
        from: MemberId,
        since: Option<OffsetDateTime>,
        limit: usize,
    ) -> Result<ResyncPage, StoreError> {
        self.run(async |connection| {
            let limit_bound = i64::try_from(limit).unwrap_or(i64::MAX);
            let query = sqlx::query(RESYNC_PAGE).bind(site.0).bind(from.0).bind(limit_bound).bind(since);
            let rows = query.fetch_all(connection).await?;
            let mut page = ResyncPage { members: rows.len() as u64, ..ResyncPage::default() };
            let mut last = None;
            for row in &rows {
                let id: Uuid = row.try_get(0)?;
                last = last.max(Some(id));
                match change(site, row) {
                    Ok(change) => page.changes.extend(change),
                    Err(error) => {
                        warn!(site.id = %site, member.id = %id, %error, "a record cannot be read, and is not announced");
                        page.unreadable += 1;
                    }
                }
            }
            let after = last.filter(|_| rows.len() >= limit).and_then(|last| last.as_u128().checked_add(1));
            page.next = after.map(|next| MemberId(Uuid::from_u128(next)));
            Ok(page)
        })
        .await
    }

    /// What changed members from one id on, up to another, as far as it is found in the next slice of a site's requests.
    ///
    /// # Errors
    /// Sorted by reaction.
    pub async fn causes(
        &mut self,
        site: SiteId,
        after: &RequestPlace,
        (from, until): (MemberId, Option<MemberId>),
    ) -> Result<Causes, StoreError> {
        self.run(async |connection| {
            let rows = sqlx::query(CAUSES)
                .bind(site.0)
                .bind(&*after.request_id)
                .bind(&*after.requester)
                .bind(SLICE)
                .bind(from.0)
                .bind(until.map(|until| until.0))
                .fetch_all(connection)
                .await?;
            let mut causes = Causes::default();
            for row in &rows {
                match cause(row) {
                    Ok(cause) => causes.found.extend(cause),
                    Err(error) => debug!(%error, "a recorded request cannot be read; it causes nothing"),
                }
            }
            if let Some(last) = rows.last().filter(|_| count(SLICE) == rows.len() as u64) {
                causes.next = Some(RequestPlace { request_id: last.try_get(0)?, requester: last.try_get(1)? });
            }
            Ok(causes)
        })
        .await
    }

    /// How many members there are from a place on, deleted ones included; of its site only, if `site` says so.
    ///
    /// # Errors
    /// Sorted by reaction. Reads the whole index: of very many members it may take longer than a statement may.
    pub async fn count_members(&mut self, from: Place, site: Option<SiteId>) -> Result<u64, StoreError> {
        let last = site.map_or(Uuid::max(), |site| site.0);
        self.run(async |connection| {
            let query = sqlx::query_scalar(COUNT_MEMBERS).bind(from.site.0).bind(from.member_id.0).bind(last);
            Ok(count(query.fetch_one(connection).await?))
        })
        .await
    }
}

/// The change that a member's newest event tells of; `None` of one who has none.
fn change(site: SiteId, row: &PgRow) -> Result<Option<Change>, Error> {
    let Some(member) = member(row, 5)? else { return Ok(None) };
    let is_owed = row.try_get::<Option<&str>, _>(1)?.is_some();
    let text = |column| if is_owed { row.try_get::<Option<&str>, _>(column) } else { Ok(None) };
    let (caller, request_id) = (text(2)?, text(3)?);
    Ok(Some(Change {
        site,
        member_id: member.id,
        event_sequence: member.event_sequence,
        event_due: true,
        cache_due: false,
        // Nothing where nothing is owed, or what only a newer worker knows.
        origin: text(1)?.and_then(Origin::parse).unwrap_or(Origin::Unrecorded),
        caller: caller.map(|text| Caller::parse(text).ok_or_else(|| unreadable(2, text))).transpose()?,
        request_id: request_id.map(|text| RequestId::parse(text).ok_or_else(|| unreadable(3, text))).transpose()?,
        traceparent: text(4)?.map(Into::into),
        member: Some(member),
    }))
}

fn cause(row: &PgRow) -> Result<Option<(MemberId, i64, Cause)>, Error> {
    let (Some(member), Some(sequence)) = (row.try_get::<Option<Uuid>, _>(2)?, row.try_get::<Option<i64>, _>(3)?) else {
        return Ok(None);
    };
    let (request_id, caller): (&str, &str) = (row.try_get(0)?, row.try_get(4)?);
    let cause = Cause {
        method: word(row, 6, Method::parse)?,
        caller: Caller::parse(caller).ok_or_else(|| unreadable(4, caller))?,
        request_id: RequestId::parse(request_id).ok_or_else(|| unreadable(0, request_id))?,
        traceparent: row.try_get::<Option<&str>, _>(5)?.map(Into::into),
    };
    Ok(Some((MemberId(member), sequence, cause)))
}
