//! Compares two schemas for one direction.
//!
//! Each keyword says whether a change of it lets more through or less; the direction says which of the two breaks somebody.

use serde_json::{Map, Value};

use super::{Audience, Change};
use crate::contract::schemas::SentBy;

/// Keywords that let nothing through and hold nothing back.
const ANNOTATIONS: [&str; 8] =
    ["$schema", "$defs", "$comment", "title", "description", "examples", "deprecated", SentBy::KEYWORD];
/// Deepest that references are followed: a schema may refer to itself.
const MAX_DEPTH: usize = 64;

/// What stood at a place, and what stands there now.
pub(super) type Values<'a> = (Option<&'a Value>, Option<&'a Value>);

/// What a change does to the set of messages that fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    /// More fit.
    Wider,
    /// Fewer fit.
    Narrower,
    /// Others fit, or nobody can tell.
    Other,
}

/// Two schemas, each in the document that its references lead into, and where they stand.
pub(super) struct Pair<'a> {
    pub(super) roots: [&'a Value; 2],
    pub(super) sent_by: SentBy,
    pub(super) changes: Vec<Change>,
}

/// Compares two schemas that are documents of their own.
pub(super) fn diff_roots(old: &Value, new: &Value, sent_by: SentBy) -> Vec<Change> {
    let mut pair = Pair { roots: [old, new], sent_by, changes: Vec::new() };
    pair.schemas("", old, new, 0);
    pair.changes
}

/// A place one step further down.
pub(super) fn below(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// Follows a reference within its document; the place that it leads to is where what stands there is told of.
fn resolved<'a>(root: &'a Value, pointer: &str, schema: &'a Value) -> (String, &'a Value) {
    let mut found = (pointer.to_owned(), schema);
    // References to references are few; what goes in a circle is left as it is.
    for _ in 0..8 {
        let target = found.1.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
        match target.and_then(|target| root.pointer(target).map(|schema| (target.to_owned(), schema))) {
            Some(next) => found = next,
            None => break,
        }
    }
    found
}

impl Pair<'_> {
    /// Compares two schemas that stand at the same place.
    pub(super) fn schemas(&mut self, pointer: &str, old: &Value, new: &Value, depth: usize) {
        let [old_root, new_root] = self.roots;
        let (_, old) = resolved(old_root, pointer, old);
        let (pointer, new) = resolved(new_root, pointer, new);
        if depth > MAX_DEPTH {
            return;
        }
        let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else {
            if old != new {
                self.tell(&pointer, Set::Other, "the schema changed", (Some(old), Some(new)));
            }
            return;
        };
        let mut keywords: Vec<&String> = old.keys().chain(new.keys()).collect();
        keywords.sort_unstable();
        keywords.dedup();
        for keyword in keywords {
            if !ANNOTATIONS.contains(&keyword.as_str()) {
                self.keyword(&pointer, keyword, [old, new], depth);
            }
        }
    }

    fn keyword(&mut self, pointer: &str, keyword: &str, [old, new]: [&Map<String, Value>; 2], depth: usize) {
        let place = below(pointer, keyword);
        let values = (old.get(keyword), new.get(keyword));
        match keyword {
            "properties" => {
                let was_closed = old.get("additionalProperties") == Some(&Value::Bool(false));
                self.properties(&place, values, was_closed, depth);
            }
            "required" => self.required(&place, values),
            "type" => self.words(&place, keyword, values),
            "enum" | "const" => self.choices(pointer, keyword, old, new),
            "oneOf" | "anyOf" => self.alternatives(&place, values, depth),
            "items" | "contentSchema" => match values {
                (Some(old), Some(new)) => self.schemas(&place, old, new, depth + 1),
                (old, new) => self.limit(&place, keyword, (old, new)),
            },
            "maxLength" | "maxItems" | "maximum" | "maxProperties" | "x-max-bytes" | "x-max-depth" => {
                self.bound(&place, keyword, values, Set::Wider);
            }
            "minLength" | "minItems" | "minimum" | "minProperties" => {
                self.bound(&place, keyword, values, Set::Narrower);
            }
            "additionalProperties" => self.additional(&place, values),
            // It holds nothing back, but says what it means that a field is absent.
            "default" if values.0 == values.1 => {}
            "default" => self.tell(&place, Set::Other, "the default changed", values),
            _ => self.limit(&place, keyword, values),
        }
    }

    /// A field that is gone is told as gone, though more would fit: whoever read or wrote it does so in vain. One that is new
    /// was ignored in whatever form producers sent it, unless it was refused; now it is judged.
    fn properties(&mut self, place: &str, (old, new): Values<'_>, was_closed: bool, depth: usize) {
        let empty = Map::new();
        let fields = |value: Option<&'_ Value>| value.and_then(Value::as_object).cloned();
        let (old, new) = (fields(old).unwrap_or_else(|| empty.clone()), fields(new).unwrap_or(empty));
        for (name, was) in &old {
            match new.get(name) {
                Some(is) => self.schemas(&below(place, name), was, is, depth + 1),
                None => self.push(&below(place, name), true, "the field is gone", (Some(was), None)),
            }
        }
        for (name, is) in new.iter().filter(|(name, _)| !old.contains_key(*name)) {
            let breaks = self.sent_by == SentBy::Producer && !was_closed && self.judges(is);
            self.push(&below(place, name), breaks, "the field is new", (None, Some(is)));
        }
    }

    /// Whether a newer schema does not take everything alike.
    fn judges(&self, schema: &Value) -> bool {
        let (_, schema) = resolved(self.roots[1], "", schema);
        schema.as_object().map_or(*schema != Value::Bool(true), |keywords| {
            keywords.keys().any(|keyword| !ANNOTATIONS.contains(&keyword.as_str()))
        })
    }

    fn required(&mut self, place: &str, (old, new): Values<'_>) {
        let (old, new) = (list(old), list(new));
        for name in new.iter().filter(|name| !old.contains(name)) {
            self.tell(place, Set::Narrower, "the field became required", (None, Some(name)));
        }
        for name in old.iter().filter(|name| !new.contains(name)) {
            self.tell(place, Set::Wider, "the field may be absent", (Some(name), None));
        }
    }

    /// Types: a set of words. An integer is a number.
    fn words(&mut self, place: &str, keyword: &str, values: Values<'_>) {
        let (old, new) = match values {
            (Some(old), Some(new)) => (list(Some(old)), list(Some(new))),
            absent => return self.limit(place, keyword, absent),
        };
        let has =
            |list: &[Value], word: &Value| list.contains(word) || word == "integer" && list.contains(&"number".into());
        for word in new.iter().filter(|word| !has(&old, word)) {
            self.tell(place, Set::Wider, "the type is new", (None, Some(word)));
        }
        for word in old.iter().filter(|word| !has(&new, word)) {
            self.tell(place, Set::Narrower, "the type is gone", (Some(word), None));
        }
    }

    /// `const` is an `enum` of one: either may take the other's place.
    fn choices(&mut self, pointer: &str, keyword: &str, old: &Map<String, Value>, new: &Map<String, Value>) {
        let chosen = |schema: &Map<String, Value>| match (schema.get("const"), schema.get("enum")) {
            (Some(only), _) => Some(vec![only.clone()]),
            (None, Some(some)) => Some(list(Some(some))),
            (None, None) => None,
        };
        let is_second = keyword == "enum" && (old.contains_key("const") || new.contains_key("const"));
        let place = below(pointer, keyword);
        match (chosen(old), chosen(new)) {
            _ if is_second => {}
            (Some(old), Some(new)) => {
                for word in new.iter().filter(|word| !old.contains(word)) {
                    self.tell(&place, Set::Wider, "the value is new", (None, Some(word)));
                }
                for word in old.iter().filter(|word| !new.contains(word)) {
                    self.tell(&place, Set::Narrower, "the value is gone", (Some(word), None));
                }
            }
            (old, new) => {
                let (old, new) = (old.map(Value::from), new.map(Value::from));
                self.limit(&place, keyword, (old.as_ref(), new.as_ref()));
            }
        }
    }

    /// Alternatives are the same if they have the same title; those without are compared in order.
    fn alternatives(&mut self, place: &str, values: Values<'_>, depth: usize) {
        let (Some(old), Some(new)) = values else { return self.limit(place, "the alternatives", values) };
        let (old, new) = (list(Some(old)), list(Some(new)));
        let name = |at: usize, schema: &Value| schema.get("title").cloned().unwrap_or_else(|| at.into());
        let named =
            |list: &[Value]| list.iter().enumerate().map(|(at, it)| (name(at, it), at, it.clone())).collect::<Vec<_>>();
        let (old, new) = (named(&old), named(&new));
        for (name, at, was) in &old {
            match new.iter().find(|(other, ..)| other == name) {
                Some((_, at, is)) => self.schemas(&below(place, &at.to_string()), was, is, depth + 1),
                None => self.tell(
                    &below(place, &at.to_string()),
                    Set::Narrower,
                    "the alternative is gone",
                    (Some(was), None),
                ),
            }
        }
        for (_, at, is) in new.iter().filter(|(name, ..)| !old.iter().any(|(other, ..)| other == name)) {
            self.tell(&below(place, &at.to_string()), Set::Wider, "the alternative is new", (None, Some(is)));
        }
    }

    /// A bound: `raised` says what a higher one does.
    fn bound(&mut self, place: &str, keyword: &str, values: Values<'_>, raised: Set) {
        let number = |value: Option<&Value>| value.and_then(Value::as_f64);
        let (Some(old), Some(new)) = (number(values.0), number(values.1)) else {
            return self.limit(place, keyword, values);
        };
        if old.total_cmp(&new).is_ne() {
            let lowered = if raised == Set::Wider { Set::Narrower } else { Set::Wider };
            let set = if new > old { raised } else { lowered };
            self.tell(place, set, "the bound moved", values);
        }
    }

    fn additional(&mut self, place: &str, values: Values<'_>) {
        let allows = |value: Option<&Value>| value.is_none_or(|value| *value == Value::Bool(true));
        match (allows(values.0), allows(values.1)) {
            (true, true) => {}
            (true, false) => self.tell(place, Set::Narrower, "other fields are refused", values),
            (false, true) => self.tell(place, Set::Wider, "other fields may stand", values),
            (false, false) => self.limit(place, "what other fields may hold", values),
        }
    }

    /// A keyword that holds something back where it stands.
    fn limit(&mut self, place: &str, keyword: &str, values: Values<'_>) {
        let (set, what) = match values {
            (None, None) => return,
            (Some(old), Some(new)) if old == new => return,
            (Some(_), Some(_)) => (Set::Other, "changed"),
            (None, Some(_)) => (Set::Narrower, "is new"),
            (Some(_), None) => (Set::Wider, "is gone"),
        };
        self.tell(place, set, &format!("{keyword} {what}"), values);
    }

    fn tell(&mut self, pointer: &str, set: Set, what: &str, values: Values<'_>) {
        let breaking = match (set, self.sent_by) {
            (Set::Wider, SentBy::Producer) | (Set::Narrower, SentBy::Worker) => false,
            (Set::Narrower, SentBy::Producer) | (Set::Wider, SentBy::Worker) | (Set::Other, _) => true,
        };
        self.push(pointer, breaking, what, values);
    }

    fn push(&mut self, pointer: &str, breaking: bool, what: &str, (old, new): Values<'_>) {
        let (audience, pointer, what) = (Audience::of(self.sent_by), pointer.to_owned(), what.to_owned());
        self.changes.push(Change { pointer, audience, breaking, what, old: old.cloned(), new: new.cloned() });
    }
}

/// The elements of a list; what is no list is a list of itself.
fn list(value: Option<&Value>) -> Vec<Value> {
    match value {
        Some(Value::Array(elements)) => elements.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    }
}
