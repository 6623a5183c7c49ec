//! The messages: which schemas each is of, and the examples of `docs/messages.md`.

use serde_json::{Map, Value, json};

use super::reference;
use crate::contract::{schemas, vectors};
use crate::domain::Method;
use crate::wire::examples::blocks;
use crate::wire::headers::{EVENT_TYPE, request_type};

/// What a message is made of; each part the name of a schema.
struct Parts {
    title: &'static str,
    summary: &'static str,
    payload: &'static str,
    headers: Option<&'static str>,
    properties: Option<&'static str>,
    kind: Option<&'static str>,
    /// Whether it belongs to a conversation: requests and replies do, events do not.
    correlates: bool,
    /// Labels of the blocks that show it begin so.
    shown_as: &'static str,
}

const REQUEST: Parts = Parts {
    title: "Request",
    summary: "A member is to join the community of a site.",
    payload: "request",
    headers: Some("request-headers"),
    properties: Some("request-properties"),
    kind: Some(request_type(Method::Join)),
    correlates: true,
    shown_as: "request: ",
};
const LEAVE_REQUEST: Parts = Parts {
    title: "Request to leave",
    summary: "A member is to leave the community of a site. But for its `type`, a request like any other.",
    kind: Some(request_type(Method::Leave)),
    shown_as: "request: self",
    ..REQUEST
};
const SUCCESS: Parts = Parts {
    title: "Success",
    summary: "What was asked for is so.",
    payload: "reply",
    headers: Some("reply-headers"),
    properties: Some("reply-properties"),
    // One for each method.
    kind: None,
    correlates: true,
    shown_as: "reply: 200",
};
const ERROR: Parts = Parts {
    title: "Error",
    summary: "The request was not granted, and why.",
    payload: "error-reply",
    headers: Some("error-reply-headers"),
    properties: Some("reply-properties"),
    kind: None,
    correlates: true,
    shown_as: "reply: 4",
};
const EVENT: Parts = Parts {
    title: "Member updated",
    summary: "A member's record changed.",
    payload: "event",
    headers: Some("event-headers"),
    properties: Some("event-properties"),
    kind: Some(EVENT_TYPE),
    correlates: false,
    shown_as: "event: body",
};
const DEAD_LETTER: Parts = Parts {
    title: "Dead letter",
    summary: "A request that can never be decided, with why.",
    payload: "dead-letter",
    headers: Some("dead-letter-headers"),
    properties: None,
    kind: None,
    correlates: false,
    shown_as: "malformed: /siteId",
};
const UNDELIVERED: Parts = Parts {
    title: "Undelivered",
    summary: "A request that the broker dead-lettered by itself.",
    payload: "undelivered",
    headers: Some("undelivered-headers"),
    properties: None,
    kind: None,
    correlates: false,
    shown_as: "request: token",
};
const PROFILE: Parts = Parts {
    title: "Cached profile",
    summary: "What a key of the cache holds.",
    payload: "cached-profile",
    headers: None,
    properties: None,
    kind: None,
    correlates: false,
    shown_as: "profile: member",
};
const WEBHOOK: Parts = Parts {
    title: "Webhook",
    summary: "An event once more, for a receiver of HTTP, signed.",
    payload: "webhook",
    headers: None,
    properties: None,
    kind: None,
    correlates: false,
    shown_as: "webhook: ",
};

pub(super) fn messages() -> Value {
    json!({
        "request": message(&REQUEST),
        "leaveRequest": message(&LEAVE_REQUEST),
        "success": message(&SUCCESS),
        "error": message(&ERROR),
        "memberUpdated": message(&EVENT),
        "deadLetter": message(&DEAD_LETTER),
        "undelivered": message(&UNDELIVERED),
        "profile": message(&PROFILE),
        "webhook": webhook(),
    })
}

/// The one message that is no JSON as a whole. The page shows what is in it; a body with its signature is a vector.
fn webhook() -> Value {
    let mut webhook = message(&WEBHOOK);
    webhook["contentType"] = json!("text/plain; charset=utf-8");
    webhook["examples"] = signed().into_iter().collect::<Vec<_>>().into();
    webhook
}

fn signed() -> Option<Value> {
    let (_, text) = vectors::FILES.iter().find(|(name, _)| *name == "webhooks.json")?;
    let read: Value = serde_json::from_str(text).ok()?;
    let first = read.pointer("/vectors/0")?;
    Some(json!({ "name": first.get("name")?, "payload": first.get("body")? }))
}

/// What messages share.
pub(super) fn traits() -> Value {
    json!({ "json": { "contentType": "application/json" } })
}

fn message(parts: &Parts) -> Value {
    let mut message = json!({
        "title": parts.title,
        "summary": parts.summary,
        "payload": schemas::reference(parts.payload),
    });
    if let Some(headers) = parts.headers {
        message["headers"] = schemas::reference(headers);
    }
    if let Some(properties) = parts.properties {
        message["x-amqp-properties"] = schemas::reference(properties);
        message["traits"] = json!([reference("components/messageTraits/json")]);
    }
    if parts.correlates {
        message["correlationId"] = json!({
            "location": "$message.header#/correlation_id",
            "description": "The AMQP property of that name.",
        });
    }
    if let Some(kind) = parts.kind {
        message["bindings"] = json!({ "amqp": { "messageType": kind, "bindingVersion": "0.3.0" } });
    }
    message["examples"] = examples(parts.shown_as).into();
    message
}

/// The blocks of `docs/messages.md` that show a message.
fn examples(shown_as: &str) -> Vec<Value> {
    let shown = blocks().into_iter().filter(|(label, _)| label.starts_with(shown_as));
    shown.filter_map(|(label, block)| example(label, serde_json::from_str(block).ok()?)).collect()
}

fn example(label: &str, shown: Value) -> Option<Value> {
    let (kind, name) = label.split_once(": ")?;
    let mut example = Map::from_iter([("name".to_owned(), json!(name))]);
    // A reply's label begins with its status.
    if let Some(status) = name.split(' ').next().and_then(|word| word.parse::<u16>().ok()).filter(|_| kind == "reply") {
        example.insert("headers".to_owned(), json!({ "status": status }));
    }
    let payload = if kind == "profile" { json!({ "sequence": "17", "member": shown.to_string() }) } else { shown };
    example.insert("payload".to_owned(), payload);
    Some(example.into())
}
