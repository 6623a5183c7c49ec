//! The member that examples and tests speak of, and a change of his.
//!
//! Apart, because the documentation's blocks and several tests hold the code against the same one.

use time::macros::datetime;
use uuid::{Uuid, uuid};

use crate::domain::{
    ActivityStatus, Caller, Change, IdentityType, Json, Member, MemberId, Origin, PrivacyStatus, RequestId, SiteId,
    Status,
};

pub(crate) const SITE: SiteId = SiteId(uuid!("6b0e7f1a-8c0d-4f3e-9a57-2d1c4b5e6f70"));
pub(crate) const JOHN: MemberId = MemberId(uuid!("7d368843-6f0c-4037-8d0e-b7e36a8a0c32"));
pub(crate) const APP: Caller =
    Caller { identity_type: IdentityType::App, id: uuid!("14bcded7-0066-7c35-14d7-466cb3f09103") };
pub(crate) const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

const CONTACT_ID: Uuid = uuid!("ff20c02e-3d13-4412-9529-d628aa0abc12");
const CONTACT: &str = r#"{"contactId":"ff20c02e-3d13-4412-9529-d628aa0abc12","firstName":"John","lastName":"Doe","phones":[],"emails":[],"addresses":[],"customFields":{}}"#;
const PROFILE: &str = r#"{"nickname":"John Doe","slug":"johndoe","photo":{"id":"","url":"https://example.com/newphoto.jpg","height":0,"width":0}}"#;

/// John Doe, who has joined.
pub(crate) fn john() -> Member {
    Member {
        id: JOHN,
        login_email: Some("johndoe@example.com".into()),
        login_email_verified: Some(true),
        status: Status::Approved,
        privacy_status: PrivacyStatus::Public,
        activity_status: ActivityStatus::Active,
        contact_id: Some(CONTACT_ID),
        contact: Some(Json(CONTACT.into())),
        profile: Some(Json(PROFILE.into())),
        created_date: datetime!(2024-02-22 13:52:00 UTC),
        updated_date: datetime!(2026-11-24 10:00:00.123 UTC),
        last_login_date: Some(datetime!(2024-02-29 11:40:21 UTC)),
        extra: None,
        event_sequence: 17,
        deleted: false,
    }
}

/// John, who lacks everything that a member may lack.
pub(crate) fn bare() -> Member {
    Member {
        login_email: None,
        login_email_verified: None,
        contact_id: None,
        contact: None,
        profile: None,
        last_login_date: None,
        ..john()
    }
}

/// What is owed once John has joined.
pub(crate) fn change() -> Change {
    Change {
        site: SITE,
        member_id: JOHN,
        event_sequence: 17,
        member: Some(john()),
        event_due: true,
        cache_due: true,
        origin: Origin::JoinCommunity,
        caller: Some(Caller { identity_type: IdentityType::Member, id: JOHN.0 }),
        request_id: RequestId::parse("request-1"),
        traceparent: Some(TRACEPARENT.into()),
    }
}
