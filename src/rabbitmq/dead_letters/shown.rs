//! A dead letter as it is shown: in a list, or whole. Nothing that comes out of here holds a token.

use std::borrow::Cow;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};
use serde::Serialize;
use serde_json::{Map, Value};

use super::history::Past;
use super::letter::Letter;
use super::mask::{MASKED, is_secret, mask};
use crate::wire::copy::hex;
use crate::wire::instant;

/// Deeper than any legitimate header; a deeper one is not unfolded.
const MAX_DEPTH: usize = 8;

/// A line of the list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary<'a> {
    /// Names the dead letter.
    pub id: &'a str,
    /// The request's id.
    pub request_id: Option<Cow<'a, str>>,
    /// Why it is one.
    pub reason: Option<&'a str>,
    /// JSON pointer to what is malformed.
    pub pointer: Option<Cow<'a, str>>,
    /// How often it was on the ladder.
    pub attempts: Option<u32>,
    /// When it was first seen.
    pub first_seen: Option<String>,
}

/// All of it, tokens masked.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Whole<'a> {
    /// As in the list.
    #[serde(flatten)]
    pub summary: Summary<'a>,
    /// What was wrong, in words.
    pub error: Option<Cow<'a, str>>,
    /// When it went to the retry ladder, and when the broker took it out of a queue; the oldest first.
    pub history: &'a [Past],
    /// Whether the broker vouches that the worker wrote it. If not, its headers prove nothing.
    pub written_by_worker: bool,
    /// The AMQP properties.
    pub properties: Map<String, Value>,
    /// The headers.
    pub headers: Map<String, Value>,
    /// The size of the body as it came.
    pub body_size: i64,
    /// Whether only the beginning of the body was kept.
    pub body_cut: bool,
    /// The body, if it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Cow<'a, str>>,
    /// The body in hexadecimal, if it is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_hex: Option<String>,
}

impl Letter {
    /// As a line of the list.
    #[must_use]
    pub fn summary(&self) -> Summary<'_> {
        Summary {
            id: &self.id,
            // A producer may have put its token anywhere: into the request id, or into a key that the pointer names.
            request_id: self.incoming.message_id.as_deref().map(mask),
            reason: self.reason,
            pointer: self.pointer.as_deref().map(mask),
            attempts: self.attempts,
            first_seen: self.first_seen.map(instant::text),
        }
    }

    /// Whole, tokens masked.
    #[must_use]
    pub fn whole(&self) -> Whole<'_> {
        let body = &self.incoming.body;
        let text = std::str::from_utf8(body).ok();
        Whole {
            summary: self.summary(),
            error: self.error.as_deref().map(mask),
            history: &self.history,
            written_by_worker: self.written_by_worker,
            properties: properties(self.properties()),
            headers: self.properties().headers().as_ref().map(|table| object(table, 0)).unwrap_or_default(),
            body_size: self.cut_from.unwrap_or_else(|| i64::try_from(body.len()).unwrap_or(i64::MAX)),
            body_cut: self.cut_from.is_some(),
            body: text.map(mask),
            body_hex: text.is_none().then(|| hex(body)),
        }
    }
}

fn properties(properties: &BasicProperties) -> Map<String, Value> {
    let texts = [
        ("messageId", properties.message_id()),
        ("type", properties.kind()),
        ("contentType", properties.content_type()),
        ("contentEncoding", properties.content_encoding()),
        ("correlationId", properties.correlation_id()),
        ("replyTo", properties.reply_to()),
        ("userId", properties.user_id()),
        ("appId", properties.app_id()),
        ("expiration", properties.expiration()),
    ];
    let mut shown: Map<String, Value> = texts
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), mask(value.as_ref()?.as_str()).into())))
        .collect();
    let numbers = [
        ("timestamp", *properties.timestamp()),
        ("deliveryMode", properties.delivery_mode().map(u64::from)),
        ("priority", properties.priority().map(u64::from)),
    ];
    shown.extend(numbers.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into()))));
    shown
}

fn object(table: &FieldTable, depth: usize) -> Map<String, Value> {
    let shown = |name: &str, value| if is_secret(name) { MASKED.into() } else { json(value, depth) };
    table.inner().iter().map(|(name, value)| (mask(name.as_str()).into_owned(), shown(name.as_str(), value))).collect()
}

fn json(value: &AMQPValue, depth: usize) -> Value {
    match value {
        AMQPValue::Boolean(flag) => (*flag).into(),
        AMQPValue::ShortShortInt(number) => (*number).into(),
        AMQPValue::ShortShortUInt(number) => (*number).into(),
        AMQPValue::ShortInt(number) => (*number).into(),
        AMQPValue::ShortUInt(number) => (*number).into(),
        AMQPValue::LongInt(number) => (*number).into(),
        AMQPValue::LongUInt(number) => (*number).into(),
        AMQPValue::LongLongInt(number) => (*number).into(),
        AMQPValue::Timestamp(seconds) => (*seconds).into(),
        AMQPValue::Float(number) => f64::from(*number).into(),
        AMQPValue::Double(number) => (*number).into(),
        AMQPValue::DecimalValue(number) => format!("{}e-{}", number.value, number.scale).into(),
        AMQPValue::ShortString(text) => mask(text.as_str()).into(),
        AMQPValue::LongString(text) => bytes(text.as_bytes()),
        AMQPValue::ByteArray(array) => bytes(array.as_slice()),
        AMQPValue::FieldArray(_) | AMQPValue::FieldTable(_) if depth >= MAX_DEPTH => "(too deep)".into(),
        AMQPValue::FieldArray(array) => array.as_slice().iter().map(|value| json(value, depth + 1)).collect(),
        AMQPValue::FieldTable(table) => object(table, depth + 1).into(),
        AMQPValue::Void => Value::Null,
    }
}

fn bytes(bytes: &[u8]) -> Value {
    std::str::from_utf8(bytes).map_or_else(|_| hex(bytes), |text| mask(text).into_owned()).into()
}
