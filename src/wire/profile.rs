//! The public profile that the cache holds: the fieldset that everybody may see.
//!
//! Apart from the full member, so that no private field gets here by being added there.

use super::pen::Object;
use crate::domain::Member;

/// Appends the public fieldset: no e-mail, phones, addresses or custom fields.
pub fn write(member: &Member, out: &mut Vec<u8>) {
    let mut profile = Object::open(out);
    profile.guid("id", member.id.0);
    if let Some(contact_id) = member.contact_id {
        profile.guid("contactId", contact_id);
    }
    profile.instant("createdDate", member.created_date);
    profile.instant("updatedDate", member.updated_date);
    profile.word("privacyStatus", member.privacy_status.as_str());
    if let Some(details) = &member.profile {
        profile.json("profile", details);
    }
    profile.close();
}
