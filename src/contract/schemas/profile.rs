//! The public profile, and the hash that holds it in the cache.

use serde_json::{Value, json};

use super::parts::{always, instant, lower_guid, sequence};
use super::{member, reference};
use crate::domain::PrivacyStatus;

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    vec![("public-profile", public()), ("cached-profile", cached())]
}

fn public() -> Value {
    json!({
        "type": "object",
        "title": "Public profile",
        "description": "What everybody may see of a member: no e-mail, phones, addresses or custom fields.",
        "required": ["id", "createdDate", "updatedDate", "privacyStatus"],
        "properties": {
            "id": lower_guid("The member's id."),
            "contactId": lower_guid("The contact behind the member."),
            "createdDate": instant("When the member was created."),
            "updatedDate": instant("When the record last changed. May precede `createdDate`."),
            "privacyStatus": always(PrivacyStatus::Public.as_str(), "Only public members have an entry."),
            "profile": member::profile(),
        },
    })
}

fn cached() -> Value {
    json!({
        "type": "object",
        "title": "Cached profile",
        "description": "A Redis hash, each field of it text. Without `member` it is a tombstone: treat it as absent.",
        "required": ["sequence"],
        "properties": {
            "sequence": sequence("The `entityEventSequence` that the entry is of."),
            "member": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": reference("public-profile"),
                "description": "The public profile, as JSON.",
            },
        },
    })
}
