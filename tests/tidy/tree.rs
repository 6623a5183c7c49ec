//! The checkout as the rules see it: its files, read as text, and how findings are told.

use std::fs;
use std::path::{Path, PathBuf};

/// A file of the checkout, by its path from the root.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn exists(path: &str) -> bool {
    root().join(path).exists()
}

pub(crate) fn read(path: &str) -> File {
    let text = fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    File { path: path.to_owned(), text }
}

/// All files below a folder, or the folder's own only, whose names end so; in a fixed order.
pub(crate) fn files(folder: &str, deep: bool, endings: &[&str]) -> Vec<File> {
    let mut found = Vec::new();
    walk(&root().join(folder), deep, &mut found);
    found.sort();
    let root = root();
    let named = found.iter().filter_map(|path| path.strip_prefix(&root).ok()?.to_str());
    named.filter(|path| endings.iter().any(|ending| path.ends_with(ending))).map(read).collect()
}

fn walk(folder: &Path, deep: bool, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if !path.is_dir() {
            found.push(path);
        } else if deep {
            walk(&path, deep, found);
        }
    }
}

/// Everything written for people: the documents of the root, those below `docs`, and the examples' own.
pub(crate) fn documents() -> Vec<File> {
    let mut documents = files("", false, &[".md"]);
    // Not what is below: packages that somebody has installed there bring documents of theirs.
    documents.extend(files("examples", false, &[".md"]));
    documents.extend(files("docs", true, &[".md"]));
    documents
}

/// Rust source of the crate, its tests and benches.
pub(crate) fn rust() -> Vec<File> {
    ["src", "tests", "benches", "examples"].iter().flat_map(|folder| files(folder, true, &[".rs"])).collect()
}

/// Fails with every finding at once, one a line: whoever mends one wants to know of all.
#[track_caller]
pub(crate) fn none(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}\n  {}\n", findings.join("\n  "));
}
