//! What replaying needs to know of requests: what the statements of the join path would do to one, and which verdicts
//! stand recorded of many. Apart from the join path, which never asks either.

use std::time::Duration;

use sqlx::Row as _;
use time::OffsetDateTime;

use super::commit::{Ruling, commit};
use super::load::{load, verdict};
use super::members::MEMBER;
use super::rows::member;
use super::{Session, StoreError};
use crate::domain::{Member, Request, RequestId, Requester, SiteId, Standing, Verdict};

pub(super) const VERDICTS: &str = "
    SELECT k.n, r.verdict, r.code, r.reason
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bytea[]) WITH ORDINALITY
        AS k (site_id, request_id, requester, digest, n)
    CROSS JOIN LATERAL (
        SELECT verdict, code, reason, digest FROM join_requests r
        WHERE r.site_id = k.site_id AND r.request_id = k.request_id AND r.requester = k.requester LIMIT 1
    ) r
    WHERE r.digest = k.digest";

/// Most keys that one statement looks up.
const SLICE: usize = 1_000;

/// What a request comes to, seen in a transaction that was rolled back.
#[derive(Clone, Debug)]
pub struct Rehearsal {
    /// What stood recorded before.
    pub standing: Standing,
    /// Whether the verdict would have been recorded; `None` if there is none to record.
    pub recorded: Option<bool>,
    /// The member's record afterwards, a tombstone included.
    pub after: Option<Member>,
}

/// What names a request, and what it means: another meaning under the same id has no verdict of its own.
#[derive(Clone, Debug)]
pub struct RequestKey {
    /// The site.
    pub site: SiteId,
    /// The request id.
    pub id: RequestId,
    /// Who owns it.
    pub requester: Requester,
    /// SHA-256 of the meaning.
    pub digest: [u8; 32],
}

impl RequestKey {
    /// The key of a request.
    #[must_use]
    pub fn of(request: &Request) -> Self {
        let Request { site, id, requester, digest, .. } = request;
        Self { site: *site, id: id.clone(), requester: requester.clone(), digest: *digest }
    }
}

impl Session {
    /// Loads, rules and commits in a transaction that is rolled back, by the very statements of the join path.
    ///
    /// # Errors
    /// Sorted by reaction. [`StoreError::Permanent`]: the content can never be stored.
    pub async fn rehearse<'a>(
        &mut self,
        request: &'a Request,
        rule: impl FnOnce(&Standing) -> Option<Ruling<'a>>,
        decided_at: OffsetDateTime,
        lease: Duration,
    ) -> Result<Rehearsal, StoreError> {
        self.rolled_back(async |connection| {
            let standing = load(connection, &[request]).await?.pop().unwrap_or_default();
            let Some(ruling) = rule(&standing) else {
                let after = standing.member.clone();
                return Ok(Rehearsal { standing, recorded: None, after });
            };
            let recorded = !commit(connection, &[ruling], decided_at, lease).await?.is_empty();
            let mut after = None;
            if let Some(target) = request.target {
                let row = sqlx::query(MEMBER).bind(request.site.0).bind(target.0).fetch_optional(connection).await?;
                after = row.map_or(Ok(None), |row| member(&row, 0))?;
            }
            Ok(Rehearsal { standing, recorded: Some(recorded), after })
        })
        .await
    }

    /// The verdicts that stand recorded of these requests, each with its place in the list.
    ///
    /// # Errors
    /// Sorted by reaction.
    pub async fn verdicts(&mut self, keys: &[RequestKey]) -> Result<Vec<(usize, Verdict)>, StoreError> {
        let mut found = Vec::new();
        for (slice, keys) in keys.chunks(SLICE).enumerate() {
            let of_slice = self.run(async |connection| {
                let query = sqlx::query(VERDICTS)
                    .bind(keys.iter().map(|key| key.site.0).collect::<Vec<_>>())
                    .bind(keys.iter().map(|key| key.id.as_str()).collect::<Vec<_>>())
                    .bind(keys.iter().map(|key| key.requester.as_str()).collect::<Vec<_>>())
                    .bind(keys.iter().map(|key| key.digest.as_slice()).collect::<Vec<_>>());
                let read = |row: &sqlx::postgres::PgRow| -> Result<(usize, Verdict), sqlx::Error> {
                    let place: i64 = row.try_get(0)?;
                    Ok((usize::try_from(place - 1).unwrap_or_default(), verdict(row, 1)?))
                };
                query.fetch_all(connection).await?.iter().map(read).collect::<Result<Vec<_>, _>>()
            });
            found.extend(of_slice.await?.into_iter().map(|(place, verdict)| (slice * SLICE + place, verdict)));
        }
        Ok(found)
    }
}
