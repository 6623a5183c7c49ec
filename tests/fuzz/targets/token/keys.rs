//! The private keys, used without the library that the worker verifies with.

use std::path::Path;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256};
use fastrand::Rng;
use join_community::auth::mint::{Algorithm, DevelopmentKeys};

use crate::json;
use crate::mutate::pick;

/// One key for each algorithm.
pub(super) struct Keys {
    rsa: rsa::KeyPair,
    ecdsa: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
    kids: [String; 3],
}

impl Keys {
    pub(super) fn read(folder: &Path, development: &DevelopmentKeys) -> Self {
        let der = |name: &str| {
            let pem = std::fs::read(folder.join(format!("{name}.pem"))).expect("a private key");
            pem::parse(pem).expect("PEM").into_contents()
        };
        Self {
            rsa: rsa::KeyPair::from_pkcs8(&der("RS256")).expect("an RSA key"),
            ecdsa: EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der("ES256")).expect("an EC key"),
            ed25519: Ed25519KeyPair::from_pkcs8(&der("EdDSA")).expect("an Ed25519 key"),
            kids: Algorithm::ALL.map(|algorithm| development.kid(algorithm).to_owned()),
        }
    }

    /// The name of a key in the set.
    pub(super) fn kid(&self, name: &str) -> &str {
        &self.kids[Algorithm::ALL.iter().position(|algorithm| algorithm.as_str() == name).unwrap_or_default()]
    }

    /// A token over any header and claims, by the key for this algorithm; whatever the header says.
    pub(super) fn signed(&self, name: &str, header: &[u8], claims: &[u8]) -> String {
        let message = format!("{}.{}", base64(header), base64(claims));
        let random = SystemRandom::new();
        let signature = match name {
            "RS256" => {
                let mut signature = vec![0; self.rsa.public_modulus_len()];
                self.rsa.sign(&RSA_PKCS1_SHA256, &random, message.as_bytes(), &mut signature).expect("a signature");
                signature
            }
            "ES256" => self.ecdsa.sign(&random, message.as_bytes()).expect("a signature").as_ref().to_vec(),
            _ => self.ed25519.sign(message.as_bytes()).as_ref().to_vec(),
        };
        format!("{message}.{}", base64(&signature))
    }

    /// A header that contradicts its key, or itself, or is none.
    pub(super) fn odd_header(&self, rng: &mut Rng, name: &str) -> Vec<u8> {
        let other = *pick(rng, &["RS256", "ES256", "EdDSA", "HS256", "none", "PS256", "RS512", "ES384", "x"]);
        let (kid, other_kid) = (self.kid(name), self.kid(other));
        let headers = [
            format!(r#"{{"alg":"{other}","kid":"{kid}"}}"#),
            format!(r#"{{"alg":"{name}","kid":"{other_kid}"}}"#),
            format!(r#"{{"alg":"{name}"}}"#),
            format!(r#"{{"alg":"{name}","kid":"unknown"}}"#),
            format!(r#"{{"alg":"{name}","kid":null}}"#),
            format!(r#"{{"alg":"{other}","alg":"{name}","kid":"{kid}"}}"#),
            format!(r#"{{"alg":"{name}","kid":"{kid}","crit":["b64"],"b64":false}}"#),
            format!(r#"{{"alg":"{name}","kid":"{kid}","jwk":{{"kty":"oct","k":"AAAA"}},"jku":"http://127.0.0.1/"}}"#),
            format!(r#" {{ "kid" : "{kid}" , "alg" : "{name}" }} "#),
        ];
        let mut header = pick(rng, &headers).clone().into_bytes();
        if rng.bool() {
            json::mutate(rng, &mut header, headers[0].as_bytes());
        }
        header
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64 for URLs, without padding.
pub(super) fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 4 / 3 + 3);
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            out.push(char::from(ALPHABET[(bits >> (18 - 6 * place) & 63) as usize]));
        }
    }
    out
}

/// The bytes; `None` for what this alphabet does not write exactly so.
pub(super) fn unbase64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    for chunk in text.as_bytes().chunks(4) {
        let mut bits = 0;
        for byte in chunk {
            bits = bits << 6 | u32::try_from(ALPHABET.iter().position(|known| known == byte)?).ok()?;
        }
        let [_, bytes @ ..] = (bits << (6 * (4 - chunk.len()))).to_be_bytes();
        out.extend_from_slice(&bytes[..chunk.len() - 1]);
    }
    (base64(&out) == text).then_some(out)
}
