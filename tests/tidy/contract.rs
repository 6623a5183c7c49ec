//! The contract of the last release is kept as it was: what is promised now is held against it (`make contract`).

use aws_lc_rs::digest::{SHA256, digest};

use crate::tree::{files, read};

const RELEASED: &str = "contract/released/";
const PINNED: &str = "tests/tidy/contract.sha256";

/// Versions that have a section of the changelog, the newest first.
fn released() -> Vec<String> {
    let changelog = read("CHANGELOG.md").text;
    let headings = changelog.lines().filter_map(|line| line.strip_prefix("## ["));
    let mut sections: Vec<String> =
        headings.filter_map(|heading| heading.split(']').next()).map(str::to_owned).collect();
    assert_eq!(sections.first().map(String::as_str), Some("Unreleased"), "what is new goes there");
    sections.remove(0);
    sections
}

fn sum(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref().iter().fold(String::new(), |sum, byte| sum + &format!("{byte:02x}"))
}

#[test]
fn the_released_contract_is_never_edited_and_is_that_of_the_last_release() {
    let pinned = read(PINNED).text;
    let version = |line: &str| line.split_once("  ").and_then(|(_, path)| path.split_once('/')).unwrap().0.to_owned();
    let mut versions: Vec<String> = pinned.lines().map(version).collect();
    versions.dedup();
    versions.reverse();
    assert_eq!(versions, released(), "{PINNED} has lines for each release in CHANGELOG.md, the newest last");
    let last = &versions[0];
    let expected: Vec<&str> = pinned.lines().filter(|line| version(line) == *last).collect();
    let kept: Vec<String> = files(RELEASED, true, &[""])
        .iter()
        .map(|file| format!("{}  {last}/{}", sum(&file.text), file.path.trim_start_matches(RELEASED)))
        .collect();
    assert_eq!(
        kept, expected,
        "{RELEASED} was edited. It changes with a release alone: scripts/release --freeze (CONTRIBUTING.md)"
    );
}

#[test]
fn the_gate_compares_with_the_released_contract() {
    let gate = "\t$(SPEAK) diff contract/released\n";
    assert!(read("Makefile").text.contains(gate), "make contract compares with something else");
}
