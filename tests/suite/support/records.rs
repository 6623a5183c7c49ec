//! What stands in the database, written and read by plain SQL: as anybody may, and without a line of the worker's code.

use serde_json::{Value, json};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::waiting::{PATIENCE, eventually};
use super::{Installation, Message};

/// A member to be. By default one who may join.
#[derive(Clone, Debug)]
pub(crate) struct MemberSpec {
    /// `status`.
    pub(crate) status: &'static str,
    /// `privacy_status`.
    pub(crate) privacy: &'static str,
    /// `activity_status`.
    pub(crate) activity: &'static str,
    /// `login_email_verified`.
    pub(crate) email_verified: bool,
    /// `event_sequence`.
    pub(crate) sequence: i64,
    /// `updated_date`, cut to milliseconds; the database's time by default.
    pub(crate) updated: Option<OffsetDateTime>,
}

/// One who may join.
pub(crate) const JOINABLE: MemberSpec = MemberSpec {
    status: "APPROVED",
    privacy: "PRIVATE",
    activity: "ACTIVE",
    email_verified: true,
    sequence: 16,
    updated: None,
};

/// One who has joined.
pub(crate) const PUBLIC: MemberSpec = MemberSpec { privacy: "PUBLIC", ..JOINABLE };

/// What stands in a member's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// `status`.
    pub(crate) status: String,
    /// `privacy_status`.
    pub(crate) privacy: String,
    /// `event_sequence`.
    pub(crate) sequence: i64,
    /// `updated_date`.
    pub(crate) updated: OffsetDateTime,
    /// Whether it is a tombstone.
    pub(crate) deleted: bool,
}

/// A verdict on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// `request_id`.
    pub(crate) request_id: String,
    /// `requester`.
    pub(crate) requester: String,
    /// `member_id`.
    pub(crate) member: Option<Uuid>,
    /// `caller`.
    pub(crate) caller: String,
    /// `elevated`.
    pub(crate) elevated: bool,
    /// `method`.
    pub(crate) method: String,
    /// `verdict`.
    pub(crate) verdict: String,
    /// `code`.
    pub(crate) code: Option<String>,
    /// `reason`.
    pub(crate) reason: Option<String>,
    /// `event_sequence`.
    pub(crate) sequence: Option<i64>,
}

impl Installation {
    /// Makes a member of a site.
    pub(crate) async fn member(&self, site: Uuid, spec: MemberSpec) -> Uuid {
        self.members(site, spec, 1).await[0]
    }

    /// Makes many of a kind.
    pub(crate) async fn members(&self, site: Uuid, spec: MemberSpec, count: usize) -> Vec<Uuid> {
        let ids: Vec<Uuid> = std::iter::repeat_with(Uuid::new_v4).take(count).collect();
        sqlx::query(
            "INSERT INTO members (site_id, id, login_email, login_email_verified, status, privacy_status,
                                  activity_status, contact_id, contact, profile, event_sequence, updated_date)
             SELECT $1, id, 'jane@example.com', $3, $4, $5, $6, id, $7, $8, $9,
                    date_trunc('milliseconds', coalesce($10, now())) FROM unnest($2::uuid[]) AS new (id)",
        )
        .bind(site)
        .bind(&ids)
        .bind(spec.email_verified)
        .bind(spec.status)
        .bind(spec.privacy)
        .bind(spec.activity)
        .bind(Json(json!({ "firstName": "Jane", "emails": ["jane@example.com"], "phones": ["+1 202 555 0142"], "customFields": { "a-b": "c" } })))
        .bind(Json(json!({ "nickname": "Jane", "slug": "jane" })))
        .bind(spec.sequence)
        .bind(spec.updated)
        .execute(&mut *self.records.lock().await)
        .await
        .unwrap();
        ids
    }

    /// Sets the gate of a site.
    pub(crate) async fn gate(&self, site: Uuid, candidates: &str) {
        sqlx::query(
            "INSERT INTO sites VALUES ($1, $2) ON CONFLICT (site_id) DO UPDATE SET public_member_candidates = $2",
        )
        .bind(site)
        .bind(candidates)
        .execute(&mut *self.records.lock().await)
        .await
        .unwrap();
    }

    /// Runs a statement about one member, `$1` its site and `$2` its id, as a writer who knows nothing of the worker.
    pub(crate) async fn change(&self, site: Uuid, member: Uuid, statement: &'static str) {
        sqlx::query(statement).bind(site).bind(member).execute(&mut *self.records.lock().await).await.unwrap();
    }

    /// A member's record.
    pub(crate) async fn record(&self, site: Uuid, member: Uuid) -> Option<Record> {
        let row = sqlx::query(
            "SELECT status, privacy_status, event_sequence, updated_date, deleted_date IS NOT NULL FROM members
             WHERE site_id = $1 AND id = $2",
        )
        .bind(site)
        .bind(member)
        .fetch_optional(&mut *self.records.lock().await)
        .await
        .unwrap()?;
        let (status, privacy, sequence) = (row.get(0), row.get(1), row.get(2));
        Some(Record { status, privacy, sequence, updated: row.get(3), deleted: row.get(4) })
    }

    /// The verdicts of a site, in the order of their request ids.
    pub(crate) async fn requests(&self, site: Uuid) -> Vec<Recorded> {
        let rows = sqlx::query(
            "SELECT request_id, requester, member_id, caller, elevated, verdict, code, reason, event_sequence, method
             FROM join_requests WHERE site_id = $1 ORDER BY request_id, requester",
        )
        .bind(site)
        .fetch_all(&mut *self.records.lock().await)
        .await
        .unwrap();
        rows.iter().map(recorded).collect()
    }

    /// The one verdict on a request.
    pub(crate) async fn verdict(&self, site: Uuid, request: &Message) -> Recorded {
        let mut verdicts = self.requests(site).await;
        verdicts.retain(|verdict| verdict.request_id == request.request_id());
        let [verdict] = verdicts.try_into().expect("one verdict");
        verdict
    }

    /// Waits until nothing is owed to the world.
    pub(crate) async fn outbox_is_empty(&self) {
        eventually("the outbox is empty", PATIENCE, async || {
            let owed: Vec<(Uuid, i64, bool, bool, i32)> =
                sqlx::query_as("SELECT member_id, event_sequence, event_due, cache_due, attempts FROM outbox LIMIT 5")
                    .fetch_all(&mut *self.records.lock().await)
                    .await
                    .unwrap();
            if owed.is_empty() { Ok(()) } else { Err(owed) }
        })
        .await;
    }
}

/// What `currentEntity` and the reply must say of a member that [`Installation::member`] made.
pub(crate) fn entity(member: Uuid, record: &Record, created: &Value) -> Value {
    json!({
        "id": member, "loginEmail": "jane@example.com", "loginEmailVerified": true, "status": record.status,
        "contactId": member, "privacyStatus": record.privacy, "activityStatus": "ACTIVE",
        "contact": { "firstName": "Jane", "phones": ["+1 202 555 0142"], "emails": ["jane@example.com"], "addresses": [],
                     "customFields": { "a-b": "c" } },
        "profile": { "nickname": "Jane", "slug": "jane" },
        "createdDate": created, "updatedDate": instant(record.updated),
    })
}

/// An instant as it stands on the wire: UTC with milliseconds.
pub(crate) fn instant(at: OffsetDateTime) -> String {
    let format =
        time::macros::format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    at.format(format).unwrap()
}

fn recorded(row: &PgRow) -> Recorded {
    Recorded {
        request_id: row.get(0),
        requester: row.get(1),
        member: row.get(2),
        caller: row.get(3),
        elevated: row.get(4),
        verdict: row.get(5),
        code: row.get(6),
        reason: row.get(7),
        sequence: row.get(8),
        method: row.get(9),
    }
}
