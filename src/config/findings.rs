//! What is wrong with a configuration, collected: an operator wants all of it at once, not one a start.

use std::collections::BTreeSet;
use std::fmt::{self, Display};

use super::layers::Given;
use super::secrets;

/// Longest part of a value that is shown.
const SHOWN: usize = 80;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    subject: String,
    rule: String,
}

impl Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.subject, self.rule)
    }
}

/// Everything that is wrong with a configuration, sorted; shown one a line. Holds no secret.
#[derive(Debug, Default)]
pub struct Findings {
    found: BTreeSet<Finding>,
    refused: BTreeSet<String>,
}

impl Findings {
    /// The findings in order.
    pub fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.found.iter()
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(super) fn add(&mut self, subject: &impl Display, rule: impl Into<String>) {
        // A finding is a line, whatever a value or a library's message holds.
        let line = |text: String| text.replace(char::is_control, " ");
        self.found.insert(Finding { subject: line(subject.to_string()), rule: line(rule.into()) });
    }

    /// Like `add`, for a value that cannot be used, so that no rule is applied to its key.
    pub(super) fn refuse(&mut self, key: &str, subject: &impl Display, rule: impl Into<String>) {
        self.refused.insert(key.to_owned());
        self.add(subject, rule);
    }

    pub(super) fn is_refused(&self, key: &str) -> bool {
        self.refused.contains(key)
    }
}

impl Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.found.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{finding}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Findings {}

/// A key with its value and origin, `broker.prefix = "a b" (JOIN_COMMUNITY__BROKER__PREFIX)`; a secret without value.
pub(super) fn named(key: &str, given: &Given) -> String {
    let source = &given.source;
    if secrets::is_hidden(key) {
        return format!("{key} ({source})");
    }
    let whole = match given.value.as_str() {
        Some(url) if url.contains("://") => secrets::redact(url),
        Some(text) => format!("{text:?}"),
        None => given.value.to_string(),
    };
    let mut shown: String = whole.chars().take(SHOWN).collect();
    if shown.len() < whole.len() {
        shown.push('…');
    }
    format!("{key} = {shown} ({source})")
}
