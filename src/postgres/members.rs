//! The member records, for the command line: import, export, show, advance. Apart from the join path, which knows one
//! change only.

use sqlx::Row;
use time::OffsetDateTime;
use uuid::Uuid;

use super::rows::{count, member, member_columns};
use super::{Session, StoreError};
use crate::domain::{Json, Member, MemberId, SiteId};
use crate::wire::member::Imported;

pub(super) const IMPORT: &str = include_str!("sql/import.sql");
pub(super) const ADVANCE: &str = include_str!("sql/advance.sql");

pub(super) const PAGE: &str = concat!(
    "SELECT ",
    member_columns!(),
    " FROM members m WHERE m.site_id = $1 AND m.id >= $2 AND m.deleted_date IS NULL ORDER BY m.id LIMIT $3"
);

pub(super) const MEMBER: &str =
    concat!("SELECT ", member_columns!(), " FROM members m WHERE m.site_id = $1 AND m.id = $2");

pub(super) const NEXT_SITE: &str = "SELECT site_id FROM members WHERE site_id >= $1 ORDER BY site_id LIMIT 1";

/// Members that one statement advances: some ten milliseconds, so that nobody waits long for their locks.
const SLICE: i64 = 2_000;

/// What an import came to, in members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Not known before; unannounced.
    pub new: u64,
    /// Known, and different; announced.
    pub changed: u64,
    /// Known, and the same.
    pub unchanged: u64,
}

/// One slice of members whose sequences were raised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advanced {
    /// How many.
    pub members: u64,
    /// Where the next slice starts; `None` after the last.
    pub next: Option<MemberId>,
}

impl Session {
    /// Takes members into the record of a site, each as a whole; all of them or, on an error, none.
    ///
    /// A new one starts at sequence 0, unannounced. A known one, deleted or not, is changed and owed to the world, unless
    /// nothing differs. At most one for each id.
    ///
    /// # Errors
    /// Sorted by reaction. [`StoreError::Permanent`]: the content of one of them can never be stored.
    pub async fn import(
        &mut self,
        site: SiteId,
        members: &[&Imported],
        now: OffsetDateTime,
    ) -> Result<Taken, StoreError> {
        self.run(async |connection| {
            let column = Columns(members);
            let row = sqlx::query(IMPORT)
                .bind(site.0)
                .bind(now)
                .bind(column.of(|member| member.id.0))
                .bind(column.of(|member| member.login_email.as_deref()))
                .bind(column.of(|member| member.login_email_verified))
                .bind(column.of(|member| member.status.map(crate::domain::Status::as_str)))
                .bind(column.of(|member| member.privacy_status.map(crate::domain::PrivacyStatus::as_str)))
                .bind(column.of(|member| member.activity_status.map(crate::domain::ActivityStatus::as_str)))
                .bind(column.of(|member| member.contact_id))
                .bind(column.of(|member| json(member.contact.as_ref())))
                .bind(column.of(|member| json(member.profile.as_ref())))
                .bind(column.of(|member| member.created_date))
                .bind(column.of(|member| member.updated_date))
                .bind(column.of(|member| member.last_login_date))
                .bind(column.of(|member| json(member.extra.as_ref())))
                .fetch_one(connection)
                .await?;
            let (new, changed) = (count(row.try_get(0)?), count(row.try_get(1)?));
            Ok(Taken { new, changed, unchanged: (members.len() as u64).saturating_sub(new + changed) })
        })
        .await
    }

    /// The next members of a site, in the order of their ids, from one id on; without the deleted ones.
    ///
    /// # Errors
    /// Sorted by reaction.
    pub async fn page(&mut self, site: SiteId, from: MemberId, limit: u32) -> Result<Vec<Member>, StoreError> {
        self.run(async |connection| {
            let query = sqlx::query(PAGE).bind(site.0).bind(from.0).bind(i64::from(limit));
            query.fetch_all(connection).await?.iter().filter_map(|row| member(row, 0).transpose()).collect()
        })
        .await
    }

    /// A member's record, a tombstone included.
    ///
    /// # Errors
    /// Sorted by reaction.
    pub async fn member(&mut self, site: SiteId, id: MemberId) -> Result<Option<Member>, StoreError> {
        self.run(async |connection| {
            let row = sqlx::query(MEMBER).bind(site.0).bind(id.0).fetch_optional(connection).await?;
            row.map_or(Ok(None), |row| member(&row, 0))
        })
        .await
    }

    /// The first site with members, from one id on.
    ///
    /// # Errors
    /// Sorted by reaction.
    pub async fn next_site(&mut self, from: SiteId) -> Result<Option<SiteId>, StoreError> {
        self.run(async |connection| {
            let site: Option<Uuid> = sqlx::query_scalar(NEXT_SITE).bind(from.0).fetch_optional(connection).await?;
            Ok(site.map(SiteId))
        })
        .await
    }

    /// Raises the sequences of the next slice of a site's members, tombstones included, and of what they owe.
    ///
    /// Nothing of the members changes, so nothing new is owed, unless `announce` says so.
    ///
    /// # Errors
    /// Sorted by reaction.
    pub async fn advance(
        &mut self,
        site: SiteId,
        from: MemberId,
        by: u32,
        announce: bool,
    ) -> Result<Advanced, StoreError> {
        self.run(async |connection| {
            let query = sqlx::query(ADVANCE).bind(site.0).bind(from.0).bind(i64::from(by)).bind(SLICE).bind(announce);
            let row = query.fetch_one(connection).await?;
            let last: Option<Uuid> = row.try_get(1)?;
            let next = last.and_then(|last| last.as_u128().checked_add(1)).map(|next| MemberId(Uuid::from_u128(next)));
            Ok(Advanced { members: count(row.try_get(0)?), next })
        })
        .await
    }
}

struct Columns<'a>(&'a [&'a Imported]);

impl<'a> Columns<'a> {
    fn of<T>(&self, value: impl Fn(&'a Imported) -> T) -> Vec<T> {
        self.0.iter().map(|member| value(member)).collect()
    }
}

fn json(json: Option<&Json>) -> Option<&str> {
    json.map(|json| &*json.0)
}
