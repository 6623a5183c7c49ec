//! Tokens that nobody honest signs: the attacks that are known against JSON web tokens.

use jsonwebtoken::{EncodingKey, Header, encode};

use super::{KEYS, NOW, authenticator, bearing, claims, claims_but, request, token};
use crate::auth::mint::{Algorithm, DevelopmentKeys};
use crate::auth::{Authentication, refusal};

/// `{"alg":"none"}`
const ALG_NONE: &str = "eyJhbGciOiJub25lIn0";

fn outcome(token: &str) -> Authentication {
    authenticator().authenticate(&bearing(token), &request(), NOW)
}

fn parts(token: &str) -> [&str; 3] {
    token.splitn(3, '.').collect::<Vec<_>>().try_into().unwrap()
}

#[test]
fn no_algorithm_is_no_signature() {
    let genuine = token(&claims());
    let [_, payload, signature] = parts(&genuine);
    for forged in [format!("{ALG_NONE}.{payload}."), format!("{ALG_NONE}.{payload}.{signature}")] {
        assert_eq!(outcome(&forged), Authentication::Refused(refusal::TOKEN_MALFORMED), "{forged}");
    }
}

#[test]
fn a_public_key_is_no_shared_secret() {
    for key in KEYS.public().keys {
        let key = serde_json::to_value(key).unwrap();
        let number = key.get("n").or(key.get("x")).unwrap().as_str().unwrap().to_owned();
        for secret in [number, key.to_string()] {
            let header =
                Header { kid: key["kid"].as_str().map(str::to_owned), ..Header::new(jsonwebtoken::Algorithm::HS256) };
            let forged = encode(&header, &claims(), &EncodingKey::from_secret(secret.as_bytes())).unwrap();
            assert_eq!(outcome(&forged), Authentication::Refused(refusal::TOKEN_ALGORITHM));
        }
    }
}

#[test]
fn the_header_does_not_choose_the_algorithm_of_a_key() {
    let forged = KEYS.sign(&claims(), Algorithm::Es256, Some(KEYS.kid(Algorithm::Rs256))).unwrap();
    assert_eq!(outcome(&forged), Authentication::Refused(refusal::TOKEN_ALGORITHM));
}

#[test]
fn a_stranger_cannot_sign_under_the_issuers_name() {
    let stranger = DevelopmentKeys::unsaved();
    for algorithm in Algorithm::ALL {
        let forged = stranger.sign(&claims(), algorithm, Some(KEYS.kid(algorithm))).unwrap();
        assert_eq!(outcome(&forged), Authentication::Refused(refusal::TOKEN_SIGNATURE), "{algorithm}");
    }
}

#[test]
fn a_signature_is_good_for_the_payload_it_was_made_for() {
    let (genuine, other) = (token(&claims()), token(&claims_but("permissions", Some("x".into()))));
    let ([header, _, signature], [_, payload, _]) = (parts(&genuine), parts(&other));
    let forged = format!("{header}.{payload}.{signature}");
    assert_eq!(outcome(&forged), Authentication::Refused(refusal::TOKEN_SIGNATURE));
}

#[test]
fn a_key_in_the_header_is_not_looked_at() {
    let stranger = DevelopmentKeys::unsaved();
    let jwk = stranger.public().keys.remove(2);
    let kid = KEYS.kid(Algorithm::EdDsa).to_owned();
    let header = Header { kid: Some(kid), jwk: Some(jwk), ..Header::new(jsonwebtoken::Algorithm::EdDSA) };
    let forged = stranger.sign_under(&header, &claims());
    assert_eq!(outcome(&forged), Authentication::Refused(refusal::TOKEN_SIGNATURE));
}

#[test]
fn an_extension_that_must_be_understood_is_not_ignored() {
    let kid = KEYS.kid(Algorithm::EdDsa).to_owned();
    let crit = Some(vec!["b64".to_owned()]);
    let header = Header { kid: Some(kid), crit, ..Header::new(jsonwebtoken::Algorithm::EdDSA) };
    let token = KEYS.sign_under(&header, &claims());
    assert_eq!(outcome(&token), Authentication::Refused(refusal::TOKEN_MALFORMED));
}

#[test]
fn what_is_no_compact_token_is_malformed() {
    let genuine = token(&claims());
    let [header, payload, signature] = parts(&genuine);
    for forged in [
        "x".to_owned(),
        "..".to_owned(),
        format!("{header}.{payload}"),
        format!("{header}.{payload}.{signature}.{signature}"),
        format!("{header}.{payload}.{signature} "),
        format!("{header}.{payload}.{signature}=="),
        format!("{payload}.{payload}.{signature}"),
    ] {
        assert_eq!(outcome(&forged), Authentication::Refused(refusal::TOKEN_MALFORMED), "{forged}");
    }
}
