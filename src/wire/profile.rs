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

/// Whether two profiles say the same. Their bytes do where this worker wrote both; another spelling of the same is no
/// difference to a reader.
#[must_use]
pub fn is_same(one: &[u8], other: &[u8]) -> bool {
    let read = |json| serde_json::from_slice::<serde_json::Value>(json).ok();
    one == other || read(one).is_some_and(|one| read(other) == Some(one))
}

#[cfg(test)]
mod tests {
    use super::is_same;

    #[test]
    fn another_spelling_is_the_same_profile_and_other_words_are_not() {
        assert!(is_same(br#"{"id":"1","profile":{"a":1}}"#, br#"{ "profile": {"a": 1}, "id": "1" }"#));
        assert!(!is_same(br#"{"id":"1"}"#, br#"{"id":"2"}"#));
        assert!(is_same(b"no JSON", b"no JSON") && !is_same(b"no JSON", b"neither"));
    }
}
