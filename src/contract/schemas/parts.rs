//! What several schemas are made of: GUIDs, instants, sequences, traces.
//!
//! Apart, because one spelling serves all of them. Patterns are anchored and paired with a length, since a `$` matches
//! before a final line feed in some languages; they use nothing but ASCII classes, which every dialect reads alike.

use serde_json::{Value, json};

use crate::wire::request::MAX_TRACE;

/// Length of a GUID.
const GUID: usize = uuid::fmt::Hyphenated::LENGTH;

/// A GUID as producers may spell it: 36 characters, in any case.
pub(super) fn any_guid(description: &str) -> Value {
    guid("0-9a-fA-F", description)
}

/// The same, or `null` for absent.
pub(super) fn optional_guid(description: &str) -> Value {
    let mut guid = any_guid(description);
    guid["type"] = json!(["string", "null"]);
    guid
}

/// A GUID as the worker spells it: in lower case.
pub(super) fn lower_guid(description: &str) -> Value {
    guid("0-9a-f", description)
}

fn guid(class: &str, description: &str) -> Value {
    let groups = [8, 4, 4, 4, 12].map(|length| format!("[{class}]{{{length}}}")).join("-");
    json!({ "type": "string", "format": "uuid", "pattern": format!("^{groups}$"), "maxLength": GUID, "description": description })
}

/// An instant as the worker spells it: UTC, with milliseconds.
pub(super) fn instant(description: &str) -> Value {
    json!({
        "type": "string", "format": "date-time", "maxLength": 24, "description": description,
        "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}Z$",
    })
}

/// A sequence: 64 bits, which JSON numbers do not hold, and so text.
pub(super) fn sequence(description: &str) -> Value {
    json!({ "type": "string", "pattern": "^(0|[1-9][0-9]*)$", "maxLength": 19, "description": description })
}

/// A request id.
pub(super) fn request_id(description: &str) -> Value {
    let longest = crate::domain::RequestId::MAX_LENGTH;
    json!({ "type": "string", "pattern": "^[!-~]+$", "maxLength": longest, "description": description })
}

/// W3C trace context, as the worker passes it on.
pub(super) fn traceparent() -> Value {
    json!({ "type": "string", "maxLength": MAX_TRACE, "description": "W3C trace context." })
}

/// Text without a form of its own.
pub(super) fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

/// One of a few words.
pub(super) fn word(words: &[&str], description: &str) -> Value {
    json!({ "type": "string", "enum": words, "description": description })
}

/// Always the same text.
pub(super) fn always(text: &str, description: &str) -> Value {
    json!({ "type": "string", "const": text, "description": description })
}

/// The body's media type.
pub(super) fn json_content() -> Value {
    always("application/json", "The body's media type.")
}
