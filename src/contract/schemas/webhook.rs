//! The webhook: a signed text, its claims, and what they say. Texts lie within texts, as receivers of the Members API expect.

use serde_json::{Value, json};

use super::parts::{always, lower_guid};
use super::reference;
use crate::wire::headers::EVENT_TYPE;

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    vec![("webhook", body()), ("webhook-claims", claims()), ("webhook-data", data())]
}

fn body() -> Value {
    json!({
        "type": "string",
        "title": "Webhook",
        "description": "A compact JWT, signed with RS256 and without `kid`: the whole body. Verify it as it came, with the \
            operator's public key and no other algorithm.",
        "pattern": "^[A-Za-z0-9_-]+[.][A-Za-z0-9_-]+[.][A-Za-z0-9_-]+$",
        "contentMediaType": "application/jwt",
        "contentSchema": reference("webhook-claims"),
    })
}

fn claims() -> Value {
    let seconds = |description: &str| json!({ "type": "integer", "description": description });
    json!({
        "type": "object",
        "title": "Claims of a webhook",
        "description": "Ignore claims that you do not know.",
        "required": ["data", "iat", "exp"],
        "properties": {
            "data": json_text("webhook-data", "What the webhook says, as JSON."),
            "iat": seconds("When it was signed, in seconds since 1970. Each further try sends the same bytes."),
            "exp": seconds("Until when it counts, in seconds since 1970: beyond the last try."),
        },
    })
}

fn data() -> Value {
    json!({
        "type": "object",
        "title": "Data of a webhook",
        "description": "An event, and where it belongs. Ignore fields that you do not know.",
        "required": ["eventType", "instanceId", "data"],
        "properties": {
            "eventType": always(EVENT_TYPE, "The event's type."),
            "instanceId": lower_guid("The member's site."),
            "data": json_text("event", "The event's body, as JSON. It may come more than once, and out of order."),
            "identity": json_text("identity", "Who caused the change, as JSON; absent where nobody knows."),
            "accountInfo": {
                "type": "object",
                "description": "Absent where no account is configured.",
                "required": ["accountId", "siteId"],
                "properties": {
                    "accountId": lower_guid("The account that the site belongs to."),
                    "siteId": lower_guid("The member's site."),
                },
            },
        },
    })
}

/// A text that holds JSON of the schema of this name.
fn json_text(name: &str, description: &str) -> Value {
    json!({
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": reference(name),
        "description": description,
    })
}
