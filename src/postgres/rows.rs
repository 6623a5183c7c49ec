//! Rows read into the nouns of the domain.

use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{Error, Row};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::domain::{ActivityStatus, Json, Member, MemberId, PrivacyStatus, Status};

/// The member columns of a `SELECT`, in the order that [`member`] reads them.
macro_rules! member_columns {
    () => {
        "m.id, m.login_email, m.login_email_verified, m.status, m.privacy_status, m.activity_status, m.contact_id, \
         m.contact::text, m.profile::text, m.created_date, m.updated_date, m.last_login_date, m.extra::text, \
         m.event_sequence, m.deleted_date IS NOT NULL"
    };
}
pub(super) use member_columns;

/// Reads a member from the columns that start at `first`; `None` where the join found no row.
pub(super) fn member(row: &PgRow, first: usize) -> Result<Option<Member>, Error> {
    let Some(id) = row.try_get::<Option<Uuid>, _>(first)? else { return Ok(None) };
    let json = |column: usize| -> Result<Option<Json>, Error> {
        Ok(row.try_get::<Option<&str>, _>(first + column)?.map(|text| Json(text.into())))
    };
    Ok(Some(Member {
        id: MemberId(id),
        login_email: row.try_get::<Option<&str>, _>(first + 1)?.map(Into::into),
        login_email_verified: row.try_get(first + 2)?,
        status: word(row, first + 3, Status::parse)?,
        privacy_status: word(row, first + 4, PrivacyStatus::parse)?,
        activity_status: word(row, first + 5, ActivityStatus::parse)?,
        contact_id: row.try_get(first + 6)?,
        contact: json(7)?,
        profile: json(8)?,
        created_date: row.try_get::<OffsetDateTime, _>(first + 9)?,
        updated_date: row.try_get::<OffsetDateTime, _>(first + 10)?,
        last_login_date: row.try_get(first + 11)?,
        extra: json(12)?,
        event_sequence: row.try_get(first + 13)?,
        deleted: row.try_get(first + 14)?,
    }))
}

/// Reads a text column that holds one of our words.
pub(super) fn word<T>(row: &PgRow, column: usize, parse: impl Fn(&str) -> Option<T>) -> Result<T, Error> {
    let text: &str = row.try_get(column)?;
    parse(text).ok_or_else(|| unreadable(column, text))
}

/// The error for a stored word that this version does not know.
pub(super) fn unreadable(column: usize, text: &str) -> Error {
    Error::ColumnDecode { index: column.to_string(), source: format!("`{text}` is no known word").into() }
}

/// A count as PostgreSQL gives it, which is never negative.
pub(super) fn count(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or_default()
}

/// Seconds as PostgreSQL counts them; a clock that went back makes them negative.
pub(super) fn age(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
