//! The test vectors of requests, events and profiles through our own reader, writer and schemas. (Decisions: `src/join`.)
//!
//! Those of the last release too, as they were then: a vector is edited in a moment, what it promised was relied on.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{evaluate, fits, incoming, schema};
use crate::contract::vectors::FILES;
use crate::domain::{Caller, MemberId, SiteId};
use crate::wire::Incoming;
use crate::wire::event::event_id;
use crate::wire::request::{Body, Claim, Decoded, decode};
use crate::wire::webhook::data;
use crate::wire::{reply, rule};

/// The files of the last release by their names. One that is new since then was promised by none.
fn released() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("contract/released/vectors");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap()))
        .collect()
}

/// A file as it is spoken now, then as it was released.
fn read(file: &str) -> Vec<Value> {
    let spoken = FILES.iter().find(|(name, _)| *name == file).unwrap().1.to_owned();
    let texts = [Some(spoken), released().remove(file)];
    texts.into_iter().flatten().map(|text| serde_json::from_str(&text).unwrap()).collect()
}

fn vectors(file: &str) -> Vec<Value> {
    read(file).iter().flat_map(|read| read["vectors"].as_array().unwrap().clone()).collect()
}

fn bytes(vector: &Value) -> Vec<u8> {
    let mut body = match vector["bodyHex"].as_str() {
        Some(hex) => (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect(),
        None => vector["body"].as_str().unwrap().as_bytes().to_vec(),
    };
    if let Some(size) = vector["padTo"].as_u64() {
        body.resize(usize::try_from(size).unwrap(), b' ');
    }
    body
}

fn message(vector: &Value) -> Incoming {
    incoming(&vector["properties"], &vector["headers"], bytes(vector))
}

/// Whether the schemas take a vector; `None` if it is no JSON.
fn by_schema(vector: &Value) -> Option<Result<(), String>> {
    let body: Value = serde_json::from_slice(&bytes(vector)).ok()?;
    let properties = fits("request-properties", &vector["properties"]);
    Some(properties.and_then(|()| fits("request-headers", &vector["headers"])).and_then(|()| fits("request", &body)))
}

fn identity(claim: Claim) -> Value {
    match claim {
        Claim::Unknown => json!({ "identityType": "UNKNOWN" }),
        Claim::Caller(Caller { identity_type, id }) => {
            let mut identity = Map::from_iter([("identityType".to_owned(), json!(identity_type.as_str()))]);
            identity.insert(identity_type.id_field().to_owned(), json!(id.to_string()));
            identity.into()
        }
    }
}

#[test]
fn every_file_of_vectors_that_was_released_is_spoken_still() {
    let released = released();
    assert!(released.keys().all(|file| FILES.iter().any(|(name, _)| name == file)), "{:?}", released.keys());
}

#[test]
fn valid_requests_mean_what_is_expected() {
    for vector in vectors("requests-valid.json") {
        let name = &vector["name"];
        let Decoded { method, body, traceparent, tracestate, .. } =
            decode(&message(&vector)).unwrap_or_else(|why| panic!("{name}: {why}"));
        let Body { site, member, identity: claim, elevated } = body;
        let mut expected = vector["expected"].clone();
        if let Some(fields) = expected.as_object_mut() {
            let method = Some(method.as_str().into());
            for (field, read) in [("method", method), ("traceparent", traceparent), ("tracestate", tracestate)] {
                if let Some(expected) = fields.remove(field) {
                    assert_eq!(json!(read), expected, "{name}");
                }
            }
        }
        let meant = json!({
            "siteId": site.to_string(), "memberId": member.map(|member| member.to_string()), "identity": claim.map(identity),
            "elevated": elevated,
        });
        assert_eq!(meant, expected, "{name}");
        by_schema(&vector).unwrap().unwrap_or_else(|why| panic!("{name}: {why}"));
    }
}

#[test]
fn invalid_requests_are_refused_where_and_why_it_is_expected() {
    for vector in vectors("requests-invalid.json") {
        let name = &vector["name"];
        let malformed = decode(&message(&vector)).expect_err(name.as_str().unwrap());
        let answer = reply::malformed(&malformed);
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        let violation = &body["details"]["validationError"]["fieldViolations"][0];
        let told = json!({
            "status": answer.status, "field": violation["field"], "violatedRule": violation["violatedRule"],
            "pointer": malformed.pointer,
        });
        assert_eq!(told, vector["expected"], "{name}");
        match (vector["seenBy"].as_str(), by_schema(&vector)) {
            // What one parser refuses, another may take: a number beyond a double.
            (Some("schema"), Some(Err(_))) | (Some("reader"), Some(Ok(())) | None) | (Some("parser"), None) => {}
            (seen_by, by_schema) => panic!("{name}: seen by {seen_by:?}, and the schemas say {by_schema:?}"),
        }
    }
    let spoken = read("requests-invalid.json").remove(0);
    let spoken = spoken["vectors"].as_array().unwrap();
    let rules: Vec<&str> = spoken.iter().map(|vector| vector["expected"]["violatedRule"].as_str().unwrap()).collect();
    let missing: Vec<_> = rule::ALL.iter().filter(|rule| !rules.contains(*rule)).collect();
    assert_eq!(missing, [&rule::REQUEST_ID_REUSED], "rules without a vector");
}

#[test]
fn a_consumer_that_guards_by_sequence_keeps_what_is_expected() {
    for vector in vectors("events.json") {
        let name = &vector["name"];
        let mut held: BTreeMap<String, i64> = BTreeMap::new();
        let mut keeps = Vec::new();
        for (position, delivery) in vector["deliveries"].as_array().unwrap().iter().enumerate() {
            let event = &delivery["event"];
            fits("event", event).unwrap_or_else(|why| panic!("{name}: {why}"));
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let (site, member) = (text(&delivery["headers"]["siteId"]), text(&event["entityId"]));
            let sequence: i64 = text(&event["entityEventSequence"]).parse().unwrap();
            let id = |text: &str| Uuid::parse_str(text).unwrap();
            let expected = event_id(SiteId(id(&site)), MemberId(id(&member)), sequence);
            assert_eq!(event["id"], expected.to_string(), "{name}, delivery {position}");
            let highest = held.entry(format!("{site}/{member}")).or_insert(-1);
            if sequence > *highest {
                *highest = sequence;
                keeps.push(position);
            }
        }
        let held: Map<String, Value> =
            held.into_iter().map(|(key, sequence)| (key, json!(sequence.to_string()))).collect();
        assert_eq!(json!({ "keeps": keeps, "held": held }), vector["expected"], "{name}");
    }
}

#[test]
fn a_reader_of_the_cache_takes_from_it_what_is_expected() {
    for vector in vectors("profiles.json") {
        let (name, hash) = (&vector["name"], &vector["hash"]);
        let reads = hash["member"].as_str().map(|member| serde_json::from_str::<Value>(member).unwrap());
        assert_eq!(json!(reads), vector["reads"], "{name}");
        // No key is no entry, and no entry is of no form.
        if hash["sequence"].is_string() {
            fits("cached-profile", hash).unwrap_or_else(|why| panic!("{name}: {why}"));
            assert!(evaluate::unnamed(&schema("cached-profile"), hash).is_empty(), "{name}");
        }
    }
}

#[test]
fn a_receiver_of_a_webhook_takes_from_it_what_is_expected_or_refuses_it() {
    for file in read("webhooks.json") {
        let key = DecodingKey::from_rsa_pem(file["publicKey"].as_str().unwrap().as_bytes()).unwrap();
        for vector in file["vectors"].as_array().unwrap() {
            assert_eq!(json!(taken(vector, &key)), vector["expected"], "{}", vector["name"]);
        }
    }
}

/// What a receiver takes from a webhook's body; `None` if it refuses it.
fn taken(vector: &Value, key: &DecodingKey) -> Option<Value> {
    let (name, body) = (&vector["name"], vector["body"].as_str().unwrap());
    let mut validation = Validation::new(Algorithm::RS256);
    // By the vector's own moment, below.
    validation.validate_exp = false;
    let verified = jsonwebtoken::decode::<Value>(body, key, &validation).ok();
    let token = verified.filter(|token| token.claims["exp"].as_i64() > vector["now"].as_i64())?;
    fits("webhook", &json!(body)).unwrap_or_else(|why| panic!("{name}: {why}"));
    let inner = |text: &Value| text.as_str().map(|text| serde_json::from_str::<Value>(text).unwrap());
    let said = inner(&token.claims["data"]).unwrap();
    let account = &said["accountInfo"]["accountId"];
    let id = |text: &Value| text.as_str().map(|text| Uuid::parse_str(text).unwrap());
    let site = SiteId(id(&said["instanceId"]).unwrap());
    let written = data(said["data"].as_str().unwrap(), site, said["identity"].as_str(), id(account));
    assert_eq!(token.claims["data"], written, "{name}: as the worker would write it");
    let [event, identity] = ["data", "identity"].map(|field| inner(&said[field]));
    Some(json!({ "siteId": site.to_string(), "event": event, "identity": identity, "accountId": account }))
}
