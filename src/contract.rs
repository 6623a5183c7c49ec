//! The contract as files: what crosses the worker's boundary, for machines.
//!
//! Made from the code that reads and writes the messages, so that it can promise nothing else: JSON Schemas, an `AsyncAPI`
//! document over them, a page for people, and what differs between two of them, told by whom it breaks. The test vectors
//! beside them are files to begin with, and the code is held against them.

mod asyncapi;
mod diff;
mod page;
mod schemas;
mod vectors;
mod yaml;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value;

pub use self::diff::{Audience, Change, Contract, DiffError, diff};
pub use self::schemas::SentBy;

/// The `AsyncAPI` document's name in a folder of the contract.
pub const DOCUMENT: &str = "asyncapi.json";

/// The `AsyncAPI` document, with every schema in it.
#[must_use]
pub fn document() -> Value {
    asyncapi::document()
}

/// The document as JSON.
#[must_use]
pub fn json() -> String {
    pretty(&document())
}

/// The document as YAML.
#[must_use]
pub fn yaml() -> String {
    let heading = "# Made by `join-community contract export`; a test holds it against the code.\n";
    format!("{heading}{}", yaml::text(&document()))
}

/// The document as a page for people.
#[must_use]
pub fn html() -> String {
    page::page(&document())
}

/// Every file of the contract by its path: the document, a file for each schema, the test vectors.
#[must_use]
pub fn files() -> BTreeMap<String, String> {
    let mut files = BTreeMap::from([(DOCUMENT.to_owned(), json())]);
    for (name, schema) in schemas::files() {
        files.insert(format!("schemas/{name}.schema.json"), pretty(&schema));
    }
    for (name, text) in vectors::FILES {
        files.insert(format!("vectors/{name}"), text.to_owned());
    }
    files
}

fn pretty(value: &Value) -> String {
    // A tree of values has nothing in it that could fail to be written.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}
