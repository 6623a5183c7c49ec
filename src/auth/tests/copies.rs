//! Copies: what the worker once proved stands, what it entitles to is looked up again.

use super::{APP, ISSUER, MEMBER, NOW, WORKER, authenticator, by_user, config, gateway, request, request_by, with};
use crate::auth::{Authentication, Authenticator, Proven, refusal};
use crate::domain::{Attempts, Caller, Proof, Requester};
use crate::wire::request::Claim;
use crate::wire::{Incoming, OwnHeaders};

fn own(requester: &Requester, caller: Caller, permission: Option<bool>) -> OwnHeaders {
    OwnHeaders {
        attempts: Some(2),
        attempts_unknown_member: None,
        attempts_busy: Some(1),
        retries: None,
        arrived: Some("2026-11-24T09:58:00.000Z".into()),
        requester: Some(requester.as_str().into()),
        caller: Some(caller.to_string().into()),
        replay: None,
        permission,
    }
}

fn copy(own: OwnHeaders) -> Incoming {
    Incoming { own, ..by_user(WORKER) }
}

fn by_token() -> OwnHeaders {
    own(&Requester::token(ISSUER, MEMBER), MEMBER, Some(true))
}

fn by_gateway() -> OwnHeaders {
    own(&Requester::producer("member-gateway"), MEMBER, None)
}

fn outcome(authenticator: &Authenticator, incoming: &Incoming) -> Authentication {
    authenticator.authenticate(incoming, &request(), NOW)
}

#[test]
fn a_copy_carries_the_proof_of_its_token() {
    for permission in [true, false] {
        let requester = Requester::token(ISSUER, MEMBER);
        let copy = copy(own(&requester, MEMBER, Some(permission)));
        let proof = Proof::Token { permission, expired: false };
        let expected = Authentication::Proven(Proven { caller: MEMBER, requester, proof });
        assert_eq!(outcome(&authenticator(), &copy), expected);
    }
}

#[test]
fn a_copy_of_a_producers_request_is_worth_what_the_producer_is_worth_now() {
    let requester = Requester::producer("member-gateway");
    let proven = |vouches, may_elevate| {
        let proof = Proof::Producer { vouches, may_elevate };
        Authentication::Proven(Proven { caller: MEMBER, requester: requester.clone(), proof })
    };
    assert_eq!(outcome(&authenticator(), &copy(by_gateway())), proven(true, false));

    let mut changed = config();
    changed.producers = vec![gateway(&["APP"], &["*"])];
    changed.producers[0].may_elevate = true;
    assert_eq!(outcome(&with(&changed), &copy(by_gateway())), proven(false, true));
    changed.producers = vec![gateway(&["MEMBER"], &[&APP.id.to_string()])];
    assert_eq!(outcome(&with(&changed), &copy(by_gateway())), proven(false, false));
    changed.producers.clear();
    let withdrawn = Authentication::Refused(refusal::PRODUCER_WITHDRAWN);
    assert_eq!(outcome(&with(&changed), &copy(by_gateway())), withdrawn);
}

#[test]
fn a_copy_is_not_proven_by_an_issuer_that_is_trusted_no_more() {
    let withdrawn = Authentication::Refused(refusal::ISSUER_WITHDRAWN);
    let mut moved = config();
    moved.issuer = "https://another.example".to_owned();
    assert_eq!(outcome(&with(&moved), &copy(by_token())), withdrawn);
    let without_keys = Authenticator::new(&config(), WORKER, None).unwrap();
    assert_eq!(outcome(&without_keys, &copy(by_token())), withdrawn);
}

#[test]
fn the_same_headers_by_anybody_else_prove_nothing() {
    for own in [by_token(), by_gateway()] {
        for user in [None, Some("stranger"), Some("Worker"), Some("")] {
            let forged = Incoming { user_id: user.map(Into::into), ..copy(own.clone()) };
            assert_eq!(outcome(&authenticator(), &forged), Authentication::Refused(refusal::NO_PROOF), "{user:?}");
            assert_eq!(authenticator().own_headers(&forged), None);
            assert_eq!(authenticator().history(&forged, NOW), (Attempts::default(), NOW));
        }
        let forged = Incoming { user_id: Some("member-gateway".into()), ..copy(own) };
        let outcome = authenticator().authenticate(&forged, &request_by(Claim::Caller(APP)), NOW);
        let proof = Proof::Producer { vouches: false, may_elevate: false };
        let requester = Requester::producer("member-gateway");
        assert_eq!(outcome, Authentication::Proven(Proven { caller: APP, requester, proof }), "its own word alone");
    }
}

#[test]
fn headers_that_say_too_little_or_contradict_each_other_prove_nothing() {
    let damaged = |change: fn(&mut OwnHeaders)| {
        let mut own = by_token();
        change(&mut own);
        outcome(&authenticator(), &copy(own))
    };
    let refused = Authentication::Refused;
    assert_eq!(damaged(|own| own.requester = None), refused(refusal::NO_PROOF));
    assert_eq!(damaged(|own| own.caller = None), refused(refusal::NO_PROOF));
    assert_eq!(damaged(|own| *own = OwnHeaders::default()), refused(refusal::NO_PROOF));
    assert_eq!(damaged(|own| own.requester = Some("somebody".into())), refused(refusal::COPY_DAMAGED));
    assert_eq!(damaged(|own| own.caller = Some("UNKNOWN:x".into())), refused(refusal::COPY_DAMAGED));
    assert_eq!(damaged(|own| own.permission = None), refused(refusal::COPY_DAMAGED));
    assert_eq!(damaged(|own| own.caller = Some(APP.to_string().into())), refused(refusal::ISSUER_WITHDRAWN));
}

#[test]
fn the_body_of_a_copy_says_nothing_of_its_caller_any_more() {
    let authenticator = authenticator();
    let outcome = authenticator.authenticate(&copy(by_gateway()), &request_by(Claim::Unknown), NOW);
    assert!(matches!(outcome, Authentication::Proven(Proven { caller: MEMBER, .. })), "{outcome:?}");
}

#[test]
fn a_worker_that_publishes_a_request_is_no_producer() {
    let mut request = request_by(Claim::Caller(MEMBER));
    request.body.elevated = Some(true);
    let outcome = authenticator().authenticate(&by_user(WORKER), &request, NOW);
    assert_eq!(outcome, Authentication::Refused(refusal::NO_PROOF));
}

#[test]
fn a_copy_that_was_never_read_is_worth_what_its_producer_says_in_the_body() {
    let authenticator = authenticator();
    let (requester, caller, _) = authenticator.unread_sender(&by_user("member-gateway")).unwrap();
    assert_eq!((requester.as_str(), caller), ("producer:member-gateway", None));
    let unread = copy(OwnHeaders { caller: None, ..by_gateway() });
    let read_late = authenticator.authenticate(&unread, &request_by(Claim::Caller(APP)), NOW);
    let read_at_once = authenticator.authenticate(&by_user("member-gateway"), &request_by(Claim::Caller(APP)), NOW);
    assert_eq!(read_late, read_at_once);
    let stranger = OwnHeaders { requester: Some("producer:stranger".into()), ..OwnHeaders::default() };
    let by_stranger = authenticator.authenticate(&copy(stranger), &request_by(Claim::Caller(APP)), NOW);
    assert_eq!(by_stranger, Authentication::Refused(refusal::NO_PROOF));
}

#[test]
fn who_sent_what_is_not_to_be_read_is_told_by_the_broker_alone_and_never_beside_a_token() {
    let authenticator = authenticator();
    let (requester, caller, proof) = authenticator.unread_sender(&copy(by_token())).unwrap();
    let permitted = Proof::Token { permission: true, expired: false };
    assert_eq!((requester, caller, proof), (Requester::token(ISSUER, MEMBER), Some(MEMBER), permitted));
    // Its token may be false: the producer's word, or the worker's, must not take its place.
    for incoming in [by_user("member-gateway"), copy(by_gateway())] {
        let with_token = Incoming { authorization: Some("Bearer x".into()), ..incoming };
        assert_eq!(authenticator.unread_sender(&with_token), None);
    }
    assert_eq!(authenticator.unread_sender(&Incoming::default()), None);
    assert_eq!(authenticator.unread_sender(&copy(OwnHeaders::default())), None);
}
