//! Which dead letters a command is about. Separate, because replaying and discarding must choose alike.

use std::collections::BTreeSet;

use clap::builder::PossibleValuesParser;

use crate::rabbitmq::dead_letters::{Letter, REASONS};

/// Which dead letters.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Which {
    /// Their ids, as `list` shows them.
    #[arg(value_name = "ID", value_parser = id)]
    pub ids: Vec<String>,
    /// All of them.
    #[arg(long)]
    pub all: bool,
    /// All with this reason.
    #[arg(long, value_parser = PossibleValuesParser::new(REASONS))]
    pub reason: Option<String>,
}

/// The choice, and which of the chosen ids have not been met yet.
pub(super) struct Chosen {
    which: Which,
    missing: BTreeSet<String>,
}

impl Chosen {
    pub(super) fn new(which: Which) -> Self {
        let missing = which.ids.iter().cloned().collect();
        Self { which, missing }
    }

    /// Whether this one is meant.
    pub(super) fn takes(&mut self, letter: &Letter) -> bool {
        if let Some(reason) = &self.which.reason {
            return letter.reason == Some(reason.as_str());
        }
        self.missing.remove(&letter.id);
        self.which.all || self.which.ids.contains(&letter.id)
    }

    /// The choice in words, of `total` that there are.
    pub(super) fn words(&self, total: u32) -> String {
        match (&self.which.reason, self.which.all) {
            (Some(reason), _) => format!("every dead letter with reason {reason}"),
            (None, true) => format!("all {total} dead letters"),
            (None, false) => format!("{} of {total} dead letters", self.missing.len()),
        }
    }

    /// The ids that no dead letter has.
    pub(super) const fn missing(&self) -> &BTreeSet<String> {
        &self.missing
    }
}

/// An id as `list` shows it.
pub(super) fn id(text: &str) -> Result<String, String> {
    let is_id = text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    is_id
        .then(|| text.to_owned())
        .ok_or_else(|| "expected an id of 16 hexadecimal digits, as `list` shows it".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::cli::Cli;

    fn parses(options: &str) -> bool {
        Cli::try_parse_from(format!("join-community dead-letters {options}").split_whitespace()).is_ok()
    }

    #[test]
    fn exactly_one_way_of_choosing_is_to_be_given() {
        for good in ["0123456789abcdef fedcba9876543210", "--all", "--reason malformed", "--reason delivery_limit"] {
            assert!(parses(&format!("replay {good}")) && parses(&format!("discard --yes {good}")), "{good}");
        }
        for wrong in
            ["", "--all 0123456789abcdef", "--all --reason busy", "--reason nonsense", "0123", "0123456789ABCDEF"]
        {
            assert!(!parses(&format!("replay {wrong}")) && !parses(&format!("discard {wrong}")), "{wrong}");
        }
    }
}
