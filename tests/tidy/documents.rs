//! Documents promise only what is there: links, paths, make targets, crates.

use std::collections::BTreeSet;
use std::path::{Component, Path};

use crate::rust::{code, names_crate};
use crate::tree::{documents, exists, files, none, read, rust};

/// Folders whose files are named by their path from the root.
const FOLDERS: &[&str] = &[
    "src/",
    "tests/",
    "benches/",
    "scripts/",
    "config/",
    "docs/",
    "migrations/",
    "contract/",
    "deploy/",
    "examples/",
    ".ci/",
];

/// What stands between backticks on one line.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// Lines of fenced blocks.
fn fenced(text: &str) -> impl Iterator<Item = &str> {
    text.split("```").skip(1).step_by(2).flat_map(|block| block.lines().skip(1))
}

/// `docs/decisions/../messages.md` without the detour.
fn plain(path: &Path) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(parts.pop()),
            Component::Normal(part) => parts.extend(part.to_str()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    parts.join("/")
}

#[test]
fn every_link_to_a_file_leads_somewhere() {
    let mut findings = Vec::new();
    for document in documents() {
        let folder = Path::new(&document.path).parent().unwrap_or(Path::new(""));
        for link in document.text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            if !exists(&plain(&folder.join(target))) {
                findings.push(format!("{}: {link}", document.path));
            }
        }
    }
    none("links that lead nowhere", &findings);
}

#[test]
fn every_path_that_a_document_names_exists() {
    let mut findings = Vec::new();
    for document in documents() {
        for name in quoted(&document.text).filter(|name| FOLDERS.iter().any(|folder| name.starts_with(folder))) {
            let path = name.split([' ', ':']).next().unwrap_or(name);
            if !path.contains(['*', '<', '…']) && !exists(path) {
                findings.push(format!("{}: `{path}`", document.path));
            }
        }
    }
    none("paths that do not exist", &findings);
}

#[test]
fn documents_promise_only_make_targets_that_exist() {
    let makefile = read("Makefile");
    let targets: BTreeSet<&str> = makefile
        .text
        .lines()
        .filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()))
        .filter_map(|line| line.split_once(':').map(|(target, _)| target))
        .collect();
    assert!(targets.contains("demo") && targets.contains("test"), "the Makefile is read wrongly: {targets:?}");
    let mut findings = Vec::new();
    for document in documents() {
        for command in quoted(&document.text).chain(fenced(&document.text)) {
            let words = command.split_whitespace().skip_while(|word| *word != "make").skip(1);
            for target in words.take_while(|word| word.chars().all(|c| c.is_ascii_lowercase())) {
                if !targets.contains(target) {
                    findings.push(format!("{}: make {target}", document.path));
                }
            }
        }
    }
    none("make targets that do not exist", &findings);
}

/// The direct dependencies that Cargo.toml names, whatever they are for.
fn dependencies() -> Vec<String> {
    let manifest = read("Cargo.toml");
    let mut section = "";
    let mut names = Vec::new();
    for line in manifest.text.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section.ends_with("dependencies]")
            && let Some((name, _)) = line.split_once(" = ")
        {
            names.push(name.to_owned());
        }
    }
    assert!(names.iter().any(|name| name == "lapin"), "Cargo.toml is read wrongly: {names:?}");
    names
}

#[test]
fn every_dependency_is_used() {
    let sources: Vec<String> =
        rust().into_iter().chain(files("", false, &["build.rs"])).map(|file| code(&file.text)).collect();
    let unused = dependencies().into_iter().filter(|name| {
        let name = name.replace('-', "_");
        !sources.iter().any(|code| names_crate(code, &name))
    });
    none("dependencies that nothing names", &unused.collect::<Vec<_>>());
}

#[test]
fn every_dependency_has_its_reason_written_down() {
    let page = read("docs/decisions/dependencies.md");
    let missing = dependencies().into_iter().filter(|name| !page.text.contains(&format!("| `{name}` |")));
    none("dependencies without a line in docs/decisions/dependencies.md", &missing.collect::<Vec<_>>());
}

#[test]
fn decisions_are_numbered_once_and_titled_alike() {
    let records: Vec<_> = files("docs/decisions", false, &[".md"])
        .into_iter()
        .filter(|file| !file.path.ends_with("dependencies.md"))
        .collect();
    let mut findings = Vec::new();
    for (expected, record) in (1..).zip(&records) {
        let name = record.path.trim_start_matches("docs/decisions/");
        let number = format!("{expected:04}");
        if !name.starts_with(&number) || !record.text.starts_with(&format!("# {number}: ")) {
            findings.push(format!("{}: should be {number} in name and title", record.path));
        }
    }
    assert!(!records.is_empty(), "no decision is written down");
    none("decisions out of order", &findings);
}
