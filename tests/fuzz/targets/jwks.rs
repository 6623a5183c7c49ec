//! Documents of keys, as an issuer might serve them one day.

use fastrand::Rng;
use join_community::auth::examine;
use join_community::auth::mint::DevelopmentKeys;
use serde_json::Value;

use super::{Outcome, Target};
use crate::mutate::{self, once_in, pick};
use crate::strict::is_strict;
use crate::{failure, json};

/// Keys of other kinds, and what is none.
const ODD: [&str; 6] = [
    r#"{"kty":"oct","k":"c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0","alg":"HS256","kid":"shared"}"#,
    r#"{"kty":"EC","crv":"P-384","x":"AA","y":"AA","kid":"other"}"#,
    r#"{"kty":"RSA","n":"AA","e":"AQAB","use":"enc"}"#,
    r#"{"kty":"OKP","crv":"X25519","x":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","key_ops":["deriveKey"]}"#,
    "null",
    "[[]]",
];

pub(crate) struct KeySets {
    document: Vec<u8>,
    keys: Vec<Value>,
}

impl KeySets {
    pub(crate) fn new() -> Self {
        let keys = DevelopmentKeys::load_or_create(&failure::folder().join("keys")).expect("development keys");
        let document = std::fs::read(keys.jwks_path()).expect("the public keys");
        let value: Value = serde_json::from_slice(&document).expect("JSON");
        Self { document, keys: value["keys"].as_array().expect("a set of keys").clone() }
    }
}

impl Target for KeySets {
    fn make(&self, rng: &mut Rng) -> Vec<u8> {
        let mut document = self.document.clone();
        if once_in(rng, 3) {
            let count = *pick(rng, &[0, 1, 2, 3, 255, 256, 257]);
            let key = |rng: &mut Rng| {
                if once_in(rng, 3) { (*pick(rng, &ODD)).to_owned() } else { pick(rng, &self.keys).to_string() }
            };
            let keys: Vec<String> = (0..count).map(|_| key(rng)).collect();
            document = format!("{{\"keys\":[{}],\"x\":{}}}", keys.join(","), json::value(rng, 2)).into_bytes();
        }
        let other = *pick(rng, &ODD);
        json::mutate(rng, &mut document, other.as_bytes());
        if once_in(rng, 4) {
            mutate::bytes(rng, &mut document, &self.document);
        }
        document
    }

    fn check(&self, input: &[u8]) -> Outcome {
        let Ok(found) = examine(input, "the issuer".to_owned()) else { return Outcome::Refused };
        // What is ignored in a document is not looked into; others may find no JSON there.
        let Ok(value) = serde_json::from_slice::<Value>(input) else { return Outcome::Accepted };
        let keys = value["keys"].as_array().expect("a set has keys");
        assert_eq!(found.usable + found.skipped, keys.len());
        assert!(keys.len() <= 256);
        let kinds = keys.iter().filter(|key| matches!(key["kty"].as_str(), Some("RSA" | "EC" | "OKP"))).count();
        assert!(found.usable <= kinds, "{} usable, {kinds} of a kind that can be", found.usable);
        // One odd key does not spoil its neighbours.
        let alone = |key: &&Value| keys.iter().filter(|other| other["kid"] == key["kid"]).count() == 1;
        let is_plain = is_strict(input, 60);
        let known = keys.iter().filter(|_| is_plain).filter(|key| self.keys.contains(key)).filter(alone).count();
        assert!(found.usable >= known, "{} usable, {known} that are known to be", found.usable);
        Outcome::Accepted
    }
}
