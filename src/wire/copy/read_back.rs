//! A copy read back as its next reader meets it. Apart from writing copies, because it is for showing what will be made of
//! one before it is sent.

use crate::wire::{HeaderValue, Incoming, Outgoing, OwnHeaders, headers};

/// A copy as its next reader meets it: who writes one can so be shown what will be made of it.
#[must_use]
pub fn read_back(copy: &Outgoing) -> Incoming {
    let header = |name: &str| copy.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value);
    let text = |name: &str| match header(name)? {
        HeaderValue::Text(text) => Some(text.as_ref().into()),
        HeaderValue::Number(_) | HeaderValue::Flag(_) => None,
    };
    let number = |name: &str| match header(name)? {
        HeaderValue::Number(number) => u32::try_from(*number).ok(),
        HeaderValue::Text(_) | HeaderValue::Flag(_) => None,
    };
    let flag = |name: &str| match header(name)? {
        HeaderValue::Flag(flag) => Some(*flag),
        HeaderValue::Text(_) | HeaderValue::Number(_) => None,
    };
    Incoming {
        exchange: copy.exchange.as_ref().into(),
        routing_key: copy.routing_key.as_ref().into(),
        message_id: copy.message_id.clone(),
        kind: copy.kind.as_deref().map(Into::into),
        content_type: copy.content_type.as_deref().map(Into::into),
        content_encoding: copy.content_encoding.clone(),
        correlation_id: copy.correlation_id.clone(),
        reply_to: copy.reply_to.clone(),
        user_id: copy.user_id.clone(),
        timestamp: copy.timestamp,
        authorization: text(headers::AUTHORIZATION),
        traceparent: text(headers::TRACEPARENT),
        tracestate: text(headers::TRACESTATE),
        own: OwnHeaders {
            attempts: number(headers::ATTEMPTS),
            attempts_unknown_member: number(headers::ATTEMPTS_UNKNOWN_MEMBER),
            attempts_busy: number(headers::ATTEMPTS_BUSY),
            retries: text(headers::RETRIES),
            arrived: text(headers::ARRIVED),
            requester: text(headers::REQUESTER),
            caller: text(headers::CALLER),
            replay: text(headers::REPLAY),
            permission: flag(headers::PERMISSION),
        },
        body: copy.body.clone(),
        redelivered: false,
        taken_at: None,
    }
}
