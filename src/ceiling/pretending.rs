//! What database and cache are said to answer. Separate, so that a build without the feature has none of it.

use std::sync::atomic::{AtomicBool, Ordering};

use time::OffsetDateTime;
use time::macros::datetime;

use crate::domain::{ActivityStatus, Gate, Json, Member, MemberId, PrivacyStatus, Request, Standing, Status};

static ON: AtomicBool = AtomicBool::new(false);
/// When every member was made.
const MADE: OffsetDateTime = datetime!(2026-01-01 0:00 UTC);

/// From now on, and in the whole process, nothing is read from or written to database and cache on a request's way.
pub fn pretend() {
    ON.store(true, Ordering::Relaxed);
}

/// Whether commits, entries and what is paid are only said to be written.
#[must_use]
pub fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// What a load is to find for each request, where nothing is to be asked: a private member who may join, of the size that
/// the benchmark's members have in the database.
#[must_use]
pub fn standings(requests: &[&Request]) -> Option<Vec<Standing>> {
    let standing =
        |request: &&Request| Standing { recorded: None, member: request.target.map(member), gate: Gate::Anyone };
    is_on().then(|| requests.iter().map(standing).collect())
}

fn member(id: MemberId) -> Member {
    let contact = r#"{"emails": [], "phones": ["2075556300"], "lastName": "Doe", "addresses": [], "firstName": "John", "customFields": {}}"#;
    Member {
        id,
        login_email: Some("member123456@example.com".into()),
        login_email_verified: None,
        status: Status::Approved,
        privacy_status: PrivacyStatus::Private,
        activity_status: ActivityStatus::Active,
        contact_id: Some(id.0),
        contact: Some(Json(contact.into())),
        profile: Some(Json(r#"{"slug": "johndoe123456", "nickname": "John Doe"}"#.into())),
        created_date: MADE,
        updated_date: MADE,
        last_login_date: None,
        extra: None,
        event_sequence: 0,
        deleted: false,
    }
}
