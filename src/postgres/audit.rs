//! The records as the audit of the cache reads them: slice by slice in the order of their keys, with what is owed for each.
//! Apart, because no path of a request or a change goes through here.

use sqlx::postgres::PgRow;
use sqlx::{Error, Row};
use tracing::debug;
use uuid::Uuid;

use super::rows::member;
use super::{Session, StoreError};
use crate::domain::{Member, MemberId, SiteId};

/// What is read of each: nothing that the cache does not show. One snapshot holds the record and its debt.
macro_rules! audited {
    ($members:literal) => {
        concat!(
            "SELECT m.site_id, m.id, coalesce(o.cache_due, false),
                    m.id, NULL::text, NULL::boolean, m.status, m.privacy_status, m.activity_status, m.contact_id, NULL::text,
                    m.profile::text, m.created_date, m.updated_date, NULL::timestamptz, NULL::text, m.event_sequence,
                    m.deleted_date IS NOT NULL
             FROM ",
            $members,
            " LEFT JOIN LATERAL (
                 SELECT cache_due FROM outbox o WHERE o.site_id = m.site_id AND o.member_id = m.id LIMIT 1
             ) o ON true"
        )
    };
}

pub(super) const AUDIT_PAGE: &str =
    audited!("(SELECT * FROM members WHERE (site_id, id) >= ($1::uuid, $2::uuid) ORDER BY site_id, id LIMIT $3) m");

pub(super) const AUDIT_AGAIN: &str = audited!(
    "unnest($1::uuid[], $2::uuid[]) AS k (site_id, member_id)
     CROSS JOIN LATERAL (SELECT * FROM members m WHERE m.site_id = k.site_id AND m.id = k.member_id LIMIT 1) m"
);

// The member's lock first, as every writer does, and only if it is free: so nobody else makes this debt meanwhile, and
// whoever holds a member, in whatever order, is never waited for. Who sweeps holds debts, and waits for nobody.
pub(super) const AUDIT_OWE: &str = "
    INSERT INTO outbox AS o (site_id, member_id, event_sequence, event_due, cache_due, origin)
    SELECT m.site_id, m.id, m.event_sequence, false, true, 'external'
    FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS d (site_id, member_id, event_sequence)
    CROSS JOIN LATERAL (
        SELECT m.site_id, m.id, m.event_sequence FROM members m
        WHERE m.site_id = d.site_id AND m.id = d.member_id AND m.event_sequence = d.event_sequence
        LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
    ) m
    ON CONFLICT (site_id, member_id) DO UPDATE SET
        event_sequence = greatest(o.event_sequence, excluded.event_sequence), cache_due = true";

/// A place in the order of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The site.
    pub site: SiteId,
    /// The member.
    pub member_id: MemberId,
}

impl Place {
    /// The first of all.
    pub const FIRST: Self = Self { site: SiteId(Uuid::nil()), member_id: MemberId(Uuid::nil()) };

    /// The place right after this one; `None` after the last of all.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        let after = |id: Uuid| id.as_u128().checked_add(1).map(Uuid::from_u128);
        let next_member = after(self.member_id.0).map(|id| Self { member_id: MemberId(id), ..self });
        next_member
            .or_else(|| after(self.site.0).map(|site| Self { site: SiteId(site), member_id: MemberId(Uuid::nil()) }))
    }
}

/// A member's record against which the cache is held.
#[derive(Clone, Debug)]
pub struct Audited {
    /// The member's site.
    pub site: SiteId,
    /// What the cache may show of the member; the rest is left out.
    pub member: Member,
    /// Whether the cache is owed this member's newest state.
    pub owed: bool,
}

/// A slice of the records.
#[derive(Clone, Debug, Default)]
pub struct AuditPage {
    /// The records; those that this version cannot read are passed over.
    pub records: Vec<Audited>,
    /// Where the next slice starts; `None` after the last.
    pub next: Option<Place>,
}

impl Session {
    /// The records from one place on, in the order of their keys.
    ///
    /// # Errors
    /// Sorted by reaction.
    pub async fn audit_page(&mut self, from: Place, limit: usize) -> Result<AuditPage, StoreError> {
        self.run(async |connection| {
            let rows = sqlx::query(AUDIT_PAGE)
                .bind(from.site.0)
                .bind(from.member_id.0)
                .bind(i64::try_from(limit).unwrap_or(i64::MAX))
                .fetch_all(connection)
                .await?;
            let last = rows.last().filter(|_| rows.len() >= limit).map(place).transpose()?;
            Ok(AuditPage { records: readable(&rows), next: last.and_then(Place::next) })
        })
        .await
    }

    /// These records once more, as they are now.
    ///
    /// # Errors
    /// Sorted by reaction.
    pub async fn audit_again(&mut self, places: &[Place]) -> Result<Vec<Audited>, StoreError> {
        self.run(async |connection| {
            let rows = sqlx::query(AUDIT_AGAIN)
                .bind(places.iter().map(|place| place.site.0).collect::<Vec<_>>())
                .bind(places.iter().map(|place| place.member_id.0).collect::<Vec<_>>())
                .fetch_all(connection)
                .await?;
            Ok(readable(&rows))
        })
        .await
    }

    /// Makes the outbox owe the cache these members, each at this sequence: who has another by now, or is being changed,
    /// is owed by whoever does that. Answers how many are owed.
    ///
    /// # Errors
    /// Sorted by reaction.
    pub async fn audit_owe(&mut self, members: &[(Place, i64)]) -> Result<u64, StoreError> {
        self.run(async |connection| {
            let done = sqlx::query(AUDIT_OWE)
                .bind(members.iter().map(|(place, _)| place.site.0).collect::<Vec<_>>())
                .bind(members.iter().map(|(place, _)| place.member_id.0).collect::<Vec<_>>())
                .bind(members.iter().map(|(_, event_sequence)| *event_sequence).collect::<Vec<_>>())
                .execute(connection)
                .await?;
            Ok(done.rows_affected())
        })
        .await
    }
}

fn place(row: &PgRow) -> Result<Place, Error> {
    Ok(Place { site: SiteId(row.try_get(0)?), member_id: MemberId(row.try_get(1)?) })
}

/// One record that cannot be read must not keep the others from being audited.
fn readable(rows: &[PgRow]) -> Vec<Audited> {
    let read = |row: &PgRow| -> Result<Option<Audited>, Error> {
        let (Place { site, .. }, owed) = (place(row)?, row.try_get(2)?);
        Ok(member(row, 3)?.map(|member| Audited { site, member, owed }))
    };
    let told = |row| read(row).inspect_err(|error| debug!(%error, "a record cannot be read, and is not audited"));
    rows.iter().filter_map(|row| told(row).ok().flatten()).collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::Place;
    use crate::domain::{MemberId, SiteId};

    #[test]
    fn places_follow_each_other_through_all_sites_to_the_last() {
        let place =
            |site, member| Place { site: SiteId(Uuid::from_u128(site)), member_id: MemberId(Uuid::from_u128(member)) };
        assert_eq!(place(1, 1).next(), Some(place(1, 2)));
        assert_eq!(place(1, u128::MAX).next(), Some(place(2, 0)));
        assert_eq!(place(u128::MAX, u128::MAX).next(), None);
        assert!(Place::FIRST <= place(0, 0));
    }
}
