//! Session tokens as an issuer signs them: which prove their caller, and which do not.

use std::time::Duration;

use serde_json::{Value, json};

use super::{APP, AUDIENCE, ISSUER, KEYS, MEMBER, NOW, authenticator, bearing, by_user, claims, claims_but, judge};
use super::{config, request, request_by, token};
use crate::auth::claims::{Claims, Object};
use crate::auth::mint::Algorithm;
use crate::auth::{Authentication, Authenticator, Proven, refusal};
use crate::domain::{Proof, Requester};
use crate::wire::Incoming;
use crate::wire::request::Claim;

fn proven(permission: bool, expired: bool) -> Authentication {
    let requester = Requester::token(ISSUER, MEMBER);
    Authentication::Proven(Proven { caller: MEMBER, requester, proof: Proof::Token { permission, expired } })
}

#[test]
fn a_token_in_each_allowed_algorithm_proves_its_caller() {
    for algorithm in Algorithm::ALL {
        let token = KEYS.sign(&claims(), algorithm, Some(KEYS.kid(algorithm))).unwrap();
        let outcome = authenticator().authenticate(&bearing(&token), &request(), NOW);
        assert_eq!(outcome, proven(false, false), "{algorithm}");
    }
}

#[test]
fn what_an_honest_issuer_may_write_otherwise_is_taken() {
    let upper = json!(MEMBER.id.to_string().to_uppercase());
    let soon = (NOW + Duration::from_mins(1)).unix_timestamp();
    let taken = [
        ("aud", json!(["other", AUDIENCE])),
        ("sub", upper),
        ("exp", json!(format!("{soon}.5").parse::<f64>().unwrap())),
        ("exp", json!(1e300)),
        ("nbf", json!(NOW.unix_timestamp() + 29)),
        ("jti", json!("a random one")),
        ("request_id", json!("request-1")),
        ("permissions", json!([])),
        ("permissions", json!(["members.member_join_community"])),
    ];
    for (claim, value) in taken {
        assert_eq!(judge(&claims_but(claim, Some(value.clone()))), proven(false, false), "{claim}: {value}");
    }
}

#[test]
fn the_permission_to_act_for_others_is_found_among_others() {
    let permissions = json!(["MEMBERS.READ", "MEMBERS.MEMBER_JOIN_COMMUNITY"]);
    assert_eq!(judge(&claims_but("permissions", Some(permissions))), proven(true, false));
}

#[test]
fn a_claim_that_is_wrong_or_of_another_type_refuses_the_token() {
    let refused = [
        ("exp", Some(json!("1795514400")), refusal::TOKEN_CLAIMS),
        ("exp", Some(Value::Null), refusal::TOKEN_CLAIMS),
        ("exp", Some(json!(true)), refusal::TOKEN_CLAIMS),
        ("exp", None, refusal::TOKEN_CLAIMS),
        ("nbf", Some(json!("0")), refusal::TOKEN_CLAIMS),
        ("nbf", Some(Value::Null), refusal::TOKEN_CLAIMS),
        ("nbf", Some(json!(NOW.unix_timestamp() + 31)), refusal::TOKEN_NOT_YET_VALID),
        ("iss", Some(json!("https://issuer.example/")), refusal::TOKEN_ISSUER),
        ("iss", Some(json!([ISSUER])), refusal::TOKEN_CLAIMS),
        ("iss", None, refusal::TOKEN_CLAIMS),
        ("aud", Some(json!("another")), refusal::TOKEN_AUDIENCE),
        ("aud", Some(json!(["another"])), refusal::TOKEN_AUDIENCE),
        ("aud", Some(json!([])), refusal::TOKEN_AUDIENCE),
        ("aud", Some(json!([AUDIENCE, 1])), refusal::TOKEN_CLAIMS),
        ("aud", None, refusal::TOKEN_CLAIMS),
        ("siteId", Some(json!(APP.id.to_string())), refusal::TOKEN_SITE),
        ("siteId", Some(json!("*")), refusal::TOKEN_CLAIMS),
        ("siteId", None, refusal::TOKEN_CLAIMS),
        ("identityType", Some(json!("UNKNOWN")), refusal::UNKNOWN_IDENTITY),
        ("identityType", Some(json!("member")), refusal::UNKNOWN_IDENTITY),
        ("identityType", Some(json!(1)), refusal::TOKEN_CLAIMS),
        ("identityType", None, refusal::UNKNOWN_IDENTITY),
        ("sub", Some(json!("me")), refusal::TOKEN_CLAIMS),
        ("sub", Some(json!(MEMBER.id.simple().to_string())), refusal::TOKEN_CLAIMS),
        ("sub", None, refusal::TOKEN_CLAIMS),
        ("permissions", Some(json!("MEMBERS.MEMBER_JOIN_COMMUNITY")), refusal::TOKEN_CLAIMS),
        ("permissions", Some(json!(["MEMBERS.MEMBER_JOIN_COMMUNITY", 1])), refusal::TOKEN_CLAIMS),
        ("permissions", Some(Value::Null), refusal::TOKEN_CLAIMS),
        ("request_id", Some(json!("request-2")), refusal::TOKEN_REQUEST_ID),
        ("request_id", Some(json!(1)), refusal::TOKEN_CLAIMS),
        ("request_id", Some(Value::Null), refusal::TOKEN_CLAIMS),
    ];
    for (claim, value, reason) in refused {
        let outcome = judge(&claims_but(claim, value.clone()));
        assert_eq!(outcome, Authentication::Refused(reason), "{claim}: {value:?}");
    }
}

#[test]
fn an_array_is_no_payload_although_its_items_are_the_claims_in_order() {
    let id = MEMBER.id.to_string();
    let payload = json!([ISSUER, AUDIENCE, 9e9, 0, id, super::SITE.to_string(), "MEMBER", [], "request-1"]);
    assert_eq!(judge(&payload), Authentication::Refused(refusal::TOKEN_CLAIMS));
    assert!(serde_json::from_value::<Claims>(payload.clone()).is_ok(), "else the next line would show nothing");
    assert!(serde_json::from_value::<Object<Claims>>(payload).is_err(), "refused here, not by luck elsewhere");
    for payload in [json!([claims()]), json!(7), Value::Null, json!("x")] {
        assert_eq!(judge(&payload), Authentication::Refused(refusal::TOKEN_CLAIMS), "{payload}");
    }
}

#[test]
fn an_expired_token_proves_its_caller_and_that_it_has_expired() {
    let exp = |seconds: i64| claims_but("exp", Some(json!(NOW.unix_timestamp() + seconds)));
    assert_eq!(judge(&exp(-29)), proven(false, false), "within the leeway");
    assert_eq!(judge(&exp(-30)), proven(false, true));
    assert_eq!(judge(&exp(-1_000_000)), proven(false, true));
}

#[test]
fn an_expired_token_that_is_wrong_otherwise_proves_nothing() {
    let mut expired = claims_but("exp", Some(json!(0)));
    expired["siteId"] = json!(APP.id.to_string());
    assert_eq!(judge(&expired), Authentication::Refused(refusal::TOKEN_SITE));
}

#[test]
fn the_identity_in_the_body_has_to_be_the_tokens_caller() {
    let incoming = bearing(&token(&claims()));
    let outcome = |identity| authenticator().authenticate(&incoming, &request_by(identity), NOW);
    assert_eq!(outcome(Claim::Caller(MEMBER)), proven(false, false));
    for identity in [Claim::Caller(APP), Claim::Unknown] {
        assert_eq!(outcome(identity), Authentication::Refused(refusal::TOKEN_IDENTITY), "{identity:?}");
    }
}

#[test]
fn a_token_that_fails_is_not_helped_by_a_trusted_producer_or_by_the_worker_itself() {
    let decoded = request_by(Claim::Caller(MEMBER));
    for user in ["member-gateway", super::WORKER] {
        let trusted = by_user(user);
        let with_token = |header: &str| Incoming { authorization: Some(header.into()), ..trusted.clone() };
        for header in ["", "Bearer", "Bearer x", "Basic bWU6bWU="] {
            let outcome = authenticator().authenticate(&with_token(header), &decoded, NOW);
            assert_eq!(outcome, Authentication::Refused(refusal::TOKEN_MALFORMED), "{user}: {header:?}");
        }
        let expired = format!("Bearer {}", token(&claims_but("exp", Some(json!(0)))));
        assert_eq!(authenticator().authenticate(&with_token(&expired), &decoded, NOW), proven(false, true));
    }
}

#[test]
fn the_scheme_is_bearer_in_any_case() {
    let (long, token) = (token(&claims_but("permissions", Some(json!(["x".repeat(8192)])))), token(&claims()));
    for (header, taken) in [
        (format!("bearer {token}"), true),
        (format!("BEARER  {token}"), true),
        (format!("Bearer{token}"), false),
        (format!("Token {token}"), false),
        (token.clone(), false),
        (format!("Bearer {long}"), false),
    ] {
        let incoming = Incoming { authorization: Some(header.clone().into()), ..by_user("nobody") };
        let outcome = authenticator().authenticate(&incoming, &request(), NOW);
        let expected = if taken { proven(false, false) } else { Authentication::Refused(refusal::TOKEN_MALFORMED) };
        assert_eq!(outcome, expected, "{}", &header[..12]);
    }
}

#[test]
fn without_configured_keys_no_token_is_accepted() {
    let authenticator = Authenticator::new(&config(), super::WORKER, None).unwrap();
    let outcome = authenticator.authenticate(&bearing(&token(&claims())), &request(), NOW);
    assert_eq!(outcome, Authentication::Refused(refusal::NO_KEYS_CONFIGURED));
    assert_eq!(authenticator.keys_missing(), None);
}
