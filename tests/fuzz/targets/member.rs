//! Members as files hold them: what is imported and exported is the same, and nothing of it is lost.

use fastrand::Rng;
use join_community::domain::{ActivityStatus, Member, PrivacyStatus, Status};
use join_community::wire::member::{Imported, InvalidMember, parse, write};
use join_community::wire::profile;
use serde_json::Value;
use time::OffsetDateTime;

use super::{Outcome, PAGE, Target, is_presentable, two};
use crate::json;
use crate::mutate::{self, once_in};
use crate::strict::is_strict;

const LARGEST: usize = 256 * 1024;
const KNOWN: [&str; 15] = [
    "id",
    "_id",
    "loginEmail",
    "loginEmailVerified",
    "status",
    "contactId",
    "contact",
    "profile",
    "privacyStatus",
    "activityStatus",
    "createdDate",
    "_createdDate",
    "updatedDate",
    "_updatedDate",
    "lastLoginDate",
];

pub(crate) struct Members {
    lines: Vec<Vec<u8>>,
}

impl Members {
    pub(crate) fn new() -> Self {
        let labels = ["import: ", "export: ", "refused member: ", "reply: 200", "profile: "];
        let mut lines: Vec<Vec<u8>> = labels.into_iter().flat_map(|label| json::blocks(PAGE, label)).collect();
        let demo = include_str!("../../../src/cli/demo/members.ndjson");
        lines.extend(demo.lines().map(|line| line.as_bytes().to_vec()));
        Self { lines }
    }

    pub(crate) fn line(&self, rng: &mut Rng) -> Vec<u8> {
        let (mut line, other) = two(rng, &self.lines);
        if !once_in(rng, 6) {
            json::mutate(rng, &mut line, other);
        }
        if once_in(rng, 8) {
            mutate::bytes(rng, &mut line, other);
        }
        if once_in(rng, 500) {
            pad(rng, &mut line);
        }
        line
    }
}

/// Around the limit of size, by a field that nobody knows.
fn pad(rng: &mut Rng, line: &mut Vec<u8>) {
    let Some(open) = line.iter().position(|byte| *byte == b'{') else { return };
    let missing = LARGEST.saturating_sub(line.len() + rng.usize(..1_500));
    let field = format!("\"padding\":\"{}\",", "x".repeat(missing));
    line.splice(open + 1..=open, field.into_bytes());
}

impl Target for Members {
    fn make(&self, rng: &mut Rng) -> Vec<u8> {
        self.line(rng)
    }

    fn check(&self, input: &[u8]) -> Outcome {
        let imported = match parse(input) {
            Ok(imported) => imported,
            Err(InvalidMember { pointer, description }) => {
                assert!(pointer.is_empty() || pointer.starts_with('/'), "{pointer:?}");
                assert!(is_presentable(&pointer) && is_presentable(&description) && !description.is_empty());
                return Outcome::Refused;
            }
        };
        assert!(input.len() <= 4 * LARGEST && is_strict(input, 60), "no strict JSON, and taken");
        let record = recorded(imported.clone());
        let mut exported = Vec::new();
        write(&record, &mut exported);
        assert!(exported.len() <= LARGEST, "{} bytes when exported", exported.len());
        for exported in [&exported, &spaced(&exported)] {
            let again = parse(exported).unwrap_or_else(|error| panic!("exported, and refused: {error}"));
            assert_eq!(recorded(again), record, "exported and imported, it is another");
        }
        loses_nothing(input, &exported);
        shows_no_secret(&record, &imported);
        Outcome::Accepted
    }
}

/// The record of an imported member, and what an import chooses where the file says nothing.
fn recorded(imported: Imported) -> Member {
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
        created_date: imported.created_date.unwrap_or(OffsetDateTime::UNIX_EPOCH),
        updated_date: imported.updated_date.unwrap_or(OffsetDateTime::UNIX_EPOCH),
        last_login_date: imported.last_login_date,
        extra: imported.extra,
        event_sequence: 0,
        deleted: false,
    }
}

/// With space between its parts, as the record keeps them.
fn spaced(json: &[u8]) -> Vec<u8> {
    let (mut out, mut in_text, mut is_escaped) = (Vec::with_capacity(json.len() * 2), false, false);
    for byte in json {
        out.push(*byte);
        in_text ^= *byte == b'"' && !is_escaped;
        is_escaped = in_text && *byte == b'\\' && !is_escaped;
        if !in_text && matches!(byte, b',' | b':') {
            out.push(b' ');
        }
    }
    out
}

/// What no version of the worker knows is there as it was, and so are texts and custom fields.
fn loses_nothing(input: &[u8], exported: &[u8]) {
    let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).expect("JSON to everybody");
    let (mut before, after) = (read(input), read(exported));
    if let Some(wrapped) = before.as_object().filter(|fields| fields.len() == 1).and_then(|fields| fields.get("member"))
    {
        before = wrapped.clone();
    }
    let fields = before.as_object().expect("a member is an object");
    for (name, value) in fields.iter().filter(|(name, _)| !KNOWN.contains(&name.as_str())) {
        assert_eq!(after.get(name), Some(value), "{name}");
    }
    for place in [
        "/loginEmail",
        "/loginEmailVerified",
        "/contact/customFields",
        "/contact/firstName",
        "/contact/phones",
        "/profile/nickname",
    ] {
        let value = before.pointer(place).filter(|value| !value.is_null());
        assert!(value.is_none() || value == after.pointer(place), "{place}: {value:?}");
    }
    let images = [("/profile/photo/_id", "/profile/photo/id"), ("/contact/addresses/0/_id", "/contact/addresses/0/id")];
    for (sdk, rest) in images {
        let value = before.pointer(sdk).filter(|value| !value.is_null());
        assert!(value.is_none() || value == after.pointer(rest), "{sdk}: {value:?}");
    }
}

/// What readers of the cache see is JSON, and holds the public fields alone.
fn shows_no_secret(record: &Member, imported: &Imported) {
    let mut shown = Vec::new();
    profile::write(record, &mut shown);
    let shown: Value = serde_json::from_slice(&shown).expect("JSON to everybody");
    let public = ["id", "contactId", "createdDate", "updatedDate", "privacyStatus", "profile"];
    assert!(shown.as_object().expect("an object").keys().all(|name| public.contains(&name.as_str())), "{shown}");
    assert_eq!(shown.get("profile").is_some(), imported.profile.is_some());
}
