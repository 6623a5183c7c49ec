//! `members`: the member records.

use std::path::PathBuf;
use std::process::ExitCode;

use super::Context;
use super::values;
use crate::domain::{MemberId, SiteId};

/// Commands of `members`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Read members from a file with one JSON object a line, in REST or SDK names.
    Import {
        /// The site that they belong to.
        #[arg(long, value_parser = values::site)]
        site: SiteId,
        /// The file; `-` is stdin.
        #[arg(value_name = "FILE.ndjson")]
        file: PathBuf,
    },
    /// Write all members of a site, one JSON object a line.
    Export {
        /// The site that they belong to.
        #[arg(long, value_parser = values::site)]
        site: SiteId,
    },
    /// Show one member and how often the record has changed.
    Show {
        /// The site.
        #[arg(value_parser = values::site)]
        site: SiteId,
        /// The member.
        #[arg(value_parser = values::member)]
        member: MemberId,
    },
    /// Raise the sequence of every member, after a restore from a backup and before the worker runs again.
    ///
    /// Consumers and cache ignore what is not newer than what they have seen. A restored record has an older sequence
    /// than they may have seen, so that its next changes would be ignored. N must exceed the number of changes that any
    /// one member can have had since the backup.
    Advance {
        /// By how much.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        by: u32,
    },
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub async fn run(_command: Command, _context: &Context) -> anyhow::Result<ExitCode> {
    super::unavailable("members").await
}
