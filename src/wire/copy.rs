//! The copies of a request that the worker writes: for the retry ladder, and for the dead letters.
//! Separate, because what a copy carries decides what its next reader may believe: everything here is built from nothing.

use std::borrow::Cow;

use aws_lc_rs::digest::{SHA256, digest};
use time::OffsetDateTime;

use super::request::trace;
use super::{HeaderValue, Incoming, Outgoing, headers, instant};
use crate::domain::{Attempts, Caller, MemberId, Proof, Request, Requester};

/// Longest short string of AMQP, in bytes.
const SHORT: usize = 255;
/// Longest session token that a copy keeps; longer ones make a request malformed.
const TOKEN: usize = 8 * 1024;
/// Longest `tracestate`.
const TRACESTATE: usize = 512;
/// Longest requester, pointer and error in a header: together with the rest they stay far below 16 KiB, because a
/// header that exceeds a frame closes the connection for everybody.
const TEXT: usize = 1024;
/// Longest mark of a replay: two ids.
const MARK: usize = 64;
/// Up to this size the body of a dead letter is kept whole.
pub const WHOLE_BODY: usize = 64 * 1024;
/// What is kept of a larger one.
const HEAD_OF_BODY: usize = 1024;

/// What is known of a request's past.
#[derive(Clone, Copy, Debug)]
pub struct History<'a> {
    /// How often it was on the ladder; in a copy that goes there, this time included.
    pub attempts: Attempts,
    /// When it first arrived.
    pub arrived: OffsetDateTime,
    /// Who sent it, if that is proven.
    pub sender: Option<Sender<'a>>,
    /// The member it is about, if that is proven: the copy goes through the same queue as all about this member.
    pub target: Option<MemberId>,
}

/// Who sent a request, as far as a copy can carry it.
#[derive(Clone, Copy, Debug)]
pub struct Sender<'a> {
    /// Who is answerable.
    pub requester: &'a Requester,
    /// Who calls; `None` if that stands in a body that nobody has read.
    pub caller: Option<Caller>,
    /// How that was proven.
    pub proof: Proof,
}

impl<'a> Sender<'a> {
    /// The sender of a request.
    #[must_use]
    pub const fn of(request: &'a Request) -> Self {
        Self { requester: &request.requester, caller: Some(request.caller), proof: request.proof }
    }
}

/// Why the worker dead-letters a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeadReason {
    /// It is no request.
    Malformed,
    /// Its id was used for another request before.
    Conflict,
    /// Its member's record was locked too long.
    Busy,
    /// The database refuses it, it alone, and would refuse it again.
    Permanent,
    /// The worker ended each time that it handled it.
    CrashLoop,
}

impl DeadReason {
    /// Every reason.
    pub const ALL: [Self; 5] = [Self::Malformed, Self::Conflict, Self::Busy, Self::Permanent, Self::CrashLoop];

    /// The word in the header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Conflict => "conflict",
            Self::Busy => "busy",
            Self::Permanent => "permanent",
            Self::CrashLoop => "crash_loop",
        }
    }
}

/// What is said of a dead letter.
#[derive(Clone, Copy, Debug)]
pub struct DeadLetter<'a> {
    /// Why it is one.
    pub reason: DeadReason,
    /// JSON pointer to what is malformed.
    pub pointer: Option<&'a str>,
    /// What was wrong, in words; without personal data.
    pub error: &'a str,
}

/// The copy that waits on a rung of the ladder. It keeps its token only where nothing else proves it.
#[must_use]
pub fn retry(incoming: &Incoming, history: &History<'_>, exchange: &str, routing_key: &str, user: &str) -> Outgoing {
    let mut copy = base(incoming, history, exchange, routing_key, user);
    carry_on(&mut copy, incoming, history, history.attempts);
    if let Some(retries) = retries::once_more(incoming, routing_key, user) {
        push(&mut copy, headers::RETRIES, &retries);
    }
    copy
}

/// The copy that goes back to where requests come from, its ladder all before it. For dead letters that are replayed.
#[must_use]
pub fn replay(incoming: &Incoming, history: &History<'_>, exchange: &str, user: &str, mark: &str) -> Outgoing {
    let mut copy = base(incoming, history, exchange, headers::REQUEST_KEY, user);
    carry_on(&mut copy, incoming, history, Attempts::default());
    // Not the mark of a replay before this one.
    copy.headers.retain(|(name, _)| name != headers::REPLAY);
    push(&mut copy, headers::REPLAY, cut(mark, MARK));
    copy
}

/// The copy that lies among the dead letters, with why it does. It never keeps a token.
#[must_use]
pub fn dead_letter(
    incoming: &Incoming,
    history: &History<'_>,
    why: &DeadLetter<'_>,
    exchange: &str,
    user: &str,
) -> Outgoing {
    let mut copy = base(incoming, history, exchange, headers::DEAD_LETTER_KEY, user);
    copy.content_encoding = short(incoming.content_encoding.as_deref());
    copy.headers.push((headers::ATTEMPTS.into(), HeaderValue::Number(history.attempts.total().into())));
    if let Some(retries) = retries::so_far(incoming, user) {
        push(&mut copy, headers::RETRIES, cut(retries, TEXT));
    }
    push(&mut copy, headers::REASON, why.reason.as_str());
    if let Some(pointer) = why.pointer {
        push(&mut copy, headers::POINTER, cut(pointer, TEXT));
    }
    push(&mut copy, headers::ERROR, cut(why.error, TEXT));
    push(&mut copy, headers::FIRST_SEEN, &instant::text(history.arrived));
    push(&mut copy, headers::EXCHANGE, cut(&incoming.exchange, SHORT));
    push(&mut copy, headers::ROUTING_KEY, cut(&incoming.routing_key, SHORT));
    push(&mut copy, headers::VERSION, env!("CARGO_PKG_VERSION"));
    let body = &incoming.body;
    if body.len() > WHOLE_BODY {
        let size = i64::try_from(body.len()).unwrap_or(i64::MAX);
        copy.headers.push((headers::BODY_SIZE.into(), HeaderValue::Number(size)));
        push(&mut copy, headers::BODY_SHA256, &body_digest(body));
        copy.body = body.iter().copied().take(HEAD_OF_BODY).collect();
    } else {
        copy.body.clone_from(body);
    }
    copy
}

/// SHA-256 of a body in hexadecimal: names a message in a log without showing it.
#[must_use]
pub fn body_digest(body: &[u8]) -> String {
    hex(digest(&SHA256, body).as_ref())
}

/// Bytes in hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles.filter_map(|nibble| char::from_digit(nibble.into(), 16)).collect()
}

/// What a copy needs beside its properties to be taken for the same request.
fn carry_on(copy: &mut Outgoing, incoming: &Incoming, history: &History<'_>, attempts: Attempts) {
    for (header, attempts) in [
        (headers::ATTEMPTS, attempts.total()),
        (headers::ATTEMPTS_UNKNOWN_MEMBER, attempts.unknown_member),
        (headers::ATTEMPTS_BUSY, attempts.busy),
    ] {
        copy.headers.push((header.into(), HeaderValue::Number(attempts.into())));
    }
    if travelling(history).is_none()
        && let Some(token) = incoming.authorization.as_deref().filter(|token| token.len() <= TOKEN)
    {
        push(copy, headers::AUTHORIZATION, token);
    }
    copy.body.clone_from(&incoming.body);
}

/// What all copies share.
fn base(incoming: &Incoming, history: &History<'_>, exchange: &str, routing_key: &str, user: &str) -> Outgoing {
    let mut copy = Outgoing {
        exchange: exchange.to_owned().into(),
        routing_key: routing_key.to_owned().into(),
        message_id: short(incoming.message_id.as_deref()),
        kind: short(incoming.kind.as_deref()).map(|kind| String::from(kind).into()),
        content_type: short(incoming.content_type.as_deref()).map(|kind| String::from(kind).into()),
        correlation_id: short(incoming.correlation_id.as_deref()),
        reply_to: short(incoming.reply_to.as_deref()),
        user_id: short(Some(user)),
        app_id: Some(env!("CARGO_PKG_NAME").into()),
        persistent: true,
        ..Outgoing::default()
    };
    push(&mut copy, headers::ARRIVED, &instant::text(history.arrived));
    if let Some(member) = history.target {
        push(&mut copy, headers::MEMBER_ID, &member.to_string());
    }
    // Whatever becomes of a request that was replayed, it leads back to the letter that it was.
    if let Some(mark) = incoming.own.replay.as_deref().filter(|_| incoming.user_id.as_deref() == Some(user)) {
        push(&mut copy, headers::REPLAY, cut(mark, MARK));
    }
    if let Some(sender) = travelling(history) {
        push(&mut copy, headers::REQUESTER, sender.requester.as_str());
        if let Some(caller) = sender.caller {
            push(&mut copy, headers::CALLER, &caller.to_string());
        }
        if let Proof::Token { permission, .. } = sender.proof {
            copy.headers.push((headers::PERMISSION.into(), HeaderValue::Flag(permission)));
        }
    }
    if let Some(parent) = incoming.traceparent.as_deref().and_then(trace::parent) {
        push(&mut copy, headers::TRACEPARENT, &parent);
        let state = incoming.tracestate.as_deref().filter(|state| state.len() <= TRACESTATE).and_then(trace::state);
        if let Some(state) = state {
            push(&mut copy, headers::TRACESTATE, &state);
        }
    }
    copy
}

/// The sender whose proof the copy's own headers can carry. They have no word for expiry: a copy without its expired
/// token would turn it into a valid one.
fn travelling<'a>(history: &History<'a>) -> Option<Sender<'a>> {
    history.sender.filter(|sender| {
        let expired = match sender.proof {
            Proof::Token { expired, .. } => expired,
            Proof::Producer { .. } => false,
        };
        !expired && sender.requester.as_str().len() <= TEXT
    })
}

fn push(copy: &mut Outgoing, name: &'static str, value: &str) {
    copy.headers.push((name.into(), HeaderValue::Text(Cow::Owned(value.to_owned()))));
}

fn short(value: Option<&str>) -> Option<Box<str>> {
    value.filter(|value| value.len() <= SHORT).map(Into::into)
}

fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

mod read_back;
mod retries;
#[cfg(test)]
mod tests;

pub use read_back::read_back;
pub use retries::BETWEEN;
