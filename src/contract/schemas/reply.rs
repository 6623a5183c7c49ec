//! What the sender of a request is told: a member, or an error of one of two kinds.

use serde_json::{Value, json};

use super::parts::{json_content, text, traceparent, word};
use super::reference;
use crate::domain::{Method, Verdict};
use crate::wire::headers::{TRACEPARENT, reply_type};
use crate::wire::request::MAX_CORRELATION_ID;
use crate::wire::rule;

/// Code of an error whose caller is not proven.
const UNAUTHENTICATED: &str = "UNAUTHENTICATED";
const SUCCESS: u16 = 200;
const INVALID: u16 = 400;

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    vec![
        ("reply", success()),
        ("error-reply", error()),
        ("reply-properties", properties()),
        ("reply-headers", headers("Headers of a success", &[SUCCESS])),
        ("error-reply-headers", headers("Headers of an error", &statuses())),
    ]
}

fn success() -> Value {
    json!({
        "type": "object",
        "title": "Success",
        "description": "The member as it is now: in the community, or out of it; also if it was so before.",
        "required": ["member"],
        "properties": { "member": reference("member") },
    })
}

fn error() -> Value {
    json!({
        "type": "object",
        "title": "Error",
        "description": "Why the request was not granted, in the envelope of the Members API. Never holds a member's data.",
        "required": ["message", "details"],
        "properties": {
            "message": text("What happened, for people. Its wording is not promised."),
            "details": {
                "type": "object",
                "oneOf": [
                    { "title": "applicationError", "required": ["applicationError"],
                      "properties": { "applicationError": application_error() } },
                    { "title": "validationError", "required": ["validationError"],
                      "properties": { "validationError": validation_error() } },
                ],
            },
        },
    })
}

fn application_error() -> Value {
    let codes: Vec<&str> = codes();
    let by_code: Vec<Value> = codes.iter().map(|code| of_code(code)).collect();
    json!({
        "type": "object",
        "required": ["code", "description", "data"],
        "properties": {
            "code": word(&codes, "What programs decide by."),
            "description": text("What to do about it, for people. Its wording is not promised."),
            "data": { "type": "object" },
        },
        "oneOf": by_code,
    })
}

/// The codes of all rejections, each once.
fn codes() -> Vec<&'static str> {
    let mut codes: Vec<_> = Verdict::ALL.iter().filter_map(|verdict| verdict.code()).collect();
    codes.push(UNAUTHENTICATED);
    codes.sort_unstable();
    codes.dedup();
    codes
}

/// What `data` says beside a code.
fn of_code(code: &str) -> Value {
    let of_code = Verdict::ALL.iter().filter(|verdict| verdict.code() == Some(code));
    let reasons: Vec<&str> = of_code.filter_map(|verdict| verdict.reason()).collect();
    let data = if code == UNAUTHENTICATED {
        // The words for why a proof fails grow with the ways in which one can: consumers decide by the code.
        let reason = json!({
            "type": "string",
            "pattern": "^[A-Z_]+$",
            "description": "Why the proof failed. The list grows: decide by the code.",
            "examples": reasons.iter().copied().chain(crate::domain::refusal::ALL).collect::<Vec<_>>(),
        });
        json!({ "required": ["reason"], "properties": { "reason": reason } })
    } else if reasons.is_empty() {
        json!({ "type": "object" })
    } else {
        json!({ "required": ["reason"], "properties": { "reason": word(&reasons, "The state that forbids it.") } })
    };
    json!({ "title": code, "properties": { "code": { "const": code }, "data": data } })
}

fn validation_error() -> Value {
    json!({
        "type": "object",
        "required": ["fieldViolations"],
        "properties": {
            "fieldViolations": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["field", "description", "violatedRule"],
                    "properties": {
                        "field": text("The body's field in dotted form, `body` for all of it, or the property."),
                        "description": text("What is wrong, and what would be right. Its wording is not promised."),
                        "violatedRule": word(&rule::ALL, "What programs decide by."),
                    },
                },
            },
        },
    })
}

fn properties() -> Value {
    json!({
        "type": "object",
        "title": "AMQP properties of a reply",
        "description": "Transient and unconfirmed: it may be lost, and it may come twice.",
        "required": ["type", "content_type"],
        "properties": {
            "type": word(&Method::ALL.map(reply_type), "Tells a reply from other messages of the queue, and what it answers."),
            "content_type": json_content(),
            "correlation_id": {
                "type": "string",
                "maxLength": MAX_CORRELATION_ID,
                "description": "The request's `correlation_id`, else its `message_id`; absent if it had neither.",
            },
        },
    })
}

fn statuses() -> Vec<u16> {
    let mut statuses: Vec<u16> = Verdict::ALL.iter().map(|verdict| verdict.status()).collect();
    statuses.push(INVALID);
    statuses.retain(|status| *status != SUCCESS);
    statuses.sort_unstable();
    statuses.dedup();
    statuses
}

fn headers(title: &str, statuses: &[u16]) -> Value {
    json!({
        "type": "object",
        "title": title,
        "required": ["status"],
        "properties": {
            "status": { "type": "integer", "enum": statuses, "description": "As HTTP counts them." },
            TRACEPARENT: traceparent(),
        },
    })
}
