//! Compares two `AsyncAPI` documents: where messages go, who sends them, and, by their schemas, what is in them.

use serde_json::{Map, Value};

use super::schema::{Pair, Values, below};
use super::{Audience, Change};
use crate::contract::schemas::SentBy;

/// The parts of a message that are schemas.
const SCHEMAS: [&str; 3] = ["payload", "headers", "x-amqp-properties"];
/// What is for people, wherever it stands.
const WORDS: [&str; 6] = ["title", "summary", "description", "tags", "externalDocs", "examples"];
/// Parts of a document that are no promise, or are compared where an operation leads to them.
const PARTS: [&str; 7] = ["asyncapi", "info", "servers", "channels", "operations", "components", "defaultContentType"];
/// Components that are compared where a message leads to them.
const COMPONENTS: [&str; 3] = ["schemas", "messages", "messageTraits"];

/// Differences between two whole contracts.
pub(super) fn diff(old: &Value, new: &Value) -> Vec<Change> {
    let mut all = Vec::new();
    // What belongs to no operation is everybody's.
    for sent_by in [SentBy::Producer, SentBy::Worker] {
        Both { roots: [old, new], sent_by, all: &mut all }.document();
    }
    let (before, after) = (entries(old, "operations"), entries(new, "operations"));
    for (name, was) in &before {
        let place = below("/operations", name);
        let Some(is) = after.get(name) else {
            all.push(change(&place, sent_by(was), true, "the operation is gone", (Some(was), None)));
            continue;
        };
        if was.get("action") != is.get("action") {
            let place = below(&place, "action");
            all.push(change(&place, sent_by(was), true, "changed", (was.get("action"), is.get("action"))));
            continue;
        }
        Both { roots: [old, new], sent_by: sent_by(was), all: &mut all }.operation(&place, was, is);
    }
    for (name, is) in after.iter().filter(|(name, _)| !before.contains_key(*name)) {
        all.push(change(&below("/operations", name), sent_by(is), false, "the operation is new", (None, Some(is))));
    }
    all
}

fn entries(value: &Value, part: &str) -> Map<String, Value> {
    value.get(part).and_then(Value::as_object).cloned().unwrap_or_default()
}

/// What the worker receives, producers send.
fn sent_by(operation: &Value) -> SentBy {
    if operation.get("action").is_some_and(|action| action == "receive") { SentBy::Producer } else { SentBy::Worker }
}

fn change(pointer: &str, sent_by: SentBy, breaking: bool, what: &str, (old, new): Values<'_>) -> Change {
    let audience = Audience::of(sent_by);
    Change {
        pointer: pointer.to_owned(),
        audience,
        breaking,
        what: what.to_owned(),
        old: old.cloned(),
        new: new.cloned(),
    }
}

/// Both documents, seen in one direction.
struct Both<'a> {
    roots: [&'a Value; 2],
    sent_by: SentBy,
    all: &'a mut Vec<Change>,
}

impl Both<'_> {
    fn document(&mut self) {
        let [old, new] = self.roots;
        self.rest("", [old, new], &PARTS);
        let part = |document: &Value| document.get("components").cloned().unwrap_or_default();
        self.rest("/components", [&part(old), &part(new)], &COMPONENTS);
        let (before, after) = (entries(old, "servers"), entries(new, "servers"));
        for (name, was) in &before {
            let place = below("/servers", name);
            match after.get(name) {
                Some(is) => self.rest(&place, [was, is], &[]),
                None => self.push(&place, true, "the server is gone", (Some(was), None)),
            }
        }
        for (name, is) in after.iter().filter(|(name, _)| !before.contains_key(*name)) {
            self.push(&below("/servers", name), false, "the server is new", (None, Some(is)));
        }
    }

    fn operation(&mut self, place: &str, old: &Value, new: &Value) {
        // Where a reply goes is said by the request; what it holds belongs to the operation that sends it.
        self.rest(place, [old, new], &["action", "channel", "messages"]);
        self.chosen(&below(place, "messages"), (old.get("messages"), new.get("messages")));
        let [old, new] = [self.target(0, old.get("channel")), self.target(1, new.get("channel"))];
        let ((_, was), (place, is)) = (old, new);
        self.rest(&place, [&was, &is], &["messages"]);
        let (before, after) = (entries(&was, "messages"), entries(&is, "messages"));
        let place = below(&place, "messages");
        for (name, was) in &before {
            match after.get(name) {
                Some(is) => self.message(was, is),
                // Producers are cut off; consumers wait for what no longer comes.
                None => self.push(&below(&place, name), true, "the message is gone", (Some(was), None)),
            }
        }
        for (name, is) in after.iter().filter(|(name, _)| !before.contains_key(*name)) {
            // A kind of message that consumers have never met.
            self.push(&below(&place, name), self.sent_by == SentBy::Worker, "the message is new", (None, Some(is)));
        }
    }

    /// The messages of the channel that an operation is about; without a list, all of them.
    fn chosen(&mut self, place: &str, values: Values<'_>) {
        let (Some(Value::Array(old)), Some(Value::Array(new))) = values else {
            return self.same(place, values.0, values.1);
        };
        for was in old.iter().filter(|was| !new.contains(was)) {
            self.push(place, true, "the message is gone", (Some(was), None));
        }
        for is in new.iter().filter(|is| !old.contains(is)) {
            self.push(place, self.sent_by == SentBy::Worker, "the message is new", (None, Some(is)));
        }
    }

    fn message(&mut self, old: &Value, new: &Value) {
        let ((_, was), (place, is)) = (self.target(0, Some(old)), self.target(1, Some(new)));
        let (before, after) = (self.traits(0, &was), self.traits(1, &is));
        self.rest(&below(&place, "traits"), [&before, &after], &["contentType"]);
        self.rest(&place, [&was, &is], &["traits", "contentType", SCHEMAS[0], SCHEMAS[1], SCHEMAS[2]]);
        let (before, after) = (self.content_type(0, &was), self.content_type(1, &is));
        self.same(&below(&place, "contentType"), Some(&before), Some(&after));
        for part in SCHEMAS {
            let place = below(&place, part);
            match (was.get(part), is.get(part)) {
                (Some(old), Some(new)) => {
                    let mut pair = Pair { roots: self.roots, sent_by: self.sent_by, changes: Vec::new() };
                    pair.schemas(&place, old, new, 0);
                    self.all.extend(pair.changes);
                }
                (old, new) => self.same(&place, old, new),
            }
        }
    }

    /// What a message's traits say together.
    fn traits(&self, side: usize, message: &Value) -> Value {
        let traits = message.get("traits").and_then(Value::as_array).cloned().unwrap_or_default();
        let said = traits.iter().filter_map(|part| self.target(side, Some(part)).1.as_object().cloned());
        said.flatten().collect::<Map<String, Value>>().into()
    }

    /// A message's own content type, else that of a trait, else the document's.
    fn content_type(&self, side: usize, message: &Value) -> Value {
        let traits = message.get("traits").and_then(Value::as_array).cloned().unwrap_or_default();
        let from_trait = || traits.iter().find_map(|part| self.target(side, Some(part)).1.get("contentType").cloned());
        let found = message.get("contentType").cloned().or_else(from_trait);
        found.or_else(|| self.roots[side].get("defaultContentType").cloned()).unwrap_or_default()
    }

    /// What a reference leads to, and where that stands.
    fn target(&self, side: usize, value: Option<&Value>) -> (String, Value) {
        let mut found = (String::new(), value.cloned().unwrap_or_default());
        for _ in 0..8 {
            let Some(target) = found.1.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'))
            else {
                break;
            };
            found = (target.to_owned(), self.roots[side].pointer(target).cloned().unwrap_or_default());
        }
        found
    }

    /// What nothing else compares may not change: nobody here knows what it means.
    fn rest(&mut self, place: &str, [old, new]: [&Value; 2], compared: &[&str]) {
        let fields = |value: &Value| value.as_object().cloned().unwrap_or_default();
        let (old, new) = (fields(old), fields(new));
        let mut parts: Vec<&String> = old.keys().chain(new.keys()).collect();
        parts.sort_unstable();
        parts.dedup();
        for part in parts {
            if !WORDS.contains(&part.as_str()) && !compared.contains(&part.as_str()) {
                self.same(&below(place, part), old.get(part), new.get(part));
            }
        }
    }

    /// What may not change at all: names of exchanges and queues, keys, flags.
    fn same(&mut self, place: &str, old: Option<&Value>, new: Option<&Value>) {
        let (old, new) = (old.map(told), new.map(told));
        if old != new {
            self.push(place, true, "changed", (old.as_ref(), new.as_ref()));
        }
    }

    fn push(&mut self, place: &str, breaking: bool, what: &str, values: Values<'_>) {
        self.all.push(change(place, self.sent_by, breaking, what, values));
    }
}

/// A value without its descriptions: they are for people.
fn told(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(key, _)| *key != "description");
            kept.map(|(key, value)| (key.clone(), told(value))).collect()
        }
        Value::Array(elements) => elements.iter().map(told).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}
