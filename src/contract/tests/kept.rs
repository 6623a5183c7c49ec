//! The files that are kept in the repository, against what the code makes.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::contract::{DOCUMENT, SentBy, document, files, html, schemas, yaml};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn below(folder: &Path, base: &Path, found: &mut Vec<String>) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            below(&path, base, found);
        } else {
            found.push(path.strip_prefix(base).unwrap().to_str().unwrap().to_owned());
        }
    }
}

#[test]
fn the_document_in_docs_is_what_the_code_speaks() {
    let kept = fs::read_to_string(root().join("docs/asyncapi.yaml")).unwrap_or_default();
    assert!(
        kept == yaml(),
        "docs/asyncapi.yaml is not what the code speaks. Make it anew:\n  cargo run -- contract export > docs/asyncapi.yaml"
    );
}

#[test]
fn the_folder_of_the_contract_is_what_the_code_speaks() {
    let folder = root().join("contract/v1");
    let mut kept = Vec::new();
    below(&folder, &folder, &mut kept);
    kept.sort();
    let made = files();
    let differing: Vec<&String> = made
        .iter()
        .filter(|(name, text)| fs::read_to_string(folder.join(name)).ok().as_ref() != Some(text))
        .map(|(name, _)| name)
        .collect();
    assert!(
        differing.is_empty() && kept.iter().eq(made.keys()),
        "contract/v1 is not what the code speaks: {differing:?}, {kept:?}. Make it anew, which is refused if it breaks \
         somebody:\n  cargo run -- contract export --out contract/v1"
    );
}

#[test]
fn every_schema_is_in_the_document_and_in_a_file_that_says_who_sends_it() {
    let document = document();
    let files = files();
    for named in schemas::all() {
        assert_eq!(document["components"]["schemas"][named.name], named.schema);
        let file: Value = serde_json::from_str(&files[&format!("schemas/{}.schema.json", named.name)]).unwrap();
        assert_eq!(file[SentBy::KEYWORD], named.sent_by.as_str());
    }
    assert!(files.contains_key(DOCUMENT));
}

/// Follows every reference of the document.
fn dangling(root: &Value, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(target) = fields.get("$ref").and_then(Value::as_str)
                && target.strip_prefix('#').and_then(|pointer| root.pointer(pointer)).is_none()
            {
                found.push(target.to_owned());
            }
            fields.values().for_each(|value| dangling(root, value, found));
        }
        Value::Array(elements) => elements.iter().for_each(|value| dangling(root, value, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let mut found = Vec::new();
    dangling(&document(), &document(), &mut found);
    for file in schemas::files().values() {
        dangling(file, file, &mut found);
    }
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn every_message_is_shown_by_an_example_that_fits_its_schema() {
    let document = document();
    for (name, message) in document["components"]["messages"].as_object().unwrap() {
        let examples = message["examples"].as_array().unwrap();
        assert!(!examples.is_empty(), "{name} is shown nowhere");
        let of =
            |part: &str| message[part]["$ref"].as_str().map(|target| target.rsplit('/').next().unwrap().to_owned());
        for example in examples {
            let payload = super::fits(&of("payload").unwrap(), &example["payload"]);
            payload.unwrap_or_else(|why| panic!("{name}: {why}"));
            if let Some(headers) = example.get("headers") {
                super::fits(&of("headers").unwrap(), headers).unwrap_or_else(|why| panic!("{name}: {why}"));
            }
        }
    }
}

#[test]
fn the_page_shows_every_field_of_every_message_and_needs_no_script() {
    let page = html();
    assert!(!page.contains("<script") && page.contains("color-scheme"));
    let mut shown = 0;
    for named in schemas::all() {
        for name in named.schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name) {
            assert!(page.contains(&format!("{name}</code>")), "{} of {}", name, named.name);
            shown += 1;
        }
    }
    assert!(shown > 60, "{shown} fields only: this test reads the schemas wrongly");
}
