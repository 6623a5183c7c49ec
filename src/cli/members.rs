//! `members`: the member records.

pub mod lines;

mod advance;
mod export;
mod import;
mod show;
mod timeline;

use std::path::PathBuf;
use std::process::ExitCode;

use super::Context;
use super::record::{Unmask, Why};
use super::values;
use crate::domain::{Member, MemberId, SiteId};
use crate::postgres::Edge;
use crate::wire::member::{fields, mask, write};

const AFTER_IMPORT: &str = "\
A member that the site does not know is added as it is, without an event. A known one, a deleted one included, is replaced
by what the file says and announced, unless nothing differs. Of a known member only status, privacyStatus, activityStatus and
createdDate stay as they are where the file does not give them. A second import of the same file changes nothing.

A line that cannot be taken is named on stderr with its reason; the others are imported, and the exit code is 1. What was
exported without --unmask cannot be taken.

Examples:
  join-community members import --site SITE members.ndjson --why 'ticket 4711'
  join-community members export --site SITE --unmask --why 'a copy' |
      join-community members import --site OTHER - --why 'a copy'";

/// Commands of `members`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Read members from a file with one JSON object a line, in REST or SDK names.
    #[command(after_help = AFTER_IMPORT)]
    Import {
        /// The site that they belong to.
        #[arg(long, value_parser = values::site)]
        site: SiteId,
        /// The file; `-` is stdin.
        #[arg(value_name = "FILE.ndjson")]
        file: PathBuf,
        /// Why.
        #[command(flatten)]
        why: Why,
    },
    /// Write all members of a site, one JSON object a line in REST names, in the order of their ids, personal data masked.
    ///
    /// Only what is unmasked is a backup: `import` takes nothing else. Deleted members are left out. Members that change
    /// meanwhile are written as they are found.
    Export {
        /// The site that they belong to.
        #[arg(long, value_parser = values::site)]
        site: SiteId,
        /// The file, there only once it is complete; without it, stdout.
        #[arg(value_name = "FILE.ndjson")]
        file: Option<PathBuf>,
        /// What is written of them.
        #[command(flatten)]
        unmask: Unmask,
    },
    /// Show one member, personal data masked, and how often the record has changed.
    Show {
        /// The site.
        #[arg(value_parser = values::site)]
        site: SiteId,
        /// The member.
        #[arg(value_parser = values::member)]
        member: MemberId,
        /// What is shown of it.
        #[command(flatten)]
        unmask: Unmask,
    },
    /// Tell what happened to a member: requests, then record, cache entry and debts as they are now.
    ///
    /// Its dead letters are looked for among the oldest 2,000, if `broker.operator_url` names a user who may read them;
    /// meanwhile no other command sees those.
    Timeline {
        /// The site.
        #[arg(value_parser = values::site)]
        site: SiteId,
        /// The member.
        #[arg(value_parser = values::member)]
        member: MemberId,
        /// Go on where the last part ended.
        #[arg(long, value_name = "NEXT", value_parser = values::cursor)]
        cursor: Option<Edge>,
    },
    /// Raise the sequence of every member, after a restore from a backup and before the worker runs again.
    ///
    /// Consumers and cache ignore what is not newer than what they have seen. A restored record has an older sequence
    /// than they may have seen, so that its next changes would be ignored. N must exceed the number of changes that any
    /// one member can have had since the backup. Tombstones are raised too, and what is still owed moves along.
    ///
    /// Nothing of the members changes, so nobody is told, and consumers and cache may hold states that the restore has
    /// undone until the member changes again. `--announce` tells them all: every member then owes an event and a cache
    /// entry. Without it, empty the cache, or profiles that are private again stay visible for as long as `cache.ttl`.
    ///
    /// May be interrupted and run again: what was raised already is then raised twice, which does no harm.
    Advance {
        /// By how much.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        by: u32,
        /// Only the members of this site.
        #[arg(long, value_parser = values::site)]
        site: Option<SiteId>,
        /// Announce every member as it is now.
        #[arg(long)]
        announce: bool,
        /// Why.
        #[command(flatten)]
        why: Why,
    },
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub async fn run(command: Command, context: &Context) -> anyhow::Result<ExitCode> {
    match command {
        Command::Import { site, file, why } => import::run(site, &file, &why, context).await,
        Command::Export { site, file, unmask } => export::run(site, file.as_deref(), &unmask, context).await,
        Command::Show { site, member, unmask } => show::run(site, member, &unmask, context).await,
        Command::Timeline { site, member, cursor } => timeline::run((site, member), cursor, context).await,
        Command::Advance { by, site, announce, why } => {
            advance::run(advance::Order { by, site, announce }, &why, context).await
        }
    }
}

/// Appends a member in REST names, personal data masked unless it was said why it has to be seen.
fn append(member: &Member, unmask: &Unmask, out: &mut Vec<u8>) -> anyhow::Result<()> {
    if unmask.unmask {
        write(member, out);
    } else {
        serde_json::to_writer(out, &mask(fields(member)?))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::cli::Cli;

    fn parses(options: &str) -> bool {
        Cli::try_parse_from(format!("join-community members {options}").split_whitespace()).is_ok()
    }

    #[test]
    fn nothing_is_unmasked_without_a_reason() {
        let id = "7d368843-6f0c-4037-8d0e-b7e36a8a0c32";
        for command in [format!("show {id} {id}"), format!("export --site {id}"), format!("export --site {id} file")] {
            assert!(parses(&command) && parses(&format!("{command} --unmask --why ticket")), "{command}");
            assert!(!parses(&format!("{command} --unmask")), "{command}");
        }
    }

    #[test]
    fn nothing_is_changed_without_a_reason() {
        let id = "7d368843-6f0c-4037-8d0e-b7e36a8a0c32";
        for command in [format!("import --site {id} -"), "advance --by 7".to_owned()] {
            assert!(!parses(&command) && parses(&format!("{command} --why ticket")), "{command}");
        }
    }
}
