//! The request and the member that instructions are counted with: as the documentation shows them.

use join_community::domain::{
    ActivityStatus, Attempts, Caller, Change, Gate, IdentityType, Json, Member, MemberId, Method, Origin,
    PrivacyStatus, Proof, Request, RequestId, Requester, SiteId, Standing, Status,
};
use join_community::wire::Incoming;
use time::macros::datetime;
use uuid::{Uuid, uuid};

pub(crate) const SITE: SiteId = SiteId(uuid!("6b0e7f1a-8c0d-4f3e-9a57-2d1c4b5e6f70"));
const JOHN: MemberId = MemberId(uuid!("7d368843-6f0c-4037-8d0e-b7e36a8a0c32"));
const CONTACT_ID: Uuid = uuid!("ff20c02e-3d13-4412-9529-d628aa0abc12");
const CALLER: Caller = Caller { identity_type: IdentityType::Member, id: JOHN.0 };
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const BODY: &str = r#"{"siteId":"6b0e7f1a-8c0d-4f3e-9a57-2d1c4b5e6f70","memberId":"7d368843-6f0c-4037-8d0e-b7e36a8a0c32","identity":{"identityType":"MEMBER","memberId":"7d368843-6f0c-4037-8d0e-b7e36a8a0c32"}}"#;
/// The producer that is trusted.
pub(crate) const PRODUCER: &str = "member-gateway";
const ID: &str = "0192f3d1-9c6e-7b44-8a3b-2f6d9e0c1a57";
const CONTACT: &str = r#"{"contactId":"ff20c02e-3d13-4412-9529-d628aa0abc12","firstName":"John","lastName":"Doe","phones":[],"emails":[],"addresses":[],"customFields":{}}"#;
const PROFILE: &str = r#"{"nickname":"John Doe","slug":"johndoe","photo":{"id":"","url":"https://example.com/newphoto.jpg","height":0,"width":0}}"#;

pub(crate) fn incoming() -> Incoming {
    Incoming {
        exchange: "join-community".into(),
        routing_key: "join".into(),
        message_id: Some(ID.into()),
        kind: Some("join-community.v1".into()),
        content_type: Some("application/json".into()),
        user_id: Some(PRODUCER.into()),
        traceparent: Some(TRACEPARENT.into()),
        body: BODY.into(),
        ..Incoming::default()
    }
}

pub(crate) fn request() -> Request {
    Request {
        id: RequestId::parse(ID).expect("an id"),
        method: Method::Join,
        site: SITE,
        target: Some(JOHN),
        caller: CALLER,
        requester: Requester::producer(PRODUCER),
        elevated: None,
        proof: Proof::Producer { vouches: true, may_elevate: false },
        digest: [7; 32],
        attempts: Attempts::default(),
        received_at: datetime!(2026-11-24 10:00 UTC),
        traceparent: Some(TRACEPARENT.into()),
    }
}

pub(crate) fn member() -> Member {
    Member {
        id: JOHN,
        login_email: Some("johndoe@example.com".into()),
        login_email_verified: Some(true),
        status: Status::Approved,
        privacy_status: PrivacyStatus::Private,
        activity_status: ActivityStatus::Active,
        contact_id: Some(CONTACT_ID),
        contact: Some(Json(CONTACT.into())),
        profile: Some(Json(PROFILE.into())),
        created_date: datetime!(2024-02-22 13:52:00 UTC),
        updated_date: datetime!(2024-02-22 13:52:00 UTC),
        last_login_date: Some(datetime!(2024-02-29 11:40:21 UTC)),
        extra: None,
        event_sequence: 16,
        deleted: false,
    }
}

pub(crate) fn standing() -> Standing {
    Standing { recorded: None, member: Some(member()), gate: Gate::default() }
}

pub(crate) fn change() -> Change {
    Change {
        site: SITE,
        member_id: JOHN,
        event_sequence: 17,
        member: Some(member().becoming(PrivacyStatus::Public, datetime!(2026-11-24 10:00 UTC))),
        event_due: true,
        cache_due: true,
        origin: Origin::JoinCommunity,
        caller: Some(CALLER),
        request_id: RequestId::parse(ID),
        traceparent: Some(TRACEPARENT.into()),
    }
}
