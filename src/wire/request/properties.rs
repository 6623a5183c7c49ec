//! The properties and headers of a request: what must stand, what may, and how long.
//!
//! Apart from the body, because these need no parsing, and are checked before a byte of the body is read.

use std::ops::RangeInclusive;

use super::super::headers::asked_for;
use super::super::{Incoming, rule};
use super::Malformed;
use crate::domain::{Method, RequestId};

/// Longest `correlation_id`, in bytes.
pub const MAX_CORRELATION_ID: usize = 255;
/// Longest `authorization`, in bytes.
pub const MAX_AUTHORIZATION: usize = 8 * 1024;
/// Longest `traceparent` and `tracestate`, in bytes each.
pub const MAX_TRACE: usize = 512;

/// Checks everything but the body.
pub(super) fn check(incoming: &Incoming) -> Result<(RequestId, Method), Malformed> {
    let id = request_id(incoming.message_id.as_deref())?;
    let method = asked_for(incoming.kind.as_deref()).ok_or_else(|| {
        malformed("type", rule::UNKNOWN_VALUE, "must be `join-community.v1`, `leave-community.v1`, or absent to join")
    })?;
    if incoming.content_type.as_deref().is_some_and(|content_type| !is_json(content_type)) {
        return Err(malformed("contentType", rule::UNKNOWN_VALUE, "must be `application/json` or absent"));
    }
    if incoming.content_encoding.is_some() {
        let plain = "must be absent: send the body as it is, not compressed";
        return Err(malformed("contentEncoding", rule::UNKNOWN_VALUE, plain));
    }
    for (field, value, longest) in [
        ("correlationId", &incoming.correlation_id, MAX_CORRELATION_ID),
        ("authorization", &incoming.authorization, MAX_AUTHORIZATION),
        ("traceparent", &incoming.traceparent, MAX_TRACE),
        ("tracestate", &incoming.tracestate, MAX_TRACE),
    ] {
        if value.as_deref().is_some_and(|value| value.len() > longest) {
            return Err(malformed(field, rule::MAX_LENGTH, format!("must not be longer than {longest} bytes")));
        }
    }
    Ok((id, method))
}

fn request_id(message_id: Option<&str>) -> Result<RequestId, Malformed> {
    const LENGTH: RangeInclusive<usize> = 1..=RequestId::MAX_LENGTH;
    let text = message_id.unwrap_or_default();
    RequestId::parse(text).ok_or_else(|| match (text.is_empty(), LENGTH.contains(&text.len())) {
        (true, _) => {
            malformed("messageId", rule::REQUIRED, "is required: give every request an id of its own, say a UUIDv7")
        }
        (false, true) => malformed("messageId", rule::FORMAT, "must be visible ASCII characters, without spaces"),
        (false, false) => malformed("messageId", rule::MAX_LENGTH, "must not be longer than 128 characters"),
    })
}

/// A media type compares in any case; its parameters say nothing that JSON does not fix.
fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type.trim().eq_ignore_ascii_case("application/json")
}

fn malformed(field: &str, rule: &'static str, description: impl Into<String>) -> Malformed {
    Malformed { pointer: None, field: field.to_owned(), rule, description: description.into() }
}
