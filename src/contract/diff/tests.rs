//! A table of changes, each with whom it breaks.

use serde_json::{Value, json};

use super::{Audience, Change, Contract, diff};
use crate::contract::{document, files, schemas::SentBy};

/// What a change of one schema is, if producers send what it describes, and if the worker does.
#[track_caller]
fn changes(old: &Value, new: &Value) -> [Vec<Change>; 2] {
    [SentBy::Producer, SentBy::Worker]
        .map(|side| diff(&Contract::Schema(side, old.clone()), &Contract::Schema(side, new.clone())))
}

/// Whether a single change breaks producers, and whether it breaks consumers.
#[track_caller]
fn breaks(old: &Value, new: &Value) -> [bool; 2] {
    changes(old, new).map(|changes| {
        assert_eq!(changes.len(), 1, "{changes:?}");
        changes[0].breaking
    })
}

const NOBODY: [bool; 2] = [false, false];
const PRODUCERS: [bool; 2] = [true, false];
const CONSUMERS: [bool; 2] = [false, true];
const BOTH: [bool; 2] = [true, true];

/// Each row: a change, and whom it breaks.
#[track_caller]
fn break_whom_they_should(rows: &[(&str, Value, Value, [bool; 2])]) {
    for (name, old, new, expected) in rows {
        assert_eq!(breaks(old, new), *expected, "{name}");
        assert!(changes(old, old).iter().all(Vec::is_empty), "{name}");
    }
}

#[test]
fn each_change_of_fields_types_and_words_breaks_those_whom_it_should() {
    break_whom_they_should(&[
        ("a new field", json!({ "properties": {} }), json!({ "properties": { "a": {} } }), NOBODY),
        ("a new field of a type", json!({}), json!({ "properties": { "a": { "type": "string" } } }), PRODUCERS),
        (
            "a new field by reference",
            json!({ "$defs": { "x": { "maxLength": 1 } } }),
            json!({ "properties": { "a": { "$ref": "#/$defs/x" } }, "$defs": { "x": { "maxLength": 1 } } }),
            PRODUCERS,
        ),
        ("a new field that may not be", json!({}), json!({ "properties": { "a": false } }), PRODUCERS),
        ("a new field that is described", json!({}), json!({ "properties": { "a": { "title": "A" } } }), NOBODY),
        (
            "a new field that was refused",
            json!({ "additionalProperties": false }),
            json!({ "additionalProperties": false, "properties": { "a": { "type": "string" } } }),
            NOBODY,
        ),
        ("a default", json!({}), json!({ "default": 1 }), BOTH),
        ("another default", json!({ "default": 1 }), json!({ "default": 2 }), BOTH),
        ("a field that is gone", json!({ "properties": { "a": {} } }), json!({ "properties": {} }), BOTH),
        ("the last field is gone", json!({ "properties": { "a": {} } }), json!({}), BOTH),
        ("a field becomes required", json!({ "required": ["a"] }), json!({ "required": ["a", "b"] }), PRODUCERS),
        ("the first field becomes required", json!({}), json!({ "required": ["a"] }), PRODUCERS),
        ("a field may be absent", json!({ "required": ["a", "b"] }), json!({ "required": ["a"] }), CONSUMERS),
        ("a type more", json!({ "type": "string" }), json!({ "type": ["string", "null"] }), CONSUMERS),
        ("a type less", json!({ "type": ["string", "null"] }), json!({ "type": "string" }), PRODUCERS),
        ("any type", json!({ "type": "string" }), json!({}), CONSUMERS),
        (
            "from integer to number",
            json!({ "type": ["integer", "null"] }),
            json!({ "type": ["number", "null"] }),
            CONSUMERS,
        ),
        (
            "from number to integer",
            json!({ "type": ["number", "null"] }),
            json!({ "type": ["integer", "null"] }),
            PRODUCERS,
        ),
        ("a word more", json!({ "enum": ["A"] }), json!({ "enum": ["A", "B"] }), CONSUMERS),
        ("a word less", json!({ "enum": ["A", "B"] }), json!({ "enum": ["A"] }), PRODUCERS),
        ("one word becomes two", json!({ "const": "A" }), json!({ "enum": ["A", "B"] }), CONSUMERS),
        ("any word", json!({ "const": "A" }), json!({}), CONSUMERS),
    ]);
}

#[test]
fn each_change_of_bounds_and_alternatives_breaks_those_whom_it_should() {
    break_whom_they_should(&[
        ("a pattern more", json!({}), json!({ "pattern": "a" }), PRODUCERS),
        ("a pattern less", json!({ "pattern": "a" }), json!({}), CONSUMERS),
        ("another pattern", json!({ "pattern": "a" }), json!({ "pattern": "b" }), BOTH),
        ("longer", json!({ "maxLength": 1 }), json!({ "maxLength": 2 }), CONSUMERS),
        ("shorter", json!({ "maxLength": 2 }), json!({ "maxLength": 1 }), PRODUCERS),
        ("a larger body", json!({ "x-max-bytes": 1 }), json!({ "x-max-bytes": 2 }), CONSUMERS),
        ("less deep", json!({ "x-max-depth": 2 }), json!({ "x-max-depth": 1 }), PRODUCERS),
        ("at least more", json!({ "minItems": 0 }), json!({ "minItems": 1 }), PRODUCERS),
        ("at least less", json!({ "minimum": 1 }), json!({ "minimum": 0 }), CONSUMERS),
        ("no other fields", json!({}), json!({ "additionalProperties": false }), PRODUCERS),
        ("other fields", json!({ "additionalProperties": false }), json!({ "additionalProperties": true }), CONSUMERS),
        (
            "an alternative more",
            json!({ "oneOf": [{ "title": "a" }] }),
            json!({ "oneOf": [{ "title": "b" }, { "title": "a" }] }),
            CONSUMERS,
        ),
        (
            "an alternative less",
            json!({ "anyOf": [{ "title": "b" }, { "title": "a" }] }),
            json!({ "anyOf": [{ "title": "a" }] }),
            PRODUCERS,
        ),
        (
            "in an alternative",
            json!({ "oneOf": [{ "maxLength": 1 }] }),
            json!({ "oneOf": [{ "maxLength": 2 }] }),
            CONSUMERS,
        ),
        (
            "in a list",
            json!({ "items": { "type": ["string", "null"] } }),
            json!({ "items": { "type": "string" } }),
            PRODUCERS,
        ),
        (
            "in a field",
            json!({ "properties": { "a/b": { "enum": [1] } } }),
            json!({ "properties": { "a/b": { "enum": [1, 2] } } }),
            CONSUMERS,
        ),
        ("what nobody knows", json!({ "frobnicate": 1 }), json!({ "frobnicate": 2 }), BOTH),
        ("what may not be", json!({ "not": { "required": ["a"] } }), json!({}), CONSUMERS),
        ("no schema any more", json!({ "items": {} }), json!({ "items": false }), BOTH),
    ]);
}

#[test]
fn another_type_is_one_more_and_one_less() {
    let [to_producers, to_consumers] = changes(&json!({ "type": "string" }), &json!({ "type": "number" }));
    for changes in [to_producers, to_consumers] {
        assert_eq!(changes.iter().map(|change| change.breaking).collect::<Vec<_>>(), [true, false]);
    }
}

#[test]
fn words_for_people_are_no_change() {
    let new = json!({ "title": "b", "description": "b", "examples": [2], "x-sent-by": "worker", "type": "string" });
    assert!(changes(&json!({ "title": "a", "type": "string" }), &new).iter().all(Vec::is_empty));
}

#[test]
fn a_change_behind_a_reference_is_told_where_it_stands() {
    let with =
        |most: u32| json!({ "properties": { "a": { "$ref": "#/$defs/x" } }, "$defs": { "x": { "maxLength": most } } });
    let [_, changes] = changes(&with(1), &with(2));
    assert_eq!(changes[0].pointer, "/$defs/x/maxLength");
    assert_eq!(changes[0].to_string(), "breaking for consumers: /$defs/x/maxLength: the bound moved: 1 → 2");
}

/// The contract with one value replaced; what is null is taken away.
fn altered(pointer: &str, value: Value) -> Contract {
    let mut document = document();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer}")).as_object_mut().unwrap();
    parent.remove(key);
    if !value.is_null() {
        parent.insert(key.to_owned(), value);
    }
    Contract::Document(document)
}

/// The changes from the contract to an altered one, as audience and whether it breaks them.
fn from_spoken(pointer: &str, value: Value) -> Vec<(Audience, bool)> {
    let changes = diff(&Contract::spoken(), &altered(pointer, value));
    changes.into_iter().map(|change| (change.audience, change.breaking)).collect()
}

#[test]
fn each_change_of_the_document_breaks_those_whom_it_should() {
    use Audience::{Consumers, Producers};
    let rows = [
        ("/components/schemas/request/required", json!(["siteId", "memberId"]), vec![(Producers, true)]),
        ("/components/schemas/request/x-max-bytes", json!(1024), vec![(Producers, true)]),
        ("/components/schemas/request/properties/note", json!({}), vec![(Producers, false)]),
        ("/components/schemas/request-headers/properties/authorization/maxLength", json!(64), vec![(Producers, true)]),
        ("/components/schemas/request-properties/required", json!([]), vec![(Producers, false)]),
        ("/channels/requests/address", json!("requests"), vec![(Producers, true)]),
        ("/channels/requests/bindings/amqp/exchange/name", json!("x"), vec![(Producers, true)]),
        ("/channels/requests/description", json!("x"), vec![]),
        ("/channels/requests/messages/request", Value::Null, vec![(Producers, true)]),
        ("/operations/receiveRequest", Value::Null, vec![(Producers, true)]),
        ("/operations/receiveRequest/reply/address/location", json!("$message.header#/x"), vec![(Producers, true)]),
        // Replies and events share it, and both are consumers': told once.
        ("/components/schemas/member/properties/loginEmail", Value::Null, vec![(Consumers, true)]),
        ("/components/schemas/member/properties/nickname", json!({}), vec![(Consumers, false)]),
        (
            "/components/schemas/event/properties/entityEventSequence/type",
            json!(["number", "string"]),
            vec![(Consumers, true)],
        ),
        ("/components/schemas/public-profile/required", json!(["id"]), vec![(Consumers, true); 3]),
        ("/components/schemas/identity/properties/appId", Value::Null, vec![(Consumers, true)]),
        ("/channels/memberUpdates/address", json!("x"), vec![(Consumers, true)]),
        ("/channels/memberUpdates/messages/other", json!({}), vec![(Consumers, true)]),
        ("/components/messages/memberUpdated/contentType", json!("text/plain"), vec![(Consumers, true)]),
        (
            "/components/messageTraits/json/contentType",
            json!("text/plain"),
            vec![(Producers, true), (Producers, true), (Consumers, true), (Consumers, true), (Consumers, true)],
        ),
        ("/operations/other", json!({ "action": "send" }), vec![(Consumers, false)]),
        ("/operations/announceMember/action", json!("receive"), vec![(Consumers, true)]),
        ("/info/version", json!("2.0.0"), vec![]),
    ];
    for (pointer, value, expected) in rows {
        assert_eq!(from_spoken(pointer, value), expected, "{pointer}");
    }
}

#[test]
fn what_nothing_else_compares_may_not_change_in_the_document() {
    use Audience::{Consumers, Producers};
    let everybody = || vec![(Producers, true), (Consumers, true)];
    let message = |channel: &str, name: &str| json!({ "$ref": format!("#/channels/{channel}/messages/{name}") });
    let rows = [
        ("/id", json!("urn:example"), everybody()),
        ("/servers/broker/protocol", json!("kafka"), everybody()),
        ("/servers/broker/security", json!([]), everybody()),
        ("/servers/broker/description", json!("x"), vec![]),
        ("/servers/cache", Value::Null, everybody()),
        ("/servers/other", json!({}), vec![(Producers, false), (Consumers, false)]),
        ("/components/securitySchemes", json!({ "x": {} }), everybody()),
        ("/components/messageTraits/other", json!({}), vec![]),
        ("/channels/profiles/parameters", Value::Null, vec![(Consumers, true)]),
        ("/channels/requests/servers", json!([]), vec![(Producers, true)]),
        ("/operations/receiveRequest/security", json!([]), vec![(Producers, true)]),
        ("/operations/receiveRequest/summary", json!("x"), vec![]),
        ("/operations/sendReply/messages", json!([message("replies", "error")]), vec![(Consumers, true)]),
        (
            "/operations/receiveRequest/messages",
            json!([message("requests", "request"), message("requests", "other")]),
            vec![(Producers, false)],
        ),
        ("/operations/receiveRequest/messages", Value::Null, vec![(Producers, true)]),
        ("/components/messages/request/name", json!("x"), vec![(Producers, true)]),
        (
            "/components/messageTraits/json/bindings",
            json!({ "amqp": {} }),
            vec![(Producers, true), (Producers, true), (Consumers, true), (Consumers, true), (Consumers, true)],
        ),
    ];
    for (pointer, value, expected) in rows {
        assert_eq!(from_spoken(pointer, value), expected, "{pointer}");
    }
}

#[test]
fn what_is_no_contract_is_refused_and_what_export_writes_is_read() {
    for (name, text) in files().iter().filter(|(name, _)| !name.starts_with("vectors/")) {
        Contract::parse(text).unwrap_or_else(|why| panic!("{name}: {why}"));
    }
    for text in ["", "asyncapi: 3.0.0", "{}", r#"{"asyncapi":"2.6.0"}"#, r#"{"type":"object"}"#] {
        assert!(Contract::parse(text).is_err(), "{text}");
    }
}
