//! The contract against the code: what schemas take, readers take; what writers write, schemas take; files are as made.

mod agreement;
mod evaluate;
mod kept;
mod sent;
mod vectors;

use serde_json::{Map, Value, json};

use crate::wire::{HeaderValue, Incoming, Outgoing};

/// The schema of this name, as its file has it.
fn schema(name: &str) -> Value {
    super::schemas::files().remove(name).unwrap_or_else(|| panic!("no schema {name}"))
}

/// Why an instance does not fit the schema of this name.
fn fits(name: &str, instance: &Value) -> Result<(), String> {
    evaluate::fits(&schema(name), instance)
}

/// A request that reads its properties and headers from objects, as the vectors write them.
fn incoming(properties: &Value, headers: &Value, body: Vec<u8>) -> Incoming {
    let text = |object: &Value, name: &str| object[name].as_str().map(Into::into);
    Incoming {
        message_id: text(properties, "message_id"),
        kind: text(properties, "type"),
        content_type: text(properties, "content_type"),
        content_encoding: text(properties, "content_encoding"),
        correlation_id: text(properties, "correlation_id"),
        reply_to: text(properties, "reply_to"),
        user_id: text(properties, "user_id"),
        timestamp: properties["timestamp"].as_u64(),
        authorization: text(headers, "authorization"),
        traceparent: text(headers, "traceparent"),
        tracestate: text(headers, "tracestate"),
        body,
        ..Incoming::default()
    }
}

/// The properties of a message as an object.
fn properties(message: &Outgoing) -> Value {
    let mut properties = Map::new();
    let texts = [
        ("message_id", message.message_id.as_deref()),
        ("type", message.kind.as_deref()),
        ("content_type", message.content_type.as_deref()),
        ("correlation_id", message.correlation_id.as_deref()),
        ("app_id", message.app_id.as_deref()),
    ];
    for (name, text) in texts {
        properties.extend(text.map(|text| (name.to_owned(), json!(text))));
    }
    properties.extend(message.timestamp.map(|at| ("timestamp".to_owned(), json!(at))));
    properties.into()
}

/// The headers of a message as an object.
fn headers(message: &Outgoing) -> Value {
    let headers = message.headers.iter().map(|(name, value)| {
        let value = match value {
            HeaderValue::Text(text) => json!(text),
            HeaderValue::Number(number) => json!(number),
            HeaderValue::Flag(flag) => json!(flag),
        };
        (name.to_string(), value)
    });
    headers.collect()
}
