//! What fits: a copy always does, since a delivery whose copy is refused by us would come back for ever.

use time::OffsetDateTime;
use uuid::Uuid;

use super::{MAX_BODY, MAX_HEADERS, fits};
use crate::domain::{Attempts, Caller, IdentityType, Proof, Requester};
use crate::wire::copy::{self, DeadLetter, DeadReason, History, Sender, WHOLE_BODY};
use crate::wire::{HeaderValue, Incoming, Outgoing, OwnHeaders};

/// As large as a message may be in every part and still be a request; only the body is the caller's choice.
fn largest(body: usize) -> Incoming {
    let text = |length: usize| Some("x".repeat(length).into());
    Incoming {
        exchange: "x".repeat(255).into(),
        routing_key: "x".repeat(255).into(),
        message_id: text(255),
        correlation_id: text(255),
        reply_to: text(255),
        authorization: text(8 * 1024),
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
        tracestate: Some(format!("a={},b={}", "x".repeat(253), "x".repeat(253)).into()),
        user_id: text(255),
        own: OwnHeaders { retries: text(64 * 1024), ..OwnHeaders::default() },
        taken_at: Some(OffsetDateTime::UNIX_EPOCH),
        body: vec![b'x'; body],
        ..Incoming::default()
    }
}

#[test]
fn every_copy_fits_however_large_what_it_copies_is() {
    let user = "x".repeat(255);
    let caller = Caller { identity_type: IdentityType::AnonymousVisitor, id: Uuid::nil() };
    let attempts = Attempts { unknown_member: u32::MAX, busy: u32::MAX, others: u32::MAX };
    // The longest that travels, and one that is too long to: then the token stays on a retried copy.
    for name in [1000, 8000] {
        let requester = Requester::producer(&"x".repeat(name));
        let proof = Proof::Token { permission: true, expired: false };
        let sender = Some(Sender { requester: &requester, caller: Some(caller), proof });
        let history = History { attempts, arrived: OffsetDateTime::UNIX_EPOCH, sender, target: None };
        let request = largest(WHOLE_BODY);
        let text = "x".repeat(100_000);
        let why = DeadLetter { reason: DeadReason::CrashLoop, pointer: Some(&text), error: &text };
        for copy in [
            copy::retry(&request, &history, &user, &user, &user),
            copy::replay(&request, &history, &user, &user, &user),
            copy::dead_letter(&largest(16 * MAX_BODY), &history, &why, &user, &user),
        ] {
            assert!(fits(&copy), "{} headers, {} bytes", copy.headers.len(), copy.body.len());
        }
    }
}

#[test]
fn what_would_close_the_connection_for_all_does_not_fit() {
    let with = |headers: usize, body: usize, key: usize| Outgoing {
        headers: vec![("x".into(), HeaderValue::Text("x".repeat(headers).into()))],
        body: vec![0; body],
        routing_key: "x".repeat(key).into(),
        ..Outgoing::default()
    };
    assert!(fits(&with(MAX_HEADERS - 9, MAX_BODY, 255)));
    for large in [with(MAX_HEADERS - 8, 0, 0), with(0, MAX_BODY + 1, 0), with(0, 0, 256)] {
        assert!(!fits(&large));
    }
}
