//! The contract of the last release is kept as it was: what is promised now is held against it (`make contract`).

use aws_lc_rs::digest::{SHA256, digest};

use crate::tree::read;

const RELEASED: &str = "contract/released/asyncapi.json";
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

#[test]
fn the_released_contract_is_never_edited_and_is_that_of_the_last_release() {
    let sum = digest(&SHA256, read(RELEASED).text.as_bytes());
    let sum = sum.as_ref().iter().fold(String::new(), |sum, byte| sum + &format!("{byte:02x}"));
    let pinned = read(PINNED).text;
    let lines: Vec<(&str, &str)> = pinned.lines().filter_map(|line| line.split_once("  ")).collect();
    assert_eq!(
        lines.last().map(|(sum, _)| *sum),
        Some(sum.as_str()),
        "{RELEASED} was edited. It changes with a release alone: scripts/release --freeze (CONTRIBUTING.md)"
    );
    let mut versions: Vec<&str> = lines.iter().map(|(_, version)| *version).collect();
    versions.reverse();
    assert_eq!(versions, released(), "{PINNED} has a line for each release in CHANGELOG.md, the newest last");
}

#[test]
fn the_gate_compares_with_the_released_contract() {
    let gate = "\t$(SPEAK) diff contract/released\n";
    assert!(read("Makefile").text.contains(gate), "make contract compares with something else");
}
