//! Whether each given key exists and its value has the right type. The typed structs are the only description of the
//! shape: each value is tried by itself over the defaults, so that every wrong one is found and not the first alone.

use serde::Deserialize as _;
use toml::{Table, Value};

use super::findings::{Findings, named};
use super::layers::{Given, Layer};
use super::{Config, Producer, secrets};

const PRODUCERS: &str = "auth.producers";

/// Keeps of a layer what can be used, and reports the rest.
pub(super) fn checked(layer: Layer, defaults: &Layer, findings: &mut Findings) -> Layer {
    let mut usable = Layer::new();
    for (key, given) in layer {
        if !defaults.contains_key(&key) {
            unknown(&key, &given, defaults, findings);
        } else if fits(&key, &given, defaults, findings) {
            usable.insert(key, given);
        }
    }
    usable
}

/// The typed configuration that a complete layer holds.
pub(super) fn assemble(layer: &Layer) -> Result<Config, toml::de::Error> {
    let mut sections = Table::new();
    for (key, given) in layer {
        let Some((section, key)) = key.split_once('.') else { continue };
        let entry = sections.entry(section).or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(section) = entry {
            section.insert(key.to_owned(), given.value.clone());
        }
    }
    Config::deserialize(sections)
}

/// Never shows the value: it may be a secret under a misspelled name.
fn unknown(key: &str, given: &Given, defaults: &Layer, findings: &mut Findings) {
    let section = key.split('.').next().unwrap_or(key);
    let mut siblings: Vec<_> = defaults.keys().filter_map(|key| key.split_once('.')).collect();
    let subject = format!("{key} ({})", given.source);
    if siblings.iter().any(|(known, _)| *known == section) {
        let keys: Vec<_> = siblings.iter().filter(|(known, _)| *known == section).map(|(_, key)| *key).collect();
        // An empty section that is known says nothing, and nothing wrong.
        if key != section {
            findings.add(&subject, format!("no such key; [{section}] has {}", keys.join(", ")));
        }
    } else {
        siblings.dedup_by_key(|(section, _)| *section);
        let sections: Vec<_> = siblings.iter().map(|(section, _)| *section).collect();
        findings.add(&subject, format!("no such section; there are {}", sections.join(", ")));
    }
}

fn fits(key: &str, given: &Given, defaults: &Layer, findings: &mut Findings) -> bool {
    if key == PRODUCERS && given.value.is_array() {
        return producers_fit(given, findings);
    }
    let mut tried = defaults.clone();
    tried.insert(key.to_owned(), given.clone());
    let Err(error) = assemble(&tried) else { return true };
    // The library's message quotes the value.
    let rule = match (secrets::is_secret(key), secrets::is_hidden(key)) {
        (true, _) => "expected a string",
        (false, true) => "expected a list of tables, each with a name and a url and nothing else",
        (false, false) => error.message(),
    };
    findings.refuse(key, &named(key, given), rule);
    false
}

fn producers_fit(given: &Given, findings: &mut Findings) -> bool {
    let mut fit = true;
    for (index, entry) in given.value.as_array().into_iter().flatten().enumerate() {
        for (field, problem) in producer_problems(entry) {
            let subject = format!("{PRODUCERS}[{index}]{field} ({})", given.source);
            findings.refuse(PRODUCERS, &subject, problem);
            fit = false;
        }
    }
    fit
}

/// What is wrong with an entry: the field as `.field`, and the problem.
fn producer_problems(entry: &Value) -> Vec<(String, String)> {
    let Some(entry) = entry.as_table() else { return vec![(String::new(), "expected a table".to_owned())] };
    let list = || Value::Array(Vec::new());
    let sample = Table::from_iter([
        ("user".to_owned(), Value::String(String::new())),
        ("identity_types".to_owned(), list()),
        ("sites".to_owned(), list()),
    ]);
    let missing = sample.keys().filter(|field| !entry.contains_key(*field));
    let missing = missing.map(|field| (format!(".{field}"), "is missing".to_owned()));
    let wrong = entry.iter().filter_map(|(field, value)| {
        let mut tried = sample.clone();
        tried.insert(field.clone(), value.clone());
        let error = Producer::deserialize(tried).err()?;
        Some((format!(".{field}"), error.message().to_owned()))
    });
    missing.chain(wrong).collect()
}
