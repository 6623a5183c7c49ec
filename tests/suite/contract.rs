//! `contract` as a person runs it: what it writes, what it refuses, and with which exit code.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use uuid::Uuid;

/// A folder that is gone with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("join-community-contract-{}", Uuid::new_v4()));
        Self(folder)
    }

    fn document(&self) -> PathBuf {
        self.0.join("asyncapi.json")
    }

    /// Makes the contract in the folder one that the program breaks: it promised a field more.
    fn promise_more(&self) {
        let text = fs::read_to_string(self.document()).unwrap();
        let mut document: Value = serde_json::from_str(&text).unwrap();
        document["components"]["schemas"]["event"]["properties"]["more"] = serde_json::json!({ "type": "string" });
        fs::write(self.document(), document.to_string()).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap_or_default();
    }
}

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_join-community")).arg("contract").args(arguments).output().unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn what_is_exported_is_the_same_as_what_is_spoken() {
    let folder = Folder::new();
    assert!(run(&["export", "--out", text(&folder.0)]).status.success());
    for old in [&folder.0, &folder.document()] {
        let ended = run(&["diff", text(old)]);
        assert!(ended.status.success(), "{ended:?}");
        assert_eq!(String::from_utf8_lossy(&ended.stdout), "The contracts are the same.\n");
    }
    let schema = folder.0.join("schemas/event.schema.json");
    assert!(run(&["diff", text(&schema), text(&schema)]).status.success());
}

#[test]
fn what_breaks_somebody_ends_with_1_and_names_the_place_for_people_and_programs() {
    let folder = Folder::new();
    run(&["export", "--out", text(&folder.0)]);
    folder.promise_more();
    let ended = run(&["diff", text(&folder.0)]);
    assert_eq!(ended.status.code(), Some(1));
    let told = String::from_utf8(ended.stdout).unwrap();
    assert!(
        told.starts_with("breaking for consumers: /components/schemas/event/properties/more: the field is gone"),
        "{told}"
    );
    let ended = run(&["diff", text(&folder.0), "--output", "json"]);
    assert_eq!(ended.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!(told[0]["pointer"], "/components/schemas/event/properties/more");
    assert_eq!((&told[0]["audience"], &told[0]["breaking"]), (&"consumers".into(), &true.into()));
}

/// What `make contract` runs, with a change of each message that nobody may make unnoticed.
#[test]
fn the_gate_passes_the_released_contract_and_stops_what_breaks_it() {
    let ended = run(&["diff", "contract/released"]);
    assert!(ended.status.success(), "{ended:?}");
    let released = fs::read_to_string("contract/released/asyncapi.json").unwrap();
    let folder = Folder::new();
    fs::create_dir_all(&folder.0).unwrap();
    for (schema, audience) in [
        ("request", "producers"),
        ("reply", "consumers"),
        ("event", "consumers"),
        ("webhook-claims", "consumers"),
        ("webhook-data", "consumers"),
        ("public-profile", "consumers"),
        ("dead-letter-headers", "consumers"),
    ] {
        let mut document: Value = serde_json::from_str(&released).unwrap();
        document["components"]["schemas"][schema]["properties"]["more"] = serde_json::json!({ "type": "string" });
        fs::write(folder.document(), document.to_string()).unwrap();
        let ended = run(&["diff", text(&folder.0)]);
        assert_eq!(ended.status.code(), Some(1), "{schema}: {ended:?}");
        let told = String::from_utf8(ended.stdout).unwrap();
        let expected =
            format!("breaking for {audience}: /components/schemas/{schema}/properties/more: the field is gone");
        assert!(told.starts_with(&expected), "{told}");
    }
}

#[test]
fn a_contract_that_others_rely_on_is_not_replaced_by_one_that_breaks_them() {
    let folder = Folder::new();
    run(&["export", "--out", text(&folder.0)]);
    folder.promise_more();
    let before = fs::read(folder.document()).unwrap();
    let ended = run(&["export", "--out", text(&folder.0)]);
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert_eq!(fs::read(folder.document()).unwrap(), before);
    assert!(run(&["export", "--out", text(&folder.0), "--accept-breaking"]).status.success());
    assert_ne!(fs::read(folder.document()).unwrap(), before);
}

#[test]
fn what_cannot_be_read_is_named() {
    for path in ["no/such/contract", "Cargo.toml"] {
        let ended = run(&["diff", path]);
        assert_eq!(ended.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&ended.stderr).contains(path), "{ended:?}");
    }
}
