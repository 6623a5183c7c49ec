//! What the tests of authentication share: one issuer, one request, one moment, and ways to bend each of them.
//!
//! Separate from the code under test, because these tests exercise all of it together, with real signatures.

mod clock;
mod copies;
mod forged;
mod key_sets;
mod knowledge;
mod minting;
mod operators;
mod place;
mod producers;
mod reader;
mod reading;
mod tokens;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

use super::key_set::KeySet;
use super::key_source::KeySource;
use super::keys::{Held, Keys};
use super::mint::{Algorithm, DevelopmentKeys};
use super::{Authentication, Authenticator};
use crate::config;
use crate::domain::{Caller, IdentityType, Method, RequestId, SiteId};
use crate::wire::Incoming;
use crate::wire::request::{Body, Claim, Decoded};

const NOW: OffsetDateTime = datetime!(2026-11-24 10:00 UTC);
const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "join-community";
const WORKER: &str = "worker";
const SITE: Uuid = Uuid::from_u128(0x5173);
const MEMBER: Caller = Caller { identity_type: IdentityType::Member, id: Uuid::from_u128(0x3e3b) };
const APP: Caller = Caller { identity_type: IdentityType::App, id: Uuid::from_u128(0xa99) };

/// The issuer's keys. Made once: an RSA key takes its time.
static KEYS: LazyLock<DevelopmentKeys> = LazyLock::new(DevelopmentKeys::unsaved);

fn config() -> config::Auth {
    config::Auth {
        jwks: String::new(),
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        leeway: Duration::from_secs(30),
        jwks_cooldown: Duration::from_secs(10),
        trust_broker_timestamps: false,
        max_queue_delay: Duration::from_hours(1),
        producers: vec![gateway(&["MEMBER"], &["*"])],
    }
}

fn gateway(identity_types: &[&str], sites: &[&str]) -> config::Producer {
    config::Producer {
        user: "member-gateway".to_owned(),
        identity_types: identity_types.iter().map(|&word| word.to_owned()).collect(),
        sites: sites.iter().map(|&site| site.to_owned()).collect(),
        may_elevate: false,
    }
}

/// Keys as if this set had been read at that moment; `None`: nothing was read yet.
fn keys(set: Option<(&Value, OffsetDateTime)>) -> Arc<Keys> {
    let keys = Keys::empty(&KeySource::File("issuer.json".into()));
    if let Some((set, as_of)) = set {
        keys.keep(Held { set: KeySet::parse(set.to_string().as_bytes()).unwrap(), as_of });
    }
    keys
}

fn issuer_set() -> Value {
    serde_json::to_value(KEYS.public()).unwrap()
}

/// Knows the issuer's keys of a minute ago.
fn authenticator() -> Authenticator {
    with(&config())
}

fn with(config: &config::Auth) -> Authenticator {
    let keys = keys(Some((&issuer_set(), NOW - Duration::from_mins(1))));
    Authenticator::new(config, WORKER, Some(keys)).unwrap()
}

fn request() -> Decoded {
    let body = Body { site: SiteId(SITE), member: None, identity: None, elevated: None };
    let id = RequestId::parse("request-1").unwrap();
    Decoded { id, method: Method::Join, body, traceparent: None, tracestate: None }
}

fn request_by(identity: Claim) -> Decoded {
    let mut request = request();
    request.body.identity = Some(identity);
    request
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "exp": (NOW + Duration::from_mins(5)).unix_timestamp(),
        "siteId": SITE.to_string(), "identityType": "MEMBER", "sub": MEMBER.id.to_string(),
    })
}

/// The claims with one of them set, or, by `Value::Null` in `change`, taken out.
fn claims_but(name: &str, change: Option<Value>) -> Value {
    let mut claims = claims();
    let fields = claims.as_object_mut().unwrap();
    match change {
        Some(value) => fields.insert(name.to_owned(), value),
        None => fields.remove(name),
    };
    claims
}

fn token(claims: &Value) -> String {
    KEYS.sign(claims, Algorithm::EdDsa, Some(KEYS.kid(Algorithm::EdDsa))).unwrap()
}

fn bearing(token: &str) -> Incoming {
    Incoming { authorization: Some(format!("Bearer {token}").into()), taken_at: Some(NOW), ..Incoming::default() }
}

fn by_user(user: &str) -> Incoming {
    Incoming { user_id: Some(user.into()), taken_at: Some(NOW), ..Incoming::default() }
}

fn judge(claims: &Value) -> Authentication {
    authenticator().authenticate(&bearing(&token(claims)), &request(), NOW)
}
