//! Documents with keys: what of them can be used, and how one key is found among them.

use serde_json::{Value, json};

use super::{KEYS, issuer_set};
use crate::auth::key_set::{KeySet, Lookup};
use crate::auth::mint::Algorithm;

fn parse(set: &Value) -> KeySet {
    KeySet::parse(set.to_string().as_bytes()).unwrap()
}

fn key(algorithm: Algorithm) -> Value {
    issuer_set()["keys"][algorithm as usize].clone()
}

fn key_but(algorithm: Algorithm, name: &str, value: Value) -> Value {
    let mut key = key(algorithm);
    key["kid"] = json!("other");
    key[name] = value;
    key
}

#[test]
fn a_key_that_is_not_for_signatures_in_an_allowed_algorithm_is_skipped_alone() {
    let odd = [
        json!({ "kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "alg": "HS256", "kid": "shared" }),
        json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": "x", "kid": "post-quantum" }),
        json!({ "kty": "RSA", "kid": "no modulus" }),
        json!(["RSA"]),
        json!("RSA"),
        Value::Null,
        key_but(Algorithm::Rs256, "alg", json!("PS256")),
        key_but(Algorithm::Rs256, "use", json!("enc")),
        key_but(Algorithm::Rs256, "n", json!("c2hvcnQ")),
        key_but(Algorithm::Rs256, "n", json!("not base64!")),
        key_but(Algorithm::Rs256, "kid", json!(7)),
        key_but(Algorithm::Es256, "crv", json!("P-384")),
        key_but(Algorithm::Es256, "x", json!("c2hvcnQ")),
        key_but(Algorithm::EdDsa, "x", json!("c2hvcnQ")),
        key_but(Algorithm::EdDsa, "key_ops", json!(["sign"])),
    ];
    for odd in odd {
        let set = parse(&json!({ "keys": [odd, key(Algorithm::EdDsa)] }));
        assert_eq!((set.len(), set.skipped()), (1, 1), "{odd}");
        let kid = Some(KEYS.kid(Algorithm::EdDsa));
        assert!(matches!(set.find(kid, jsonwebtoken::Algorithm::EdDSA), Lookup::Found(_)), "{odd}");
    }
}

#[test]
fn what_a_set_says_besides_is_ignored() {
    let mut bare = key(Algorithm::Rs256);
    for name in ["alg", "use"] {
        bare.as_object_mut().unwrap().remove(name);
    }
    let verifies = key_but(Algorithm::EdDsa, "key_ops", json!(["verify"]));
    let set = parse(&json!({ "keys": [bare, verifies], "expires": 1 }));
    assert_eq!((set.len(), set.skipped()), (2, 0));
}

#[test]
fn an_empty_set_is_a_set_and_anything_else_is_none() {
    assert_eq!(parse(&json!({ "keys": [] })).len(), 0);
    for document in
        ["", "{}", "[]", "[[]]", "{\"keys\":{}}", "{\"keys\":null}", "<html>", "\"keys\"", "{\"keys\":[]} x"]
    {
        let problem = KeySet::parse(document.as_bytes()).err().unwrap_or_else(|| panic!("{document:?} was taken"));
        assert!(problem.to_string().starts_with("this is no JWKS"), "{problem}");
    }
}

#[test]
fn the_number_of_keys_is_limited() {
    let many = |count| json!({ "keys": vec![json!({ "kty": "RSA" }); count] });
    assert_eq!(parse(&many(256)).skipped(), 256);
    let problem = KeySet::parse(many(257).to_string().as_bytes()).err().unwrap();
    assert_eq!(problem.to_string(), "the JWKS has 257 keys; at most 256 are taken");
}

#[test]
fn one_name_means_one_key() {
    let same = KEYS.kid(Algorithm::Rs256);
    let set = parse(&json!({ "keys": [key(Algorithm::Rs256), key(Algorithm::Rs256)] }));
    assert_eq!((set.len(), set.skipped()), (1, 1));
    let of_other_type = key_but(Algorithm::EdDsa, "kid", json!(same));
    let set = parse(&json!({ "keys": [key(Algorithm::Rs256), of_other_type] }));
    for algorithm in [jsonwebtoken::Algorithm::RS256, jsonwebtoken::Algorithm::EdDSA] {
        assert!(matches!(set.find(Some(same), algorithm), Lookup::Found(key) if key.algorithm == algorithm));
    }
}

#[test]
fn a_token_that_names_no_key_means_the_only_one_of_its_algorithm() {
    let unnamed = key_but(Algorithm::EdDsa, "kid", Value::Null);
    let set = parse(&json!({ "keys": [key(Algorithm::Rs256), unnamed] }));
    assert!(matches!(set.find(None, jsonwebtoken::Algorithm::EdDSA), Lookup::Found(_)));
    assert!(matches!(set.find(None, jsonwebtoken::Algorithm::RS256), Lookup::Found(_)));
    assert!(matches!(set.find(None, jsonwebtoken::Algorithm::ES256), Lookup::Unknown));
    assert!(matches!(set.find(Some(""), jsonwebtoken::Algorithm::EdDSA), Lookup::Unknown));

    let two = parse(&json!({ "keys": [key(Algorithm::EdDsa), key_but(Algorithm::EdDsa, "kid", json!("older"))] }));
    assert!(matches!(two.find(None, jsonwebtoken::Algorithm::EdDSA), Lookup::Unknown));
}
