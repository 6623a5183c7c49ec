//! A key that is not known: when that is a reason to refuse, and when to wait.

use std::time::Duration;

use serde_json::json;
use time::OffsetDateTime;

use super::{KEYS, NOW, WORKER, bearing, by_user, claims, config, issuer_set, keys, request, token};
use crate::auth::mint::{Algorithm, DevelopmentKeys};
use crate::auth::{Authentication, Authenticator, refusal};
use crate::wire::{Incoming, OwnHeaders};

const MINUTE: Duration = Duration::from_mins(1);
const UNKNOWN: Authentication = Authentication::Refused(refusal::TOKEN_KEY_UNKNOWN);

/// Knows this set, as it was at that moment.
fn knowing(set: &serde_json::Value, as_of: OffsetDateTime) -> Authenticator {
    Authenticator::new(&config(), WORKER, Some(keys(Some((set, as_of))))).unwrap()
}

fn unknown() -> String {
    KEYS.sign(&claims(), Algorithm::EdDsa, Some("rotated")).unwrap()
}

/// A clock may be ahead by this; `config` says so.
const LEEWAY: Duration = Duration::from_secs(30);

#[test]
fn an_unknown_key_refuses_only_after_a_read_that_surely_began_after_the_request_came() {
    let incoming = bearing(&unknown());
    let surely = NOW + LEEWAY;
    for (as_of, expected) in [
        (NOW, Authentication::NoKeys),
        (surely - Duration::from_millis(1), Authentication::NoKeys),
        (surely, UNKNOWN),
        (surely + MINUTE, UNKNOWN),
    ] {
        let outcome = knowing(&issuer_set(), as_of).authenticate(&incoming, &request(), NOW + MINUTE);
        assert_eq!(outcome, expected, "read at {as_of}");
    }
}

#[test]
fn an_empty_set_is_knowledge_once_it_is_younger_than_the_request() {
    let (empty, incoming) = (json!({ "keys": [] }), bearing(&token(&claims())));
    let outcome = |as_of| knowing(&empty, as_of).authenticate(&incoming, &request(), NOW);
    assert_eq!(outcome(NOW - MINUTE), Authentication::NoKeys);
    assert_eq!(outcome(NOW + LEEWAY), UNKNOWN);
    assert_eq!(knowing(&empty, NOW).keys_missing(), None);
}

#[test]
fn before_any_set_was_read_only_what_no_key_could_cure_is_refused() {
    let authenticator = Authenticator::new(&config(), WORKER, Some(keys(None))).unwrap();
    let outcome = |token: &str| authenticator.authenticate(&bearing(token), &request(), NOW);
    assert_eq!(outcome(&token(&claims())), Authentication::NoKeys);
    assert_eq!(outcome("x.y.z"), Authentication::Refused(refusal::TOKEN_MALFORMED));
    assert_eq!(authenticator.keys_missing().unwrap(), "no keys from auth.jwks = issuer.json: not read yet");
}

#[test]
fn a_token_that_names_no_key_may_mean_one_that_is_not_read_yet() {
    let newer = DevelopmentKeys::unsaved().sign(&claims(), Algorithm::Es256, None).unwrap();
    let outcome = |as_of| knowing(&issuer_set(), as_of).authenticate(&bearing(&newer), &request(), NOW);
    assert_eq!(outcome(NOW - MINUTE), Authentication::NoKeys);
    assert_eq!(outcome(NOW + LEEWAY), Authentication::Refused(refusal::TOKEN_SIGNATURE));
}

#[test]
fn a_copy_arrived_when_its_first_delivery_did() {
    let own = OwnHeaders { attempts: Some(1), arrived: Some("2026-11-24T09:00:00.000Z".into()), ..Default::default() };
    let copy =
        |user: &str| Incoming { own: own.clone(), authorization: bearing(&unknown()).authorization, ..by_user(user) };
    let authenticator = knowing(&issuer_set(), NOW - MINUTE);
    assert_eq!(authenticator.authenticate(&copy(WORKER), &request(), NOW), UNKNOWN);
    let outcome = authenticator.authenticate(&copy("member-gateway"), &request(), NOW);
    assert_eq!(outcome, Authentication::NoKeys, "what others write into these headers does not count");
}

#[test]
fn a_key_that_was_rotated_in_is_used_as_soon_as_it_is_read() {
    let next = DevelopmentKeys::unsaved();
    let incoming = bearing(&next.sign(&claims(), Algorithm::EdDsa, Some(next.kid(Algorithm::EdDsa))).unwrap());
    let before = knowing(&issuer_set(), NOW - MINUTE);
    assert_eq!(before.authenticate(&incoming, &request(), NOW), Authentication::NoKeys);
    let after = knowing(&serde_json::to_value(next.public()).unwrap(), NOW);
    assert!(matches!(after.authenticate(&incoming, &request(), NOW), Authentication::Proven(_)));
}
