//! *Load*: one query brings, for a whole round, what stands recorded.

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Error, Row};

use super::rows::{member, member_columns, unreadable};
use super::{Session, StoreError};
use crate::ceiling;
use crate::domain::{Gate, Recorded, Request, Standing, Verdict};

// LATERAL with LIMIT 1 is no join that could be hashed or merged: with sequential scans off (see `session`), a look-up in
// the index for each row is the only plan left, whatever the tables held when it was made.
pub(super) const LOAD: &str = concat!(
    "SELECT k.n, r.digest, r.verdict, r.code, r.reason, s.public_member_candidates, ",
    member_columns!(),
    " FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[]) WITH ORDINALITY
         AS k (site_id, request_id, requester, member_id, n)
     LEFT JOIN LATERAL (
         SELECT digest, verdict, code, reason FROM join_requests r
         WHERE r.site_id = k.site_id AND r.request_id = k.request_id AND r.requester = k.requester LIMIT 1
     ) r ON true
     LEFT JOIN LATERAL (
         SELECT * FROM members m WHERE m.site_id = k.site_id AND m.id = k.member_id LIMIT 1
     ) m ON true
     LEFT JOIN LATERAL (
         SELECT public_member_candidates FROM sites s WHERE s.site_id = k.site_id LIMIT 1
     ) s ON true"
);

impl Session {
    /// Brings what stands recorded for each request, in their order.
    ///
    /// # Errors
    /// Sorted by reaction.
    pub async fn load(&mut self, requests: &[&Request]) -> Result<Vec<Standing>, StoreError> {
        if let Some(standings) = ceiling::standings(requests) {
            return Ok(standings);
        }
        self.run(async |connection| load(connection, requests).await).await
    }
}

/// What stands recorded for each request, in their order.
pub(super) async fn load(connection: &mut PgConnection, requests: &[&Request]) -> Result<Vec<Standing>, Error> {
    let rows = sqlx::query(LOAD)
        .bind(requests.iter().map(|request| request.site.0).collect::<Vec<_>>())
        .bind(requests.iter().map(|request| request.id.as_str()).collect::<Vec<_>>())
        .bind(requests.iter().map(|request| request.requester.as_str()).collect::<Vec<_>>())
        .bind(requests.iter().map(|request| request.target.map(|member| member.0)).collect::<Vec<_>>())
        .fetch_all(connection)
        .await?;
    let mut standings = vec![Standing::default(); requests.len()];
    for row in &rows {
        let place: i64 = row.try_get(0)?;
        let place = usize::try_from(place - 1).ok().and_then(|place| standings.get_mut(place));
        *place.ok_or_else(|| Error::Protocol("load answered for no request".into()))? = standing(row)?;
    }
    Ok(standings)
}

fn standing(row: &PgRow) -> Result<Standing, Error> {
    let recorded = match row.try_get::<Option<&[u8]>, _>(1)? {
        None => None,
        Some(digest) => Some(Recorded {
            digest: digest.try_into().map_err(|_| unreadable(1, "a digest of another length"))?,
            verdict: verdict(row, 2)?,
        }),
    };
    let gate = match row.try_get::<Option<&str>, _>(5)? {
        None => Gate::default(),
        Some(word) => Gate::parse(word).ok_or_else(|| unreadable(5, word))?,
    };
    Ok(Standing { recorded, gate, member: member(row, 6)? })
}

/// Reads a recorded verdict from its three columns.
pub(super) fn verdict(row: &PgRow, first: usize) -> Result<Verdict, Error> {
    let word: &str = row.try_get(first)?;
    let (code, reason) = (row.try_get(first + 1)?, row.try_get(first + 2)?);
    Verdict::from_record(word, code, reason).ok_or_else(|| unreadable(first, word))
}
