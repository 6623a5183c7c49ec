//! What copies carry, and what they must not.

use time::OffsetDateTime;
use uuid::Uuid;

use super::{DeadLetter, DeadReason, History, Sender, body_digest, dead_letter, read_back, replay, retry};
use crate::domain::{Attempts, Caller, IdentityType, MemberId, Method, Proof, Request, RequestId, Requester, SiteId};
use crate::wire::{HeaderValue, Incoming, Outgoing, headers};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const ATTEMPTS: Attempts = Attempts { unknown_member: 1, busy: 2, others: 4 };
const PRODUCER: Proof = Proof::Producer { vouches: true, may_elevate: false };

fn incoming() -> Incoming {
    Incoming {
        exchange: "join-community".into(),
        routing_key: "request".into(),
        message_id: Some("id-1".into()),
        kind: Some("join-community.v1".into()),
        content_type: Some("application/json".into()),
        correlation_id: Some("c-1".into()),
        reply_to: Some("amq.rabbitmq.reply-to.x".into()),
        user_id: Some("member-gateway".into()),
        timestamp: Some(7),
        authorization: Some("Bearer secret".into()),
        traceparent: Some(PARENT.into()),
        tracestate: Some("a=b".into()),
        body: b"{}".to_vec(),
        ..Incoming::default()
    }
}

fn request(proof: Proof) -> Request {
    let caller = Caller { identity_type: IdentityType::App, id: Uuid::nil() };
    let requester = match proof {
        Proof::Token { .. } => Requester::token("https://issuer.example", caller),
        Proof::Producer { .. } => Requester::producer("member-gateway"),
    };
    Request {
        id: RequestId::parse("id-1").unwrap(),
        method: Method::Join,
        site: SiteId(Uuid::nil()),
        target: None,
        caller,
        requester,
        elevated: None,
        proof,
        digest: [0; 32],
        attempts: ATTEMPTS,
        received_at: OffsetDateTime::UNIX_EPOCH,
        traceparent: None,
    }
}

fn history(proven: Option<&Request>) -> History<'_> {
    History {
        attempts: ATTEMPTS,
        arrived: OffsetDateTime::UNIX_EPOCH,
        sender: proven.map(Sender::of),
        target: proven.and_then(|request| request.target),
    }
}

fn header<'a>(copy: &'a Outgoing, name: &str) -> Option<&'a HeaderValue> {
    copy.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

fn text(copy: &Outgoing, name: &str) -> Option<String> {
    match header(copy, name)? {
        HeaderValue::Text(text) => Some(text.to_string()),
        other @ (HeaderValue::Number(_) | HeaderValue::Flag(_)) => panic!("{name} is {other:?}"),
    }
}

fn retried(incoming: &Incoming, proven: Option<&Request>) -> Outgoing {
    retry(incoming, &history(proven), "join-community.internal", "retry.30s", "join-worker")
}

fn buried(incoming: &Incoming, proven: Option<&Request>, error: &str) -> Outgoing {
    let why = DeadLetter { reason: DeadReason::Malformed, pointer: Some("/siteId"), error };
    dead_letter(incoming, &history(proven), &why, "join-community.internal", "join-worker")
}

#[test]
fn a_retried_copy_is_the_same_request_with_its_attempts_and_written_by_the_worker() {
    let copy = retried(&incoming(), Some(&request(PRODUCER)));
    assert_eq!((&*copy.exchange, &*copy.routing_key), ("join-community.internal", "retry.30s"));
    assert_eq!(copy.message_id.as_deref(), Some("id-1"));
    assert_eq!(copy.kind.as_deref(), Some("join-community.v1"));
    assert_eq!(copy.content_type.as_deref(), Some("application/json"));
    assert_eq!(copy.correlation_id.as_deref(), Some("c-1"));
    assert_eq!(copy.reply_to.as_deref(), Some("amq.rabbitmq.reply-to.x"));
    assert_eq!(copy.user_id.as_deref(), Some("join-worker"));
    assert!(copy.persistent && copy.body == b"{}" && copy.timestamp.is_none());
    assert_eq!(header(&copy, headers::ATTEMPTS), Some(&HeaderValue::Number(7)));
    assert_eq!(header(&copy, headers::ATTEMPTS_UNKNOWN_MEMBER), Some(&HeaderValue::Number(1)));
    assert_eq!(header(&copy, headers::ATTEMPTS_BUSY), Some(&HeaderValue::Number(2)));
    assert_eq!(text(&copy, headers::ARRIVED).as_deref(), Some("1970-01-01T00:00:00.000Z"));
    assert_eq!(text(&copy, headers::REQUESTER).as_deref(), Some("producer:member-gateway"));
    assert_eq!(text(&copy, headers::CALLER).as_deref(), Some("APP:00000000-0000-0000-0000-000000000000"));
    assert_eq!(header(&copy, headers::PERMISSION), None);
    assert_eq!(header(&copy, headers::MEMBER_ID), None, "an app that names nobody");
    assert_eq!(text(&copy, headers::TRACEPARENT).as_deref(), Some(PARENT));
    assert_eq!(text(&copy, headers::TRACESTATE).as_deref(), Some("a=b"));
}

#[test]
fn a_copy_names_the_member_that_the_request_is_about_so_that_it_goes_the_same_way() {
    let about = Request { target: Some(MemberId(Uuid::from_u128(7))), ..request(PRODUCER) };
    for copy in [retried(&incoming(), Some(&about)), buried(&incoming(), Some(&about), "")] {
        assert_eq!(text(&copy, headers::MEMBER_ID).as_deref(), Some("00000000-0000-0000-0000-000000000007"));
    }
}

#[test]
fn a_token_travels_only_where_nothing_else_can_prove_the_request() {
    let valid = request(Proof::Token { permission: true, expired: false });
    let copy = retried(&incoming(), Some(&valid));
    assert_eq!(header(&copy, headers::AUTHORIZATION), None);
    assert_eq!(header(&copy, headers::PERMISSION), Some(&HeaderValue::Flag(true)));

    let expired = request(Proof::Token { permission: true, expired: true });
    for unproven in [None, Some(&expired)] {
        let copy = retried(&incoming(), unproven);
        assert_eq!(text(&copy, headers::AUTHORIZATION).as_deref(), Some("Bearer secret"));
        assert_eq!(header(&copy, headers::REQUESTER), None);
        let letter = buried(&incoming(), unproven, "");
        assert!(!format!("{letter:?}").contains("secret"), "{letter:?}");
        assert_eq!(header(&letter, headers::REQUESTER), None);
    }
}

#[test]
fn a_dead_letter_says_why_it_is_one_and_where_it_came_from() {
    let letter = buried(&incoming(), Some(&request(PRODUCER)), "is required");
    assert_eq!((&*letter.exchange, &*letter.routing_key), ("join-community.internal", "dead-letter"));
    for (name, value) in [
        (headers::REASON, "malformed"),
        (headers::POINTER, "/siteId"),
        (headers::ERROR, "is required"),
        (headers::FIRST_SEEN, "1970-01-01T00:00:00.000Z"),
        (headers::EXCHANGE, "join-community"),
        (headers::ROUTING_KEY, "request"),
        (headers::REQUESTER, "producer:member-gateway"),
        (headers::VERSION, env!("CARGO_PKG_VERSION")),
    ] {
        assert_eq!(text(&letter, name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(header(&letter, headers::ATTEMPTS), Some(&HeaderValue::Number(7)));
    assert!(letter.persistent && letter.body == b"{}");
}

#[test]
fn of_a_body_above_64_kib_a_dead_letter_keeps_the_first_kib_and_the_digest() {
    let whole = Incoming { body: vec![b'x'; 64 * 1024], ..incoming() };
    assert_eq!(buried(&whole, None, "").body.len(), 64 * 1024);
    let large = Incoming { body: vec![b'x'; 64 * 1024 + 1], ..incoming() };
    let letter = buried(&large, None, "");
    assert_eq!(letter.body, vec![b'x'; 1024]);
    assert_eq!(header(&letter, headers::BODY_SIZE), Some(&HeaderValue::Number(65_537)));
    assert_eq!(text(&letter, headers::BODY_SHA256), Some(body_digest(&large.body)));
    assert_eq!(body_digest(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[test]
fn hostile_lengths_neither_panic_nor_exceed_a_frame() {
    let long: Box<str> = "é".repeat(40_000).into();
    let hostile = Incoming {
        exchange: long.clone(),
        routing_key: long.clone(),
        message_id: Some(long.clone()),
        kind: Some(long.clone()),
        content_type: Some(long.clone()),
        content_encoding: Some(long.clone()),
        correlation_id: Some(long.clone()),
        reply_to: Some(long.clone()),
        authorization: Some(long.clone()),
        tracestate: Some(format!("a={}", "b".repeat(250)).repeat(400).into()),
        ..incoming()
    };
    let mut requester = request(PRODUCER);
    requester.requester = Requester::producer(&long);
    let why = DeadLetter { reason: DeadReason::Permanent, pointer: Some(&long), error: &long };
    for copy in [
        retried(&hostile, Some(&requester)),
        retried(&Incoming { authorization: Some("x".repeat(8192).into()), ..hostile.clone() }, None),
        dead_letter(&hostile, &history(Some(&requester)), &why, "join-community.internal", &long),
    ] {
        let size = |(name, value): &(std::borrow::Cow<'_, str>, HeaderValue)| match value {
            HeaderValue::Text(text) => name.len() + text.len() + 6,
            HeaderValue::Number(_) | HeaderValue::Flag(_) => name.len() + 10,
        };
        let total: usize = copy.headers.iter().map(size).sum();
        assert!(total < 16 * 1024, "{total} bytes of headers");
        for short in [&copy.message_id, &copy.correlation_id, &copy.reply_to, &copy.content_encoding, &copy.user_id] {
            assert!(short.as_deref().is_none_or(|text| text.len() <= 255));
        }
        assert!(copy.kind.is_none() && copy.content_type.is_none());
    }
}

#[test]
fn invalid_trace_context_stays_behind() {
    let copy = retried(&Incoming { traceparent: Some("nonsense".into()), ..incoming() }, None);
    assert_eq!((header(&copy, headers::TRACEPARENT), header(&copy, headers::TRACESTATE)), (None, None));
}

#[test]
fn a_replayed_copy_begins_anew_and_keeps_when_it_first_arrived() {
    let copy =
        replay(&incoming(), &history(Some(&request(PRODUCER))), "join-community", "join-worker", "letter/replay");
    assert_eq!((&*copy.exchange, &*copy.routing_key), ("join-community", "request"));
    assert_eq!(header(&copy, headers::ATTEMPTS), Some(&HeaderValue::Number(0)));
    assert_eq!(text(&copy, headers::ARRIVED).as_deref(), Some("1970-01-01T00:00:00.000Z"));
    assert_eq!(text(&copy, headers::REQUESTER).as_deref(), Some("producer:member-gateway"));
    assert_eq!((copy.user_id.as_deref(), copy.body.as_slice()), (Some("join-worker"), b"{}".as_slice()));
    assert_eq!(header(&copy, headers::AUTHORIZATION), None);
    assert_eq!(header(&copy, headers::VERSION), None, "who gave it up before does not matter any more");
}

#[test]
fn the_mark_of_a_replay_goes_along_if_the_worker_wrote_it_and_a_copy_reads_as_it_was_written() {
    let first =
        replay(&incoming(), &history(Some(&request(PRODUCER))), "join-community", "join-worker", "letter/replay");
    let met = read_back(&first);
    assert_eq!((met.message_id.as_deref(), met.own.attempts), (Some("id-1"), Some(0)));
    assert_eq!(met.own.requester.as_deref(), Some("producer:member-gateway"));
    assert_eq!((met.own.replay.as_deref(), &met.body), (Some("letter/replay"), &first.body));
    for copy in [retried(&met, Some(&request(PRODUCER))), buried(&met, None, "")] {
        assert_eq!(text(&copy, headers::REPLAY).as_deref(), Some("letter/replay"));
    }
    let second = replay(&met, &history(Some(&request(PRODUCER))), "join-community", "join-worker", "other/replay");
    assert_eq!(second.headers.iter().filter(|(name, _)| name == headers::REPLAY).count(), 1);
    assert_eq!(text(&second, headers::REPLAY).as_deref(), Some("other/replay"));
    let forged = Incoming { user_id: Some("stranger".into()), ..met };
    assert_eq!(header(&retried(&forged, None), headers::REPLAY), None);
}
