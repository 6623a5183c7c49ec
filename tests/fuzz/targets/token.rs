//! Session tokens against real keys: signed anew over any header and claims, or signed well and then changed.
//!
//! An input is a recipe, so that it means the same with other keys: `raw` and a header value, or `signed` with the name of
//! a key, a token's header and its claims.

use std::time::Duration;

use fastrand::Rng;
use join_community::auth::mint::DevelopmentKeys;
use join_community::auth::{Authentication, Authenticator, Proven, refusal};
use join_community::config;
use join_community::domain::{Caller, Method, Proof, RequestId, SiteId};
use join_community::wire::Incoming;
use join_community::wire::request::{Body, Claim, Decoded};
use time::OffsetDateTime;
use time::macros::datetime;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use uuid::{Uuid, uuid};

use self::judge::{Judge, Judgement};
use self::keys::{Keys, base64};
use super::{Outcome, Target};
use crate::mutate::{self, once_in, pick};
use crate::{failure, json};

mod judge;
mod keys;

/// Before the keys were read, so that a key that is not there is known to be missing.
const NOW: OffsetDateTime = datetime!(2024-02-22 12:00 UTC);
const LEEWAY: Duration = Duration::from_secs(30);
const ISSUER: &str = "https://issuer.example";
const AUDIENCE: &str = "join-community";
const SITE: Uuid = uuid!("6b0e7f1a-8c0d-4f3e-9a57-2d1c4b5e6f70");
const REQUEST_ID: &str = "request-1";

/// Claims that are true as they stand; then, what an attacker or a careless issuer would write.
const CLAIMS: [&str; 6] = [
    r#"{"iss":"https://issuer.example","aud":"join-community","exp":1708603500,"sub":"7d368843-6f0c-4037-8d0e-b7e36a8a0c32","siteId":"6b0e7f1a-8c0d-4f3e-9a57-2d1c4b5e6f70","identityType":"MEMBER"}"#,
    r#"{"iss":"https://issuer.example","aud":["x","join-community"],"exp":1708603229.5,"nbf":1708603230,"iat":1,"jti":"x","sub":"14BCDED7-0066-7C35-14D7-466CB3F09103","siteId":"6B0E7F1A-8C0D-4F3E-9A57-2D1C4B5E6F70","identityType":"APP","permissions":["MEMBERS.MEMBER_JOIN_COMMUNITY"],"request_id":"request-1"}"#,
    r#"{"iss":"https://issuer.example","aud":"join-community","exp":1,"sub":"7d368843-6f0c-4037-8d0e-b7e36a8a0c32","siteId":"6b0e7f1a-8c0d-4f3e-9a57-2d1c4b5e6f70","identityType":"WIX_USER","permissions":[]}"#,
    r#"{"iss":"https://issuer.example","aud":"join-community","exp":1708603200,"nbf":1708603231,"sub":"7d368843-6f0c-4037-8d0e-b7e36a8a0c32","siteId":"6b0e7f1a-8c0d-4f3e-9a57-2d1c4b5e6f70","identityType":"ANONYMOUS_VISITOR"}"#,
    r#"{"iss":"https://issuer.example/","aud":[],"exp":"9","nbf":null,"sub":"*","siteId":"*","identityType":"UNKNOWN","permissions":"MEMBERS.MEMBER_JOIN_COMMUNITY","request_id":"request-2"}"#,
    r#"["https://issuer.example","join-community",9e9,0,"7d368843-6f0c-4037-8d0e-b7e36a8a0c32","6b0e7f1a-8c0d-4f3e-9a57-2d1c4b5e6f70","MEMBER",[],"request-1"]"#,
];

/// An issuer, and a worker that trusts it.
pub(crate) struct Token {
    keys: Keys,
    judge: Judge,
    authenticator: Authenticator,
    // The task that reads the keys lives here.
    _runtime: Runtime,
}

impl Token {
    pub(crate) fn new() -> Self {
        let folder = failure::folder().join("keys");
        let development = DevelopmentKeys::load_or_create(&folder).expect("development keys");
        let mut auth = config::load::<String, String>(None, []).expect("the defaults are sound").auth;
        auth.jwks = development.jwks_path().display().to_string();
        (auth.issuer, auth.audience, auth.leeway) = (ISSUER.to_owned(), AUDIENCE.to_owned(), LEEWAY);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let authenticator = runtime.block_on(async {
            let started = Authenticator::start(&auth, "join-worker", CancellationToken::new()).await;
            let authenticator = started.expect("the configuration is sound");
            authenticator.wait_for_keys().await;
            authenticator
        });
        let jwks = std::fs::read(development.jwks_path()).expect("the public keys");
        let judge = Judge::new(&serde_json::from_slice(&jwks).expect("the public keys"));
        Self { keys: Keys::read(&folder, &development), judge, authenticator, _runtime: runtime }
    }

    /// The value of header `authorization` that a recipe comes to.
    fn value(&self, recipe: &[u8]) -> String {
        let (head, rest) = split(recipe);
        if head == b"raw" {
            return String::from_utf8_lossy(rest).into_owned();
        }
        let name = head.strip_prefix(b"signed ").unwrap_or_default();
        let (header, claims) = split(rest);
        format!("Bearer {}", self.keys.signed(&String::from_utf8_lossy(name), header, claims))
    }

    fn authenticate(&self, value: &str, identity: Option<Claim>) -> Authentication {
        let incoming = Incoming { authorization: Some(value.into()), taken_at: Some(NOW), ..Incoming::default() };
        let body = Body { site: SiteId(SITE), member: None, identity, elevated: None };
        let id = RequestId::parse(REQUEST_ID).expect("a request id");
        let decoded = Decoded { id, method: Method::Join, body, traceparent: None, tracestate: None };
        self.authenticator.authenticate(&incoming, &decoded, NOW)
    }
}

impl Target for Token {
    fn make(&self, rng: &mut Rng) -> Vec<u8> {
        // RSA takes thirty times as long as the others.
        let name = if once_in(rng, 30) { "RS256" } else { *pick(rng, &["ES256", "EdDSA", "EdDSA"]) };
        let mut header = format!(r#"{{"typ":"JWT","alg":"{name}","kid":"{}"}}"#, self.keys.kid(name)).into_bytes();
        let known = if once_in(rng, 4) { &CLAIMS[..] } else { &CLAIMS[..2] };
        let mut claims = pick(rng, known).as_bytes().to_vec();
        if once_in(rng, 2) {
            let other = *pick(rng, &CLAIMS);
            json::mutate(rng, &mut claims, other.as_bytes());
        }
        if once_in(rng, 4) {
            header = self.keys.odd_header(rng, name);
        }
        if once_in(rng, 2) {
            return [b"signed ", name.as_bytes(), b"\n", &header, b"\n", &claims].concat();
        }
        let value = format!("Bearer {}", self.keys.signed(name, &header, &claims));
        [b"raw\n", changed(rng, value.into_bytes()).as_slice()].concat()
    }

    fn check(&self, input: &[u8]) -> Outcome {
        let value = self.value(input);
        let judgement = self.judge.of(&value);
        let proven = match self.authenticate(&value, None) {
            Authentication::Proven(proven) => proven,
            Authentication::Refused(reason) => {
                assert!(refusal::ALL.contains(&reason), "{reason}");
                assert!(!matches!(judgement, Judgement::Proves { plain: true, .. }), "{reason}: {value}");
                return Outcome::Refused;
            }
            Authentication::NoKeys => panic!("keys read after the request arrived are not waited for: {value}"),
        };
        let Proven { caller, proof, ref requester } = proven;
        let Proof::Token { permission, expired } = proof else { panic!("proven by {proof:?}") };
        let found = Judgement::Proves { caller, permission, expired, plain: true };
        assert!(found.means(&judgement), "taken for {found:?}, which it is not: {judgement:?}: {value}");
        assert_eq!(requester.as_str(), format!("token:{ISSUER}:{caller}"));
        assert_eq!(self.authenticate(&value, Some(Claim::Caller(caller))), Authentication::Proven(proven.clone()));
        let other = Caller { id: Uuid::from_u128(!caller.id.as_u128()), ..caller };
        assert_eq!(
            self.authenticate(&value, Some(Claim::Caller(other))),
            Authentication::Refused(refusal::TOKEN_IDENTITY)
        );
        Outcome::Accepted
    }
}

/// A value of the header as it should not be.
fn changed(rng: &mut Rng, mut value: Vec<u8>) -> Vec<u8> {
    let dots: Vec<usize> = value.iter().enumerate().filter(|(_, byte)| **byte == b'.').map(|(at, _)| at).collect();
    let [header, claims] = dots[..] else { return value };
    match rng.u32(..10) {
        // As it is, so that what follows is known to be what makes the difference.
        0 => {}
        1 => value.truncate(claims + 1),
        2 => drop(value.splice(7..header, base64(br#"{"alg":"none"}"#).into_bytes())),
        3 => drop(value.splice(header + 1..claims, base64(pick(rng, &CLAIMS).as_bytes()).into_bytes())),
        4 => value.extend_from_slice(pick(rng, &["=", "==", ".", " ", "\n", "A", ".x.y"]).as_bytes()),
        5 => drop(
            value.splice(..7, pick(rng, &[&b"bearer   "[..], b"BEARER ", b"Bearer\t", b"", b"Basic "]).iter().copied()),
        ),
        6 => value.rotate_left(claims),
        // One character of the signature, or of anything.
        7 => *value.last_mut().expect("a signature") ^= 1,
        8 => {
            let at = rng.usize(..value.len());
            value[at] = *pick(rng, b"ABCDEFabcdef0123456789-_+/=. ");
        }
        _ => {
            let other = value.clone();
            mutate::bytes(rng, &mut value, &other);
        }
    }
    value
}

fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    bytes.iter().position(|byte| *byte == b'\n').map_or((bytes, &[]), |at| (&bytes[..at], &bytes[at + 1..]))
}
