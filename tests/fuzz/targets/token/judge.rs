//! A second opinion on tokens, without the worker's code and without the library that it verifies with.

use std::collections::BTreeMap;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use join_community::domain::{Caller, IdentityType};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::keys::unbase64;
use super::{AUDIENCE, ISSUER, LEEWAY, NOW, REQUEST_ID, SITE};
use crate::strict::is_strict;

const CLAIMS: [&str; 9] = ["iss", "aud", "exp", "nbf", "sub", "siteId", "identityType", "permissions", "request_id"];

/// The public keys, as they stand in the document.
pub(super) struct Judge {
    keys: Vec<Value>,
}

/// What a header value proves.
#[derive(Debug)]
pub(super) enum Judgement {
    Nothing,
    /// `plain`: nothing about its JSON could be read in two ways.
    Proves {
        caller: Caller,
        permission: bool,
        expired: bool,
        plain: bool,
    },
}

impl Judgement {
    pub(super) fn means(&self, other: &Self) -> bool {
        let meaning = |it: &Self| match it {
            Self::Nothing => None,
            Self::Proves { caller, permission, expired, plain: _ } => Some((*caller, *permission, *expired)),
        };
        meaning(self) == meaning(other)
    }
}

impl Judge {
    pub(super) fn new(jwks: &Value) -> Self {
        Self { keys: jwks["keys"].as_array().expect("a set of keys").clone() }
    }

    pub(super) fn of(&self, value: &str) -> Judgement {
        self.proves(value).unwrap_or(Judgement::Nothing)
    }

    fn proves(&self, value: &str) -> Option<Judgement> {
        let (scheme, token) = value.split_once(' ')?;
        (scheme.eq_ignore_ascii_case("bearer") && value.len() <= 8192).then_some(())?;
        let token = token.trim_start_matches(' ');
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        let (header, claims, signature) = (unbase64(header)?, unbase64(claims)?, unbase64(signature)?);
        let is_known = |name: &String| matches!(name.as_str(), "alg" | "kid" | "typ");
        let plain = is_strict(&header, 60) && is_strict(&claims, 60) && raw(&header)?.keys().all(is_known);
        let (header, claims) = (read(&header, &["alg", "kid", "typ", "crit"])?, read(&claims, &CLAIMS)?);
        self.is_signed(&header, message.as_bytes(), &signature).then_some(())?;
        let plain = plain && header.as_object()?.values().all(Value::is_string);
        let (caller, permission, expired) = judged(&claims)?;
        Some(Judgement::Proves { caller, permission, expired, plain })
    }

    fn is_signed(&self, header: &Value, message: &[u8], signature: &[u8]) -> bool {
        let kty = match header["alg"].as_str() {
            Some("RS256") => "RSA",
            Some("ES256") => "EC",
            Some("EdDSA") => "OKP",
            _ => return false,
        };
        let names = |key: &&Value| header["kid"].is_null() || key["kid"] == header["kid"];
        let candidates: Vec<&Value> = self.keys.iter().filter(|key| key["kty"] == kty).filter(names).collect();
        let [key] = candidates[..] else { return false };
        let part = |name: &str| key[name].as_str().and_then(unbase64).expect("a part of a public key");
        let verified = match kty {
            "RSA" => {
                let (n, e) = (part("n"), part("e"));
                RsaPublicKeyComponents { n, e }.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            "EC" => {
                let point = [&[4][..], &part("x"), &part("y")].concat();
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            _ => UnparsedPublicKey::new(&ED25519, part("x")).verify(message, signature),
        };
        verified.is_ok() && header.get("crit").is_none_or(Value::is_null)
    }
}

/// The fields of an object as they stand. What is wrong inside a field that nobody looks into is nobody's concern.
fn raw(json: &[u8]) -> Option<BTreeMap<String, Box<RawValue>>> {
    serde_json::from_str(&String::from_utf8_lossy(json)).ok()
}

/// These fields of an object.
fn read(json: &[u8], names: &[&str]) -> Option<Value> {
    let mut known = raw(json)?;
    known.retain(|name, _| names.contains(&name.as_str()));
    let read = |(name, raw): (String, Box<RawValue>)| Some((name, serde_json::from_str(raw.get()).ok()?));
    known.into_iter().map(read).collect::<Option<Map<String, Value>>>().map(Value::Object)
}

/// The claims against configuration, request and clock.
fn judged(claims: &Value) -> Option<(Caller, bool, bool)> {
    let text = |name: &str| claims[name].as_str();
    let guid = |name: &str| text(name).filter(|text| text.len() == 36).and_then(|text| Uuid::try_parse(text).ok());
    let texts = |value: &Value| -> Option<Vec<String>> {
        value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect()
    };
    let audience = text("aud").map_or_else(|| texts(&claims["aud"]), |one| Some(vec![one.to_owned()]))?;
    let permissions = claims.get("permissions").map_or(Some(Vec::new()), texts)?;
    #[expect(clippy::cast_precision_loss, reason = "seconds of this century fit")]
    let (now, leeway) = (NOW.unix_timestamp() as f64, LEEWAY.as_secs_f64());
    let exp = claims["exp"].as_f64()?;
    let not_before = claims.get("nbf").map_or(Some(f64::MIN), Value::as_f64)?;
    let id_fits = claims.get("request_id").is_none_or(|id| id == REQUEST_ID);
    let is_ours =
        text("iss") == Some(ISSUER) && audience.iter().any(|one| one == AUDIENCE) && guid("siteId") == Some(SITE);
    (is_ours && id_fits && not_before <= now + leeway).then_some(())?;
    let caller = Caller { identity_type: IdentityType::parse(text("identityType")?)?, id: guid("sub")? };
    let permission = permissions.iter().any(|held| held == "MEMBERS.MEMBER_JOIN_COMMUNITY");
    Some((caller, permission, now >= exp + leeway))
}
