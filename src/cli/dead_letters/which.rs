//! Which dead letters a command is about. Separate, because all of them must choose alike.

use clap::ArgGroup;
use clap::builder::PossibleValuesParser;
use time::OffsetDateTime;

use crate::cli::long::Again;
use crate::cli::values;
use crate::domain::{MemberId, SiteId};
use crate::rabbitmq::dead_letters::{REASONS, Selection};
use crate::wire::instant;

/// Which dead letters. Ids, `--all`, or what they have in common.
#[derive(Clone, Debug, clap::Args)]
#[group(skip)]
#[command(group = ArgGroup::new("choice").required(true).multiple(true))]
pub struct Which {
    /// Their ids, as `list` shows them.
    #[arg(value_name = "ID", value_parser = id, group = "choice", conflicts_with = "common")]
    pub ids: Vec<String>,
    /// All of them.
    #[arg(long, group = "choice", conflicts_with_all = ["ids", "common"])]
    pub all: bool,
    /// What they have in common.
    #[command(flatten)]
    pub filter: Filter,
}

/// What letters have in common; each option narrows it down.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(skip)]
#[command(group = ArgGroup::new("common").multiple(true))]
pub struct Filter {
    /// With this reason.
    #[arg(long, groups = ["choice", "common"], value_parser = PossibleValuesParser::new(REASONS))]
    pub reason: Option<String>,
    /// About this site, as far as their bodies can be read.
    #[arg(long, groups = ["choice", "common"], value_parser = values::site)]
    pub site: Option<SiteId>,
    /// About this member, likewise.
    #[arg(long, groups = ["choice", "common"], value_parser = values::member)]
    pub member: Option<MemberId>,
    /// First seen then or later, `2026-11-24T10:00:00Z`.
    #[arg(long, groups = ["choice", "common"], value_name = "INSTANT", value_parser = values::instant)]
    pub since: Option<OffsetDateTime>,
    /// First seen before that.
    #[arg(long, groups = ["choice", "common"], value_name = "INSTANT", value_parser = values::instant)]
    pub before: Option<OffsetDateTime>,
    /// With this text in their error.
    #[arg(long, groups = ["choice", "common"], value_name = "TEXT")]
    pub error: Option<String>,
    /// Not those that were replayed before and came back.
    #[arg(long)]
    pub never_replayed: bool,
}

impl Which {
    /// The choice as it is applied.
    pub(super) fn selection(&self) -> Selection {
        Selection { ids: self.ids.iter().cloned().collect(), ..self.filter.selection() }
    }

    /// The choice in words.
    pub(super) fn words(&self) -> String {
        let words = self.options(Again::bare()).line();
        if words.is_empty() { "--all".to_owned() } else { words }
    }

    /// The choice as the options of a command that goes on.
    pub(super) fn options(&self, mut again: Again) -> Again {
        for id in &self.ids {
            again = again.word(id);
        }
        self.filter.options(again.flag("--all", self.all))
    }
}

impl Filter {
    /// What they have in common, in words.
    pub(super) fn words(&self) -> String {
        let words = self.options(Again::bare()).line();
        if words.is_empty() { "--all".to_owned() } else { words }
    }

    fn options(&self, again: Again) -> Again {
        let Self { reason, site, member, since, before, error, never_replayed } = self;
        again
            .option("--reason", reason.as_ref())
            .option("--site", site.as_ref())
            .option("--member", member.as_ref())
            .option("--since", since.map(instant::text))
            .option("--before", before.map(instant::text))
            .option("--error", error.as_ref())
            .flag("--never-replayed", *never_replayed)
    }

    pub(super) fn selection(&self) -> Selection {
        let Self { reason, site, member, since, before, error, never_replayed } = self.clone();
        Selection { ids: std::collections::BTreeSet::new(), reason, site, member, since, before, error, never_replayed }
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
    fn ids_or_all_or_what_they_have_in_common_is_to_be_given() {
        let site = "6b0e7f1a-8c0d-4f3e-9a57-2d1c4b5e6f70";
        for good in [
            "0123456789abcdef fedcba9876543210",
            "--all",
            "--reason malformed",
            "--reason delivery_limit --since 2026-11-24T10:00:00Z",
            &format!("--site {site} --error locked --never-replayed"),
        ] {
            for command in ["replay --why x", "replay --dry-run", "discard --yes-discard 2 --why x", "restore --why x"]
            {
                assert!(parses(&format!("{command} {good}")), "{command} {good}");
            }
        }
        for wrong in [
            "",
            "--never-replayed",
            "--all 0123456789abcdef",
            "--all --reason busy",
            "0123456789abcdef --reason busy",
            "--reason nonsense",
            "0123",
            "0123456789ABCDEF",
        ] {
            for command in ["replay --why x", "discard --why x", "restore --why x"] {
                assert!(!parses(&format!("{command} {wrong}")), "{command} {wrong}");
            }
        }
        assert!(parses("list") && parses("list --reason busy --error locked --discarded"));
        assert!(parses("export --error locked") && parses("export file --site 6b0e7f1a-8c0d-4f3e-9a57-2d1c4b5e6f70"));
    }
}
