//! Requests: properties, headers and body together, by the worker's own way in.

use fastrand::Rng;
use join_community::auth::{Authentication, Authenticator};
use join_community::config;
use join_community::domain::{Attempts, Caller, Method, Requester, Wait};
use join_community::rabbitmq::dead_letters::Letter;
use join_community::rabbitmq::incoming::from_parts;
use join_community::rabbitmq::window;
use join_community::wire::copy::{self, DeadLetter, DeadReason, History, Sender};
use join_community::wire::request::{Body, Claim, Decoded, Draft, Malformed, decode, encode};
use join_community::wire::{HeaderValue, Incoming, Outgoing};
use lapin::message::Delivery;
use serde_json::Value;
use time::OffsetDateTime;
use time::macros::datetime;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::message::{self, CANARY, WORKER};
use super::{Outcome, PAGE, Target, is_presentable, two};
use crate::json;
use crate::mutate::{self, once_in, pick};
use crate::strict::is_strict;

const NOW: OffsetDateTime = datetime!(2026-11-24 10:00 UTC);
const LARGEST: usize = 64 * 1024;
const RULES: [&str; 11] = [
    "REQUIRED",
    "TYPE",
    "FORMAT",
    "MAX_LENGTH",
    "MAX_SIZE",
    "MAX_DEPTH",
    "DUPLICATE_KEY",
    "UNKNOWN_VALUE",
    "ONE_OF",
    "JSON",
    "UTF8",
];

/// Requests of every kind, and a worker that trusts one producer.
pub(crate) struct Request {
    bodies: Vec<Vec<u8>>,
    malformed: Vec<Vec<u8>>,
    authenticator: Authenticator,
}

impl Request {
    pub(crate) fn new() -> Self {
        let [bodies, malformed] = ["request: ", "malformed: "].map(|label| json::blocks(PAGE, label));
        let mut auth = config::load::<String, String>(None, []).expect("the defaults are sound").auth;
        auth.producers = vec![config::Producer {
            user: "member-gateway".to_owned(),
            identity_types: vec!["MEMBER".to_owned()],
            sites: vec!["*".to_owned()],
            may_elevate: false,
        }];
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let started = runtime.block_on(Authenticator::start(&auth, WORKER, CancellationToken::new()));
        Self { bodies, malformed, authenticator: started.expect("the configuration is sound") }
    }

    fn body(&self, rng: &mut Rng) -> Vec<u8> {
        let from = if once_in(rng, 5) { &self.malformed } else { &self.bodies };
        let (mut body, other) = two(rng, from);
        if rng.bool() {
            // What is ignored must be sound, too.
            let name = *pick(rng, &["note", "\\u0000", "é", "siteID"]);
            let field = format!("{{\"{name}\":{},", json::value(rng, 5));
            body.splice(..1, field.into_bytes());
        }
        if rng.bool() {
            json::mutate(rng, &mut body, other);
        }
        if once_in(rng, 12) {
            mutate::bytes(rng, &mut body, other);
        }
        if once_in(rng, 500) {
            // Around the limit of size.
            let missing = LARGEST.saturating_sub(body.len());
            body.extend(std::iter::repeat_n(b' ', missing + rng.usize(..3) - 1));
        }
        body
    }
}

impl Target for Request {
    fn make(&self, rng: &mut Rng) -> Vec<u8> {
        let body = self.body(rng);
        message::make(rng, &body)
    }

    fn check(&self, input: &[u8]) -> Outcome {
        let Some(delivered) = message::read(input) else { return Outcome::Refused };
        let message::Delivered { exchange, routing_key, redelivered, properties, body } = delivered;
        let incoming =
            Incoming { taken_at: Some(NOW), ..from_parts(&exchange, &routing_key, redelivered, &properties, body) };
        let (attempts, arrived) = self.authenticator.history(&incoming, NOW);
        let is_own = incoming.user_id.as_deref() == Some(WORKER);
        assert!(
            arrived <= NOW && (is_own || (attempts, arrived) == (Attempts::default(), NOW)),
            "a stranger writes the history"
        );
        let decoded = decode(&incoming);
        match &decoded {
            Ok(decoded) => {
                obeys_the_limits(&incoming, decoded);
                says_what_the_body_says(&incoming.body, &decoded.body);
                survives_writing(&decoded.body);
                let sender = self.sender(&incoming, decoded);
                survives_the_ladder(&incoming, decoded, sender.as_ref(), attempts);
            }
            Err(malformed) => {
                names_place_and_rule(&incoming, malformed);
                lies_among_the_dead_letters(&incoming, malformed, attempts);
            }
        }
        Outcome::of(decoded.is_ok())
    }
}

type Proven = (Requester, Caller, join_community::domain::Proof);

impl Request {
    /// Whoever is proven was vouched for by the broker, as the producer or by a copy of ours, and there is no token.
    fn sender(&self, incoming: &Incoming, decoded: &Decoded) -> Option<Proven> {
        match self.authenticator.authenticate(incoming, decoded, NOW) {
            Authentication::Proven(proven) => {
                let user = incoming.user_id.as_deref();
                assert!(incoming.authorization.is_none(), "a token, if present, is the only proof");
                assert_eq!(proven.requester.as_str(), "producer:member-gateway");
                if user == Some("member-gateway") {
                    assert_eq!(decoded.body.identity, Some(Claim::Caller(proven.caller)));
                } else {
                    assert_eq!(user, Some(WORKER), "nobody else vouches");
                    assert_eq!(incoming.own.requester.as_deref(), Some("producer:member-gateway"));
                }
                Some((proven.requester, proven.caller, proven.proof))
            }
            Authentication::Refused(_) => None,
            Authentication::NoKeys => panic!("no keys are configured, so none can be waited for"),
        }
    }
}

fn obeys_the_limits(incoming: &Incoming, decoded: &Decoded) {
    let id = incoming.message_id.as_deref().expect("a request id");
    assert!((1..=128).contains(&id.len()) && id.bytes().all(|byte| (0x21..=0x7e).contains(&byte)), "{id:?}");
    assert_eq!(decoded.id.as_str(), id);
    let method = match incoming.kind.as_deref() {
        None | Some("join-community.v1") => Some(Method::Join),
        Some("leave-community.v1") => Some(Method::Leave),
        Some(_) => None,
    };
    assert_eq!(method, Some(decoded.method));
    assert!(incoming.content_encoding.is_none());
    let media_type =
        incoming.content_type.as_deref().map(|it| it.split(';').next().unwrap_or_default().trim().to_lowercase());
    assert!(media_type.is_none_or(|media_type| media_type == "application/json"));
    let limits = [(&incoming.authorization, 8192), (&incoming.traceparent, 512), (&incoming.tracestate, 512)];
    assert!(limits.iter().all(|(value, most)| value.as_ref().is_none_or(|value| value.len() <= *most)));
    assert!(incoming.body.len() <= LARGEST && is_strict(&incoming.body, 16), "no strict JSON, and taken");
}

/// The same by another reader.
fn says_what_the_body_says(bytes: &[u8], body: &Body) {
    let value: Value = serde_json::from_slice(bytes).expect("what is strict is JSON to everybody");
    let guid = |value: &Value| value.as_str().map(|text| Uuid::parse_str(text).expect("a GUID"));
    assert_eq!(Some(body.site.0), guid(&value["siteId"]));
    assert_eq!(body.member.map(|member| member.0), guid(&value["memberId"]));
    assert_eq!(body.elevated, value["elevated"].as_bool());
    match (body.identity, &value["identity"]) {
        (None, identity) => assert!(identity.is_null()),
        (Some(Claim::Unknown), identity) => assert_eq!(identity["identityType"], "UNKNOWN"),
        (Some(Claim::Caller(caller)), identity) => {
            assert_eq!(identity["identityType"], caller.identity_type.as_str());
            assert_eq!(guid(&identity[caller.identity_type.id_field()]), Some(caller.id));
        }
    }
}

fn survives_writing(body: &Body) {
    let identity = match body.identity {
        Some(Claim::Caller(caller)) => Some(caller),
        Some(Claim::Unknown) => return,
        None => None,
    };
    let written = encode(&Draft { site: body.site, member: body.member, identity, elevated: body.elevated });
    let again = decode(&Incoming { message_id: Some("x".into()), body: written, ..Incoming::default() });
    assert_eq!(again.map(|again| again.body).as_ref(), Ok(body));
}

/// The copy on the ladder is the same request, one attempt later, from the same sender.
fn survives_the_ladder(incoming: &Incoming, decoded: &Decoded, sender: Option<&Proven>, attempts: Attempts) {
    let sender = sender.map(|(requester, caller, proof)| Sender { requester, caller: Some(*caller), proof: *proof });
    let attempts = attempts.one_more(Wait::Busy);
    let history = History { attempts, arrived: NOW, sender, target: decoded.body.member };
    let copied = copy::retry(incoming, &history, "join-community.internal", "retry.1s", WORKER);
    fits_into_a_frame(&copied);
    let again = received(copied);
    let mut expected = decoded.clone();
    expected.tracestate = expected.tracestate.filter(|_| expected.traceparent.is_some());
    assert_eq!(decode(&again).as_ref(), Ok(&expected), "the copy is another request");
    let counted = (again.own.attempts, again.own.attempts_unknown_member, again.own.attempts_busy);
    assert_eq!(counted, (Some(attempts.total()), Some(attempts.unknown_member), Some(attempts.busy)));
    assert_eq!(again.own.requester.as_deref(), sender.map(|sender| sender.requester.as_str()));
    // Its own token, and nobody else's, goes along where nothing else proves the sender.
    assert_eq!(again.authorization.is_some(), sender.is_none() && incoming.authorization.is_some());
}

fn names_place_and_rule(incoming: &Incoming, malformed: &Malformed) {
    let Malformed { pointer, field, rule, description } = malformed;
    assert!(RULES.contains(rule), "{rule}");
    assert!(!field.is_empty() && !description.is_empty());
    assert!(
        is_presentable(field) && is_presentable(description) && is_presentable(pointer.as_deref().unwrap_or_default())
    );
    assert!(pointer.as_deref().is_none_or(|pointer| pointer.is_empty() || pointer.starts_with('/')), "{pointer:?}");
    if matches!(*rule, "JSON" | "UTF8" | "MAX_DEPTH" | "DUPLICATE_KEY") {
        assert!(!is_strict(&incoming.body, 16), "strict JSON, and refused: {malformed}");
    }
}

/// Never with a token, never too large to be published, and found again as what it is.
fn lies_among_the_dead_letters(incoming: &Incoming, malformed: &Malformed, attempts: Attempts) {
    let (error, pointer) = (malformed.to_string(), malformed.pointer.as_deref());
    let why = DeadLetter { reason: DeadReason::Malformed, pointer, error: &error };
    let history = History { attempts, arrived: NOW, sender: None, target: None };
    let dead = copy::dead_letter(incoming, &history, &why, "join-community.internal", WORKER);
    fits_into_a_frame(&dead);
    let text = |value: &HeaderValue| matches!(value, HeaderValue::Text(text) if text.contains(CANARY));
    // What a stranger writes into a routing key is his own business; a header is not.
    assert!(!dead.headers.iter().any(|(name, value)| *name == "authorization" || text(value)), "a token is kept");
    let mut delivery = Delivery::mock(1, "".into(), "dead-letter".into(), false, dead.body.clone());
    delivery.properties = window::properties(&dead);
    let letter = Letter::read(delivery, WORKER);
    assert!(
        letter.written_by_worker && letter.reason == Some("malformed") && letter.attempts == Some(attempts.total())
    );
    assert!(letter.pointer.is_some() == pointer.is_some() && letter.error.is_some());
}

fn fits_into_a_frame(copy: &Outgoing) {
    let size = |value: &HeaderValue| match value {
        HeaderValue::Text(text) => text.len(),
        HeaderValue::Number(_) | HeaderValue::Flag(_) => 8,
    };
    let headers: usize = copy.headers.iter().map(|(name, value)| name.len() + size(value)).sum();
    assert!(headers <= 16 * 1024 && copy.body.len() <= LARGEST, "{headers} bytes of headers");
}

/// As it comes back from the broker.
fn received(copy: Outgoing) -> Incoming {
    let properties = window::properties(&copy);
    from_parts(&"".into(), &"".into(), false, &properties, copy.body)
}
