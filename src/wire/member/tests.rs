//! Members read, recorded and written again: what must survive, what is refused, and the samples that people start from.

mod refused;
mod survives;

use serde_json::Value;

use super::super::sample::{bare, john};
use super::{Imported, parse, write};
use crate::domain::{ActivityStatus, Json, Member, PrivacyStatus, Status};

/// The record of an imported member who lacks nothing, or what an import may choose where it does.
pub(in crate::wire) fn recorded(imported: Imported) -> Member {
    Member {
        id: imported.id,
        login_email: imported.login_email,
        login_email_verified: imported.login_email_verified,
        status: imported.status.unwrap_or(Status::Approved),
        privacy_status: imported.privacy_status.unwrap_or(PrivacyStatus::Private),
        activity_status: imported.activity_status.unwrap_or(ActivityStatus::Active),
        contact_id: imported.contact_id,
        contact: imported.contact,
        profile: imported.profile,
        created_date: imported.created_date.unwrap_or(time::OffsetDateTime::UNIX_EPOCH),
        updated_date: imported.updated_date.unwrap_or(time::OffsetDateTime::UNIX_EPOCH),
        last_login_date: imported.last_login_date,
        extra: imported.extra,
        event_sequence: 0,
        deleted: false,
    }
}

fn written(member: &Member) -> String {
    let mut out = Vec::new();
    write(member, &mut out);
    String::from_utf8(out).unwrap()
}

/// The first sample of the method's documentation, as the function answers it: wrapped, in REST names.
const JOHN: &str = r#"{
    "member": {
        "createdDate": "2024-02-22T13:52:00Z", "id": "7d368843-6f0c-4037-8d0e-b7e36a8a0c32",
        "updatedDate": "2024-02-22T13:52:00.674Z", "activityStatus": "ACTIVE",
        "contact": {
            "contactId": "ff20c02e-3d13-4412-9529-d628aa0abc12", "firstName": "John", "lastName": "Doe",
            "phones": [], "emails": [], "addresses": [], "customFields": {}
        },
        "contactId": "ff20c02e-3d13-4412-9529-d628aa0abc12", "lastLoginDate": "2024-02-29T11:40:21Z",
        "loginEmail": "johndoe@example.com", "loginEmailVerified": true, "privacyStatus": "PUBLIC",
        "profile": {
            "nickname": "John Doe", "slug": "johndoe",
            "photo": { "id": "", "url": "https://example.com/newphoto.jpg", "height": 0, "width": 0 }
        },
        "status": "APPROVED"
    }
}"#;

/// The second one: not wrapped, in SDK names.
const CLAUDE: &str = r#"{
    "_id": "f32cbc51-a331-442b-86c2-2c664613e8b9", "_createdDate": "2021-08-02T23:14:42.000Z",
    "_updatedDate": "2021-08-02T23:14:58.345Z", "lastLoginDate": "2021-08-04T11:02:44.000Z",
    "contactId": "f32cbc51-a331-442b-86c2-2c664613e8b9", "loginEmail": "claude.morales@example.com",
    "loginEmailVerified": true, "status": "APPROVED", "privacyStatus": "PUBLIC", "activityStatus": "ACTIVE",
    "contact": {
        "firstName": "Claude", "lastName": "Morales", "phones": ["0747-769-460"],
        "emails": ["claude.morales@example.com"],
        "addresses": [{
            "_id": "f0f4d905-488d-44db-9080-fc29078cfad5", "addressLine": "9373 Park Avenue",
            "addressLine2": "Berkshire", "city": "Ely", "subdivision": "GB-ENG", "country": "GB", "postalCode": "PD50 8EU"
        }],
        "customFields": {}
    },
    "profile": { "nickname": "Claude Morales", "slug": "claudemorales" }
}"#;

#[test]
fn the_first_documented_sample_is_johns_record() {
    let imported = recorded(parse(JOHN.as_bytes()).unwrap());
    let updated_date = time::macros::datetime!(2024-02-22 13:52:00.674 UTC);
    assert_eq!(imported, Member { updated_date, event_sequence: 0, ..john() });
}

#[test]
fn the_second_documented_sample_comes_out_whole_in_rest_names() {
    let rest =
        CLAUDE.replace("_createdDate", "createdDate").replace("_updatedDate", "updatedDate").replace("_id", "id");
    let expected: Value = serde_json::from_str(&rest).unwrap();
    let imported = recorded(parse(CLAUDE.as_bytes()).unwrap());
    assert_eq!(serde_json::from_str::<Value>(&written(&imported)).unwrap(), expected);
}

#[test]
fn a_member_is_written_in_one_order_and_absent_stays_absent() {
    let nobody = bare();
    let bare = concat!(
        r#"{"id":"7d368843-6f0c-4037-8d0e-b7e36a8a0c32","status":"APPROVED","privacyStatus":"PUBLIC","#,
        r#""activityStatus":"ACTIVE","createdDate":"2024-02-22T13:52:00.000Z","updatedDate":"2026-11-24T10:00:00.123Z""#
    );
    assert_eq!(written(&nobody), format!("{bare}}}"));
    let with = |extra: &str| written(&Member { extra: Some(Json(extra.into())), ..nobody.clone() });
    assert_eq!(with(r#" {"tier": "gold"} "#), format!(r#"{bare},"tier": "gold"}}"#));
    for nothing in ["{}", "{ }", "null", "[1]", "7", ""] {
        assert_eq!(with(nothing), format!("{bare}}}"), "{nothing:?}");
    }
    let null = Some(Json("null".into()));
    assert_eq!(written(&Member { contact: null.clone(), profile: null, ..nobody.clone() }), format!("{bare}}}"));
}

#[test]
fn text_is_escaped_on_its_way_out() {
    let email = "\"quoted\\\"@example.com\n\u{1}é\u{2028}";
    let member = Member { login_email: Some(email.into()), ..john() };
    let value: Value = serde_json::from_str(&written(&member)).unwrap();
    assert_eq!(value["loginEmail"], email);
}
