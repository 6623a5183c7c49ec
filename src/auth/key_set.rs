//! A set of public keys, each good for exactly one algorithm. Separate, because the algorithm comes from the key alone.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use serde_json::value::RawValue;

use super::claims::Object;

/// The algorithms that a token may be signed with.
pub(super) const ALLOWED: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// Keys beyond this number are no set of an honest issuer.
const MAX_KEYS: usize = 256;
/// Shorter moduli are within reach of an attacker, and are refused by the cryptographic library anyway.
const MIN_MODULUS_BYTES: usize = 256;

/// The issuer's keys that can be used here.
pub(super) struct KeySet {
    keys: Vec<Key>,
    skipped: usize,
}

/// A public key and its one algorithm.
pub(super) struct Key {
    kid: Option<String>,
    pub(super) algorithm: Algorithm,
    /// Read once: whoever reads it for every signature pays half as much again.
    public: ParsedPublicKey,
}

/// What a set says to a token's header.
pub(super) enum Lookup<'a> {
    Found(&'a Key),
    /// The key is there, but is not for this algorithm.
    OtherAlgorithm,
    /// No key is meant, or no single one.
    Unknown,
}

/// Why a document is no set of keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeySetError {
    // Not the parser's own words: they quote the document, at any length.
    #[error("this is no JWKS, a JSON object with an array `keys` (line {line}, column {column})")]
    NoSet { line: usize, column: usize },
    #[error("the JWKS has {0} keys; at most {MAX_KEYS} are taken")]
    TooMany(usize),
}

#[derive(serde::Deserialize)]
struct Document {
    // Each by itself, so that one odd key does not spoil its neighbours.
    keys: Vec<Box<RawValue>>,
}

impl KeySet {
    pub(super) fn parse(json: &[u8]) -> Result<Self, KeySetError> {
        let Object(document): Object<Document> = serde_json::from_slice(json)
            .map_err(|error| KeySetError::NoSet { line: error.line(), column: error.column() })?;
        let found = document.keys.len();
        if found > MAX_KEYS {
            return Err(KeySetError::TooMany(found));
        }
        let mut keys: Vec<Key> = Vec::with_capacity(found);
        for key in document.keys.iter().filter_map(|key| Key::parse(key)) {
            // Of two keys with one name the first counts: a name must mean one key.
            if key.kid.is_none() || !keys.iter().any(|known| known.kid == key.kid && known.algorithm == key.algorithm) {
                keys.push(key);
            }
        }
        let skipped = found - keys.len();
        Ok(Self { keys, skipped })
    }

    /// The key that a token's header means.
    pub(super) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Lookup<'_> {
        let mut fitting = self.keys.iter().filter(|key| key.algorithm == algorithm);
        let Some(kid) = kid else {
            // Without a name only a single candidate is certain to be the one that is meant.
            return match (fitting.next(), fitting.next()) {
                (Some(key), None) => Lookup::Found(key),
                (Some(_), Some(_)) | (None, _) => Lookup::Unknown,
            };
        };
        match fitting.find(|key| key.kid.as_deref() == Some(kid)) {
            Some(key) => Lookup::Found(key),
            None if self.keys.iter().any(|key| key.kid.as_deref() == Some(kid)) => Lookup::OtherAlgorithm,
            None => Lookup::Unknown,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// How many keys of the document cannot be used here.
    pub(super) fn skipped(&self) -> usize {
        self.skipped
    }
}

impl Key {
    /// A key that verifies signatures in an allowed algorithm, or `None`.
    fn parse(json: &RawValue) -> Option<Self> {
        let Object(jwk): Object<Jwk> = serde_json::from_str(json.get()).ok()?;
        let algorithm = algorithm_of(&jwk.algorithm)?;
        let common = &jwk.common;
        let signs = common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature);
        let verifies =
            common.key_operations.as_ref().is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        let agrees = common.key_algorithm.is_none_or(|stated| stated == KeyAlgorithm::from(algorithm));
        let decoding = DecodingKey::from_jwk(&jwk).ok()?;
        let usable = signs && verifies && agrees && is_sound(&decoding, algorithm);
        let public = usable.then(|| public(&decoding, algorithm))??;
        Some(Self { kid: jwk.common.key_id, algorithm, public })
    }

    /// Whether this key's owner has signed the message.
    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        self.public.verify_sig(message, signature).is_ok()
    }
}

fn public(key: &DecodingKey, algorithm: Algorithm) -> Option<ParsedPublicKey> {
    match key.kind() {
        DecodingKeyKind::RsaModulusExponent { n, e } => {
            RsaPublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).ok()
        }
        DecodingKeyKind::SecretOrDer(bytes) if algorithm == Algorithm::ES256 => {
            ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, bytes).ok()
        }
        DecodingKeyKind::SecretOrDer(bytes) => ParsedPublicKey::new(&ED25519, bytes).ok(),
    }
}

/// The one algorithm of a key's type. Symmetric keys have none: whoever verifies with one could sign with it as well.
#[expect(clippy::wildcard_enum_match_arm, reason = "kinds of keys that are not known yet are not allowed either")]
fn algorithm_of(parameters: &AlgorithmParameters) -> Option<Algorithm> {
    match parameters {
        AlgorithmParameters::RSA(_) => Some(Algorithm::RS256),
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => Some(Algorithm::ES256),
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => Some(Algorithm::EdDSA),
        _ => None,
    }
}

/// Whether the key has the size of its kind. A key that cannot verify anything is as good as missing.
fn is_sound(key: &DecodingKey, algorithm: Algorithm) -> bool {
    match key.kind() {
        DecodingKeyKind::RsaModulusExponent { n, .. } => n.len() >= MIN_MODULUS_BYTES,
        DecodingKeyKind::SecretOrDer(bytes) => bytes.len() == if algorithm == Algorithm::ES256 { 65 } else { 32 },
    }
}
