//! A delivery of `lapin`, read into plain types.

use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use time::OffsetDateTime;

use crate::domain::to_millis;
use crate::wire::{Incoming, OwnHeaders, headers};

/// Reads a delivery. Nothing is checked: the result is as untrusted as the delivery.
#[must_use]
pub fn incoming(delivery: Delivery) -> Incoming {
    from_parts(&delivery.exchange, &delivery.routing_key, delivery.redelivered, &delivery.properties, delivery.data)
}

/// Reads a message that was fetched by any other way than consuming.
#[must_use]
pub fn from_parts(
    exchange: &ShortString,
    routing_key: &ShortString,
    redelivered: bool,
    properties: &BasicProperties,
    body: Vec<u8>,
) -> Incoming {
    let mut incoming = Incoming {
        exchange: exchange.as_str().into(),
        routing_key: routing_key.as_str().into(),
        redelivered,
        message_id: short(properties.message_id().as_ref()),
        kind: short(properties.kind().as_ref()),
        content_type: short(properties.content_type().as_ref()),
        content_encoding: short(properties.content_encoding().as_ref()),
        correlation_id: short(properties.correlation_id().as_ref()),
        reply_to: short(properties.reply_to().as_ref()),
        user_id: short(properties.user_id().as_ref()),
        timestamp: *properties.timestamp(),
        body,
        taken_at: Some(to_millis(OffsetDateTime::now_utc())),
        ..Incoming::default()
    };
    if let Some(table) = properties.headers().as_ref() {
        read_headers(table, &mut incoming);
    }
    incoming
}

fn read_headers(table: &FieldTable, incoming: &mut Incoming) {
    let header = |name: &str| table.inner().get(name);
    let counter = |name: &str| header(name).and_then(number).and_then(|count| u32::try_from(count).ok());
    incoming.authorization = header(headers::AUTHORIZATION).map(text);
    incoming.traceparent = header(headers::TRACEPARENT).map(text);
    incoming.tracestate = header(headers::TRACESTATE).map(text);
    let attempts = counter(headers::ATTEMPTS);
    incoming.own = OwnHeaders {
        attempts,
        attempts_unknown_member: counter(headers::ATTEMPTS_UNKNOWN_MEMBER),
        attempts_busy: counter(headers::ATTEMPTS_BUSY),
        // Nobody looks for it in what was never on the ladder.
        retries: attempts.and_then(|_| header(headers::RETRIES)).map(text),
        arrived: header(headers::ARRIVED).map(text),
        requester: header(headers::REQUESTER).map(text),
        caller: header(headers::CALLER).map(text),
        replay: header(headers::REPLAY).map(text),
        permission: header(headers::PERMISSION).and_then(AMQPValue::as_bool),
    };
}

fn short(value: Option<&ShortString>) -> Option<Box<str>> {
    value.map(|value| value.as_str().into())
}

/// The text of a header; empty for a value that is no text, which no check takes for valid.
fn text(value: &AMQPValue) -> Box<str> {
    let long = value.as_long_string().map(|text| std::str::from_utf8(text.as_bytes()).unwrap_or_default());
    long.or_else(|| value.as_short_string().map(ShortString::as_str)).unwrap_or_default().into()
}

pub(super) fn number(value: &AMQPValue) -> Option<i64> {
    let small = value.as_short_short_int().map(i64::from).or_else(|| value.as_short_short_uint().map(i64::from));
    let short = value.as_short_int().map(i64::from).or_else(|| value.as_short_uint().map(i64::from));
    let long = value.as_long_int().map(i64::from).or_else(|| value.as_long_uint().map(i64::from));
    small.or(short).or(long).or_else(|| value.as_long_long_int())
}
