//! JSON Schemas of everything that crosses the worker's boundary.
//!
//! Apart from the `AsyncAPI` document, because each stands by itself in a file as well. They keep to what JSON Schema draft 7
//! (`AsyncAPI`'s own) and 2020-12 (the files') say alike, and take limits, words and names from the code that reads and
//! writes; what that code enforces and no schema can say is said in words.

mod dead_letter;
mod event;
mod member;
mod parts;
mod profile;
mod reply;
mod request;
mod webhook;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Where the schemas lie in the `AsyncAPI` document, and in a file of their own.
const COMPONENTS: &str = "#/components/schemas/";
const DEFINITIONS: &str = "#/$defs/";

/// Who writes what a schema describes: that decides which change of it breaks whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SentBy {
    /// Producers: the worker reads it.
    Producer,
    /// The worker: consumers read it.
    Worker,
}

impl SentBy {
    /// Says it in a schema file, so that one file alone can be compared with its successor.
    pub const KEYWORD: &str = "x-sent-by";

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Producer => "producer",
            Self::Worker => "worker",
        }
    }

    /// Who a word stands for.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Producer, Self::Worker].into_iter().find(|side| side.as_str() == word)
    }
}

/// A schema and its name, which is that of its file and of its place in the document.
#[derive(Clone, Debug)]
pub(super) struct Named {
    /// The name.
    pub(super) name: &'static str,
    /// Who writes what it describes.
    pub(super) sent_by: SentBy,
    /// The schema; its references lead to others of the list by [`reference()`].
    pub(super) schema: Value,
}

/// Every schema.
pub(super) fn all() -> Vec<Named> {
    let from = |sent_by| move |(name, schema)| Named { name, sent_by, schema };
    let mut all: Vec<Named> = request::schemas().into_iter().map(from(SentBy::Producer)).collect();
    let sent = [
        reply::schemas(),
        event::schemas(),
        webhook::schemas(),
        profile::schemas(),
        member::schemas(),
        dead_letter::schemas(),
    ];
    all.extend(sent.into_iter().flatten().map(from(SentBy::Worker)));
    all
}

/// A reference to the schema of this name.
pub(super) fn reference(name: &str) -> Value {
    json!({ "$ref": format!("{COMPONENTS}{name}") })
}

/// Every schema as a file of its own, by its name: complete, with what it refers to.
pub(super) fn files() -> BTreeMap<&'static str, Value> {
    let all = all();
    all.iter().map(|named| (named.name, standalone(named, &all))).collect()
}

fn standalone(named: &Named, all: &[Named]) -> Value {
    let mut definitions = Map::new();
    let mut wanted = references(&named.schema);
    while let Some(name) = wanted.pop() {
        let Some(found) = all.iter().find(|other| other.name == name) else { continue };
        if !definitions.contains_key(&name) {
            wanted.extend(references(&found.schema));
            definitions.insert(name, relinked(&found.schema));
        }
    }
    let mut file = relinked(&named.schema);
    file["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    file[SentBy::KEYWORD] = json!(named.sent_by.as_str());
    if !definitions.is_empty() {
        file["$defs"] = Value::Object(definitions);
    }
    file
}

/// The names that a schema refers to.
fn references(schema: &Value) -> Vec<String> {
    match schema {
        Value::Object(fields) => fields
            .iter()
            .flat_map(|(key, value)| match value.as_str().and_then(|target| target.strip_prefix(COMPONENTS)) {
                Some(name) if key == "$ref" => vec![name.to_owned()],
                Some(_) | None => references(value),
            })
            .collect(),
        Value::Array(elements) => elements.iter().flat_map(references).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

fn relinked(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), relinked(value))).collect(),
        Value::Array(elements) => elements.iter().map(relinked).collect(),
        Value::String(text) => text
            .strip_prefix(COMPONENTS)
            .map_or_else(|| schema.clone(), |name| Value::String(format!("{DEFINITIONS}{name}"))),
        Value::Null | Value::Bool(_) | Value::Number(_) => schema.clone(),
    }
}
