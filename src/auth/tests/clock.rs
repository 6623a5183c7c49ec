//! By which clock a token is judged, and what is known of a request's past.

use std::time::Duration;

use serde_json::json;
use time::OffsetDateTime;

use super::{KEYS, NOW, WORKER, authenticator, bearing, by_user, claims_but, config, request, token, with};
use crate::auth::mint::Algorithm;
use crate::auth::{Authentication, Authenticator, Proven};
use crate::domain::{Attempts, Proof};
use crate::wire::{Incoming, OwnHeaders};

const MINUTE: Duration = Duration::from_mins(1);

fn trusting() -> Authenticator {
    let mut config = config();
    config.trust_broker_timestamps = true;
    with(&config)
}

/// A token that was valid until half an hour ago.
fn stale() -> Incoming {
    let exp = (NOW - 30 * MINUTE).unix_timestamp();
    bearing(&token(&claims_but("exp", Some(json!(exp)))))
}

fn stamped(incoming: Incoming, at: OffsetDateTime) -> Incoming {
    Incoming { timestamp: Some(at.unix_timestamp().unsigned_abs()), ..incoming }
}

fn has_expired(authenticator: &Authenticator, incoming: &Incoming) -> bool {
    let outcome = authenticator.authenticate(incoming, &request(), NOW);
    let Authentication::Proven(Proven { proof: Proof::Token { expired, .. }, .. }) = outcome else {
        panic!("{outcome:?}");
    };
    expired
}

#[test]
fn a_token_is_judged_at_processing_time_whatever_the_timestamp_says() {
    assert!(has_expired(&authenticator(), &stamped(stale(), NOW - 40 * MINUTE)));
}

#[test]
fn with_trusted_broker_time_a_token_is_judged_at_arrival_within_the_delay() {
    assert!(!has_expired(&trusting(), &stamped(stale(), NOW - 40 * MINUTE)));
    assert!(has_expired(&trusting(), &stamped(stale(), NOW - 20 * MINUTE)));
    assert!(!has_expired(&trusting(), &stamped(stale(), NOW - 60 * MINUTE)));
    assert!(has_expired(&trusting(), &stamped(stale(), NOW - 61 * MINUTE)), "longer than auth.max_queue_delay");
    assert!(has_expired(&trusting(), &stale()), "no timestamp at all");
}

#[test]
fn a_broker_clock_that_is_ahead_does_not_judge_in_the_future() {
    let exp = (NOW + MINUTE).unix_timestamp();
    let fresh = bearing(&token(&claims_but("exp", Some(json!(exp)))));
    assert!(!has_expired(&trusting(), &stamped(fresh, NOW + 30 * MINUTE)));
}

#[test]
fn a_copy_is_judged_by_the_arrival_that_the_worker_noted() {
    let own = OwnHeaders { arrived: Some("2026-11-24T09:20:00.000Z".into()), ..OwnHeaders::default() };
    let noted = Incoming { own, ..stamped(stale(), NOW) };
    let copy = Incoming { user_id: Some(WORKER.into()), ..noted.clone() };
    assert!(!has_expired(&trusting(), &copy));
    assert!(has_expired(&authenticator(), &copy));
    let forged = Incoming { user_id: Some("member-gateway".into()), ..noted };
    assert!(has_expired(&trusting(), &forged));
}

#[test]
fn a_first_delivery_arrived_when_it_was_taken_in() {
    let incoming = stamped(by_user("member-gateway"), NOW - MINUTE);
    assert_eq!(authenticator().history(&incoming, NOW + MINUTE), (Attempts::default(), NOW));
    assert_eq!(trusting().history(&incoming, NOW + MINUTE), (Attempts::default(), NOW - MINUTE));
    let unknown = Incoming { taken_at: None, ..incoming };
    assert_eq!(authenticator().history(&unknown, NOW + MINUTE), (Attempts::default(), NOW + MINUTE));
}

#[test]
fn what_the_broker_says_of_the_arrival_makes_no_older_keys_count() {
    let unknown = KEYS.sign(&claims_but("exp", Some(json!(1e300))), Algorithm::EdDsa, Some("rotated")).unwrap();
    let incoming = stamped(bearing(&unknown), NOW - 10 * MINUTE);
    assert_eq!(trusting().authenticate(&incoming, &request(), NOW), Authentication::NoKeys);
}

#[test]
fn a_copy_remembers_its_attempts_and_its_first_arrival() {
    let attempts = Attempts { unknown_member: 0, busy: 2, others: 1 };
    let copy = |arrived: &str| {
        let (attempts, attempts_busy, arrived) = (Some(3), Some(2), Some(arrived.into()));
        let own = OwnHeaders { attempts, attempts_busy, arrived, ..OwnHeaders::default() };
        authenticator().history(&Incoming { own, ..by_user(WORKER) }, NOW)
    };
    assert_eq!(copy("2026-11-24T09:59:00.000Z"), (attempts, NOW - MINUTE));
    assert_eq!(copy("2026-11-24T10:59:00.000+01:00"), (attempts, NOW - MINUTE));
    assert_eq!(copy("2026-11-24T10:01:00.000Z"), (attempts, NOW), "another worker's clock is ahead");
    assert_eq!(copy("yesterday"), (attempts, NOW));
    assert_eq!(authenticator().history(&by_user(WORKER), NOW), (Attempts::default(), NOW));
}
