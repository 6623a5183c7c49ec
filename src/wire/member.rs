//! The full member record in REST names, for events, replies and exports; and its import.
//!
//! Writing is apart from reading: what is written is our own record, what is read is anybody's file.

mod import;
mod masked;
mod rewrite;
mod shape;

#[cfg(test)]
pub(super) mod tests;

#[cfg(feature = "worker")]
pub(crate) use shape::{Field, MEMBER, Shape};

pub use import::{Imported, InvalidMember, parse};
pub use masked::{MASKED, fields, mask};
#[cfg(test)]
pub(super) use rewrite::squeeze;

use super::pen::Object;
use crate::domain::Member;

/// Appends the full member. Absent stays absent; contact, profile and extra pass through as they stand in the record.
pub fn write(member: &Member, out: &mut Vec<u8>) {
    let mut object = Object::open(out);
    object.guid("id", member.id.0);
    if let Some(email) = &member.login_email {
        object.text("loginEmail", email);
    }
    if let Some(verified) = member.login_email_verified {
        object.flag("loginEmailVerified", verified);
    }
    object.word("status", member.status.as_str());
    if let Some(contact_id) = member.contact_id {
        object.guid("contactId", contact_id);
    }
    if let Some(contact) = &member.contact {
        object.json("contact", contact);
    }
    if let Some(profile) = &member.profile {
        object.json("profile", profile);
    }
    object.word("privacyStatus", member.privacy_status.as_str());
    object.word("activityStatus", member.activity_status.as_str());
    object.instant("createdDate", member.created_date);
    object.instant("updatedDate", member.updated_date);
    if let Some(last_login_date) = member.last_login_date {
        object.instant("lastLoginDate", last_login_date);
    }
    if let Some(extra) = &member.extra {
        object.splice(extra);
    }
    object.close();
}
