//! A whole message, as a broker delivers it: made with anything in any place, and read as the worker reads it.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use fastrand::Rng;
use futures_util::io::AsyncRead as _;
use join_community::rabbitmq::connect::sieve::Sieve;
use lapin::BasicProperties;
use lapin::protocol::{AMQPClass, basic, parse_class};
use lapin::types::ShortString;

use crate::amqp::{self, Properties, any_header, bytes, text_header};
use crate::mutate::{self, once_in, pick};

/// A token that must come out nowhere.
pub(crate) const CANARY: &str = "eyJjYW5hcnkx.eyJjYW5hcnky.Y2FuYXJ5Mw";
/// The broker user that the worker is.
pub(crate) const WORKER: &str = "join-worker";

const IDS: [&str; 6] = ["request-1", "0192f3e4-5d6a-7b8c-9d0e-1f2a3b4c5d6e", "~", "a b", "", "caf\u{e9}"];
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const HEADERS: [&str; 19] = [
    "authorization",
    "traceparent",
    "tracestate",
    "x-join-community-reason",
    "x-join-community-pointer",
    "x-join-community-error",
    "x-join-community-attempts",
    "x-join-community-attempts-unknown-member",
    "x-join-community-attempts-busy",
    "x-join-community-retries",
    "x-join-community-first-seen",
    "x-join-community-requester",
    "x-join-community-caller",
    "x-join-community-arrived",
    "x-join-community-permission",
    "x-join-community-body-size",
    "x-death",
    "x-delivery-count",
    "anything",
];
const VALUES: [&str; 14] = [
    TRACE,
    "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
    "malformed",
    "/siteId",
    "2026-11-24T10:00:00.123Z",
    "9999-12-31T23:59:59-23:59",
    "producer:member-gateway",
    "producer:somebody",
    "token:https://issuer.example:MEMBER:7d368843-6f0c-4037-8d0e-b7e36a8a0c32",
    "MEMBER:7d368843-6f0c-4037-8d0e-b7e36a8a0c32",
    "APP:14bcded700667c3514d7466cb3f09103",
    "UNKNOWN:",
    "17",
    "",
];

/// Frames with this body, and with any properties and headers.
pub(crate) fn make(rng: &mut Rng, body: &[u8]) -> Vec<u8> {
    let mut properties = Properties { message_id: Some(request_id(rng)), ..Properties::default() };
    for _ in 0..*pick(rng, &[0, 0, 1, 1, 2, 5]) {
        set(rng, &mut properties);
    }
    if once_in(rng, 3) {
        properties.user_id = Some(pick(rng, &["member-gateway", WORKER, "nobody"]).as_bytes().to_vec());
    }
    let headers: Vec<u8> = (0..*pick(rng, &[0, 0, 1, 1, 2, 8])).flat_map(|_| header(rng)).collect();
    properties.headers = (!headers.is_empty()).then_some(headers);
    let mut message = amqp::message(b"request", &properties, body);
    if once_in(rng, 16) {
        let other = message.clone();
        mutate::bytes(rng, &mut message, &other);
    }
    message
}

fn request_id(rng: &mut Rng) -> Vec<u8> {
    match rng.u32(..8) {
        0 => bytes(rng, 140),
        1 => "x".repeat(rng.usize(126..=130)).into_bytes(),
        2..=5 => pick(rng, &IDS[..3]).as_bytes().to_vec(),
        _ => pick(rng, &IDS).as_bytes().to_vec(),
    }
}

fn set(rng: &mut Rng, properties: &mut Properties) {
    let any = Some(bytes(rng, 260));
    match rng.u32(..12) {
        0 => properties.message_id = any,
        1 => {
            let kinds = ["join-community.v1", "leave-community.v1", "join-community.v2", ""];
            properties.kind = Some(pick(rng, &kinds).as_bytes().to_vec());
        }
        2 => properties.kind = any,
        3 => properties.content_type = any,
        4 | 5 => {
            let types = ["application/json", "Application/JSON; charset=utf-8", " application/json ;;", "text/plain"];
            properties.content_type = Some(pick(rng, &types).as_bytes().to_vec());
        }
        6 => properties.content_encoding = any,
        7 => properties.correlation_id = any,
        8 => properties.reply_to = any,
        9 => properties.timestamp = Some(*pick(rng, &[0, 1_795_514_400, u64::MAX, i64::MAX as u64, 253_402_300_800])),
        10 => (properties.app_id, properties.expiration) = (any.clone(), any),
        _ => (properties.priority, properties.delivery_mode) = (Some(rng.u8(..)), Some(rng.u8(..))),
    }
}

fn header(rng: &mut Rng) -> Vec<u8> {
    let name = *pick(rng, &HEADERS);
    match rng.u32(..8) {
        0 => any_header(rng, name),
        1 => text_header(name, &bytes(rng, 400)),
        2 => text_header("authorization", format!("Bearer {CANARY}").as_bytes()),
        3 => text_header(name, format!("{}{CANARY}", pick(rng, &["", "x ", "\u{e9}"])).as_bytes()),
        4 => text_header(name, "x".repeat(*pick(rng, &[511, 512, 513, 1_025, 8_185, 8_192, 8_193, 9_000])).as_bytes()),
        5 if name.contains("-attempts") => {
            [amqp::short(name.as_bytes()), vec![b'I'], rng.i32(..).to_be_bytes().to_vec()].concat()
        }
        5 if name.ends_with("permission") => [amqp::short(name.as_bytes()), vec![b't', 1]].concat(),
        _ => text_header(name, pick(rng, &VALUES).as_bytes()),
    }
}

/// What was delivered.
pub(crate) struct Delivered {
    pub(crate) exchange: ShortString,
    pub(crate) routing_key: ShortString,
    pub(crate) redelivered: bool,
    pub(crate) properties: BasicProperties,
    pub(crate) body: Vec<u8>,
}

/// Reads the first message of a stream, through the sieve and with the client library; `None` where that one would end
/// the connection. It must not, if the broker has done nothing wrong.
pub(crate) fn read(stream: &[u8]) -> Option<Delivered> {
    let sifted = sifted(stream);
    let (before, after) = (amqp::frames(stream), amqp::frames(&sifted));
    let [(amqp::METHOD, method), (amqp::PROPERTIES, properties), bodies @ ..] = after.as_slice() else { return None };
    let Ok((_, AMQPClass::Basic(basic::AMQPMethod::Deliver(deliver)))) = parse_class(*method) else { return None };
    let parsed = properties.get(12..).map(basic::parse_properties);
    let parsed = match parsed {
        Some(Ok(([], parsed))) => Some(parsed),
        _ => None,
    };
    assert!(parsed.is_some() || !amqp::is_sound(before[1].1), "sound properties would end the connection");
    let body =
        bodies.iter().take_while(|(kind, _)| *kind == amqp::BODY).flat_map(|(_, chunk)| *chunk).copied().collect();
    let basic::Deliver { exchange, routing_key, redelivered, .. } = deliver;
    Some(Delivered { exchange, routing_key, redelivered, properties: parsed?, body })
}

/// The stream after the sieve.
pub(crate) fn sifted(stream: &[u8]) -> Vec<u8> {
    drained(Sieve::new(stream), stream.len().max(1))
}

/// Reads until the end; this much at a time.
pub(crate) fn drained<S: futures_util::io::AsyncRead + Unpin>(mut sieve: Sieve<S>, room: usize) -> Vec<u8> {
    let (mut out, mut buffer) = (Vec::new(), vec![0; room]);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        match Pin::new(&mut sieve).poll_read(&mut context, &mut buffer) {
            Poll::Ready(Ok(0)) => return out,
            Poll::Ready(Ok(read)) => out.extend_from_slice(&buffer[..read]),
            other @ (Poll::Ready(_) | Poll::Pending) => panic!("the sieve answers {other:?}"),
        }
    }
}
