//! What producers send: the body of a request, its properties, its headers.

use serde_json::{Map, Value, json};

use super::parts::{any_guid, optional_guid, request_id, text, word};
use crate::domain::{IdentityType, Method};
use crate::wire::headers::{AUTHORIZATION, MEMBER_ID, TRACEPARENT, TRACESTATE, request_type};
use crate::wire::request::{MAX_AUTHORIZATION, MAX_CORRELATION_ID, MAX_DEPTH, MAX_SIZE, MAX_TRACE, NO_IDENTITY};

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    vec![("request", body()), ("request-properties", properties()), ("request-headers", headers())]
}

fn body() -> Value {
    json!({
        "type": "object",
        "title": "Request to join or leave the community",
        "description": format!(
            "UTF-8 JSON without byte order mark. Beyond this schema: at most {MAX_SIZE} bytes, at most {MAX_DEPTH} objects \
             and arrays inside each other, no key twice in one object, no NUL in any text or key, no number beyond the \
             range of a double. Fields that are not named here are ignored; `null` in an optional field means absent."
        ),
        "x-max-bytes": MAX_SIZE,
        "x-max-depth": MAX_DEPTH,
        "required": ["siteId"],
        "properties": {
            "siteId": any_guid("The site whose community is joined or left."),
            "memberId": optional_guid(
                "The member who joins or leaves. Without it a calling member is meant; every other caller has to name one, \
                 which is checked once the caller is proven."
            ),
            "identity": identity(),
            "elevated": {
                "type": ["boolean", "null"],
                "description": "`true` asks for elevated permission, which whoever asks for somebody else needs.",
            },
        },
    })
}

/// Who calls, as the body claims: the type, and the one id that belongs to it.
fn identity() -> Value {
    let mut properties = Map::new();
    let mut words: Vec<&str> = IdentityType::ALL.iter().map(|kind| kind.as_str()).collect();
    words.push(NO_IDENTITY);
    properties.insert("identityType".to_owned(), json!({ "type": "string", "enum": words }));
    for kind in IdentityType::ALL {
        let description = format!("The id, if `identityType` is `{}`.", kind.as_str());
        properties.insert(kind.id_field().to_owned(), optional_guid(&description));
    }
    let mut kinds: Vec<Value> = IdentityType::ALL.into_iter().map(known).collect();
    kinds.push(unknown());
    json!({
        "type": ["object", "null"],
        "description": "Who calls. With a session token it may be left out; if it stands, it must be the token's.",
        "required": ["identityType"],
        "properties": properties,
        // What is `null` has no kind.
        "anyOf": [{ "type": "null" }, { "title": "exactly one id", "oneOf": kinds }],
    })
}

fn known(kind: IdentityType) -> Value {
    let mut properties = nulls(kind);
    properties.insert("identityType".to_owned(), json!({ "const": kind.as_str() }));
    properties.insert(kind.id_field().to_owned(), json!({ "type": "string" }));
    json!({ "title": kind.as_str(), "required": ["identityType", kind.id_field()], "properties": properties })
}

/// No identity: at most one id may stand, and it does not count.
fn unknown() -> Value {
    let but_one: Vec<Value> = IdentityType::ALL
        .into_iter()
        .map(|kind| json!({ "title": format!("{} or none", kind.id_field()), "properties": nulls(kind) }))
        .collect();
    json!({
        "title": NO_IDENTITY,
        "required": ["identityType"],
        "properties": { "identityType": { "const": NO_IDENTITY } },
        "anyOf": but_one,
    })
}

/// The ids of every other type, absent.
fn nulls(but: IdentityType) -> Map<String, Value> {
    let others = IdentityType::ALL.into_iter().filter(|kind| *kind != but);
    others.map(|kind| (kind.id_field().to_owned(), json!({ "type": "null" }))).collect()
}

fn properties() -> Value {
    let id = "The request id. The same id again gets the same verdict again. A UUIDv7 is cheapest to remember.";
    let media = "`application/json`, in any case, with or without parameters. Absent means the same.";
    json!({
        "type": "object",
        "title": "AMQP properties of a request",
        "description": "Lengths count in bytes. A body may not be compressed, so `content_encoding` is absent.",
        "required": ["message_id"],
        "properties": {
            "message_id": request_id(id),
            "type": word(&Method::ALL.map(request_type), "What is asked for. Absent means to join."),
            "content_type": {
                "type": "string",
                "pattern": "^ *[aA][pP][pP][lL][iI][cC][aA][tT][iI][oO][nN]/[jJ][sS][oO][nN] *(;.*)?$",
                "description": media,
            },
            "correlation_id": {
                "type": "string",
                "maxLength": MAX_CORRELATION_ID,
                "description": "Stands in the reply. Without it, the `message_id` does.",
            },
            "reply_to": text(
                "Where the reply goes: direct reply-to, or a queue that the worker's `broker.reply_queues` names."
            ),
            "user_id": text("The broker user that publishes. Needed to vouch for callers as a trusted producer."),
            "timestamp": { "type": "integer", "description": "Seconds since 1970. Decides nothing." },
            "app_id": text("Decides nothing."),
        },
        "not": { "required": ["content_encoding"] },
    })
}

fn headers() -> Value {
    let limited = |longest: usize, description: &str| json!({ "type": "string", "maxLength": longest, "description": description });
    let token = "`Bearer <session token>`. Where it stands, it is the only proof of who calls.";
    json!({
        "type": "object",
        "title": "Headers of a request",
        "description": "Lengths count in bytes. Other headers are ignored.",
        "properties": {
            AUTHORIZATION: limited(MAX_AUTHORIZATION, token),
            MEMBER_ID: text("The member that it is about, in lower case: what leads it to its queue, where there are several. It decides nothing else."),
            TRACEPARENT: limited(MAX_TRACE, "W3C trace context. What is invalid is ignored."),
            TRACESTATE: limited(MAX_TRACE, "W3C trace context, vendor part. What is invalid is ignored."),
        },
    })
}
