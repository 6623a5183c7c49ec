//! What lies among the dead letters: copies with their reason, and what the broker put there by itself.

use serde_json::{Map, Value, json};

use super::parts::{instant, lower_guid, text, traceparent, word};
use crate::wire::copy::{DeadReason, WHOLE_BODY};
use crate::wire::headers::{
    ARRIVED, ATTEMPTS, BODY_SHA256, BODY_SIZE, CALLER, ERROR, EXCHANGE, FIRST_SEEN, MEMBER_ID, PERMISSION, POINTER,
    REASON, REPLAY, REQUESTER, RETRIES, ROUTING_KEY, TRACEPARENT, TRACESTATE, VERSION,
};

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("dead-letter", body("Dead letter", "The request's body as it came")),
        ("dead-letter-headers", headers()),
        ("undelivered", body("Request that the broker dead-lettered", "As it came")),
        ("undelivered-headers", undelivered()),
    ]
}

/// A body may be anything: that it is no JSON may be why it lies here.
fn body(title: &str, what: &str) -> Value {
    let description = format!(
        "{what}, which may be no JSON. A copy keeps {WHOLE_BODY} bytes whole, of more than that its beginning."
    );
    json!({ "title": title, "description": description })
}

fn headers() -> Value {
    let number = |description: &str| json!({ "type": "integer", "minimum": 0, "description": description });
    let properties = [
        (REASON, word(&DeadReason::ALL.map(DeadReason::as_str), "Why it is a dead letter.")),
        (POINTER, text("JSON pointer to what is malformed.")),
        (ERROR, text("What was wrong, for people; without personal data.")),
        (ATTEMPTS, number("How often it was on the retry ladder.")),
        (
            RETRIES,
            text(
                "When it went to the retry ladder, and to which rungs: `<instant> <rung>`, with commas between; the newest.",
            ),
        ),
        (FIRST_SEEN, instant("When the worker first saw it.")),
        (ARRIVED, instant("When it arrived.")),
        (EXCHANGE, text("The exchange that it was sent to.")),
        (ROUTING_KEY, text("The routing key that it was sent with.")),
        (VERSION, text("The version of the worker that gave it up; a letter of an older worker has none.")),
        (
            REQUESTER,
            text("Who is answerable, if that is proven: `token:<iss>:<identityType>:<sub>` or `producer:<user>`."),
        ),
        (CALLER, text("Who calls, if that is proven: `<identityType>:<id>`.")),
        (
            PERMISSION,
            json!({ "type": "boolean", "description": "Whether the token held the permission to act for others." }),
        ),
        (BODY_SIZE, number("The size of a body of which only the beginning was kept.")),
        (
            BODY_SHA256,
            json!({ "type": "string", "pattern": "^[0-9a-f]{64}$", "description": "SHA-256 of such a body." }),
        ),
        (MEMBER_ID, lower_guid("The member that the request is about, where it could be read.")),
        (REPLAY, text("The dead letter that it was replayed from, and by which replay.")),
        (TRACEPARENT, traceparent()),
        (TRACESTATE, traceparent()),
    ];
    let properties: Map<String, Value> =
        properties.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    json!({
        "type": "object",
        "title": "Headers of a dead letter",
        "description": "The token of a request is never among them.",
        "required": [REASON, ERROR, ATTEMPTS, FIRST_SEEN, ARRIVED, EXCHANGE, ROUTING_KEY],
        "properties": properties,
    })
}

fn undelivered() -> Value {
    json!({
        "type": "object",
        "title": "Headers of a request that the broker dead-lettered",
        "description": "Its own headers, its token among them, and what the broker adds.",
        "required": ["x-death"],
        "properties": {
            "x-death": {
                "type": "array",
                "minItems": 1,
                "items": { "type": "object" },
                "description": "RabbitMQ's history of the message, with the reason `delivery_limit` or `rejected`.",
            },
        },
    })
}
