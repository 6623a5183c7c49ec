//! What differs between two contracts, and whom it breaks.
//!
//! Pure: two documents in, changes out. Producers are broken by what the worker reads becoming narrower, consumers by what it
//! sends becoming wider or poorer. What cannot be told apart counts as breaking: a false alarm costs a look, silence an outage.

mod document;
mod read;
mod schema;

#[cfg(test)]
mod tests;

use std::fmt;

use serde::Serialize;
use serde_json::Value;

pub use self::read::{Contract, DiffError};
use super::schemas::SentBy;

/// For whom a change is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    /// Those who send requests.
    Producers,
    /// Those who read replies, events, profiles, dead letters.
    Consumers,
}

impl Audience {
    /// Who reads or writes what the other side is the worker of.
    const fn of(sent_by: SentBy) -> Self {
        match sent_by {
            SentBy::Producer => Self::Producers,
            SentBy::Worker => Self::Consumers,
        }
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Producers => "producers",
            Self::Consumers => "consumers",
        })
    }
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Where: a JSON pointer into the newer document, or into the older one for what is gone.
    pub pointer: String,
    /// Whose it is.
    pub audience: Audience,
    /// Whether it breaks them.
    pub breaking: bool,
    /// What happened.
    pub what: String,
    /// What stood there.
    pub old: Option<Value>,
    /// What stands there now.
    pub new: Option<Value>,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pointer, audience, breaking, what, old, new } = self;
        let class = if *breaking { "breaking" } else { "compatible" };
        write!(f, "{class} for {audience}: {pointer}: {what}")?;
        match (old, new) {
            (Some(old), Some(new)) => write!(f, ": {} → {}", Short(old), Short(new)),
            (Some(value), None) | (None, Some(value)) => write!(f, ": {}", Short(value)),
            (None, None) => Ok(()),
        }
    }
}

/// A value on one line, cut where nobody would read on.
struct Short<'a>(&'a Value);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 100;
        let text = self.0.to_string();
        match text.char_indices().nth(SHOWN) {
            Some((end, _)) => write!(f, "{}…", &text[..end]),
            None => f.write_str(&text),
        }
    }
}

/// Every difference between two contracts, what breaks somebody first.
#[must_use]
pub fn diff(old: &Contract, new: &Contract) -> Vec<Change> {
    let mut changes = match (old, new) {
        (Contract::Document(old), Contract::Document(new)) => document::diff(old, new),
        (Contract::Schema(sent_by, old), Contract::Schema(_, new)) => schema::diff_roots(old, new, *sent_by),
        (Contract::Document(document), Contract::Schema(sent_by, schema))
        | (Contract::Schema(sent_by, schema), Contract::Document(document)) => vec![Change {
            pointer: String::new(),
            audience: Audience::of(*sent_by),
            breaking: true,
            what: "one is a whole contract, the other a schema".to_owned(),
            old: document.get("info").cloned(),
            new: schema.get("title").cloned(),
        }],
    };
    // Two messages may share a schema: its change is told once for each audience.
    let mut told: Vec<Change> = Vec::new();
    for change in changes.drain(..) {
        if !told.contains(&change) {
            told.push(change);
        }
    }
    told.sort_by(|one, other| {
        (!one.breaking, one.audience, &one.pointer).cmp(&(!other.breaking, other.audience, &other.pointer))
    });
    told
}
