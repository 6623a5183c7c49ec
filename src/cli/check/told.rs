//! What a part of `check` says of a configuration, for the tests of each part.

use super::finding::Finding;
use crate::config::{Config, load};

/// The configuration with these settings.
pub(super) fn configured(environment: &[(&str, &str)]) -> Config {
    load(None, environment.iter().copied()).unwrap_or_else(|findings| panic!("{findings}"))
}

/// Findings as a terminal without colours shows them.
pub(super) fn said(found: &[Finding]) -> String {
    let lines: Vec<_> = found.iter().map(ToString::to_string).collect();
    anstream::adapter::strip_str(&lines.join("\n")).to_string()
}
