//! `cache`: the public profiles in Redis, held against the record.

mod rebuild;
mod verify;

use std::process::ExitCode;

use anyhow::ensure;

use super::long::{self, Again};
use super::record::Why;
use super::{Context, values};
use crate::announce::audit::{Auditor, Terms, Walk};
use crate::cache::Profiles;
use crate::domain::SiteId;
use crate::postgres::{Place, Role, Session};

const AFTER_REBUILD: &str = "\
Entries are written as the worker writes them, each only if it is newer than what is there: workers may run meanwhile, and
nothing newer is overwritten. What stands there of a member who is private, blocked or deleted becomes a tombstone. An entry of
the record's own sequence stays as it is, whatever it says: `cache verify --repair` sets that right.

Reads by `database.url`, writes by `cache.url`. Every entry lives for `cache.ttl` from now on.

Examples:
  join-community cache rebuild --why 'it was emptied'
  join-community cache rebuild --site SITE --rate 2000/s --why 'ticket 4711'";

const AFTER_VERIFY: &str = "\
What may be wrong with an entry:
  missing     a public member without an entry. Entries live for `cache.ttl`, and come back with the next change: in an
              installation that runs, --allow-missing says that this is no fault
  behind      older than the record, and nothing is owed that would make up for it
  different   of the record's sequence, and does not say what the record says
  ahead       newer than the record: the database lost something. See `members advance`; no repair helps
  left over   shows a profile that the record does not: of a member who is private, blocked or deleted

Members who are owed an entry by the outbox are passed over: a running worker writes it. Exit code 1 if anything is wrong that
--repair did not set right. Repairs are written to the cache at once, guarded like all of the worker's own.

Examples:
  join-community cache verify --site SITE
  join-community cache verify --allow-missing --rate 1000/s --output json
  join-community cache verify --repair --why 'ticket 4711'";

/// Commands of `cache`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Write the profile of every public member into the cache.
    #[command(after_help = AFTER_REBUILD)]
    Rebuild {
        /// Which members.
        #[command(flatten)]
        which: Which,
        /// Why.
        #[command(flatten)]
        why: Why,
    },
    /// Compare every record with its entry, and count what is wrong.
    #[command(after_help = AFTER_VERIFY)]
    Verify {
        /// Which members.
        #[command(flatten)]
        which: Which,
        /// Set right what is wrong.
        #[arg(long, requires = "why")]
        repair: bool,
        /// An entry that is not there is no fault, and is not written.
        #[arg(long)]
        allow_missing: bool,
        /// Why it is set right; it is recorded.
        #[arg(long, value_name = "TEXT", value_parser = values::why, requires = "repair")]
        why: Option<String>,
    },
}

/// Which members, how fast, and from where.
#[derive(Debug, clap::Args)]
pub struct Which {
    /// Only the members of this site; without it, of all sites.
    #[arg(long, value_parser = values::site)]
    pub site: Option<SiteId>,
    /// At most so many members a second; without it, as fast as both services answer.
    #[arg(long, value_name = "N/s", value_parser = values::rate)]
    pub rate: Option<u32>,
    /// Begin with this member: where an earlier run stopped.
    #[arg(long, value_name = "SITE/MEMBER", value_parser = values::place)]
    pub from: Option<Place>,
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub async fn run(command: Command, context: &Context) -> anyhow::Result<ExitCode> {
    match command {
        Command::Rebuild { which, why } => rebuild::run(which, &why, context).await,
        Command::Verify { which, repair, allow_missing, why } => {
            verify::run(which, Terms { repair, allow_missing }, why.as_deref(), context).await
        }
    }
}

impl Which {
    /// The walk, who looks, and the bar.
    async fn begin(&self, context: &Context) -> anyhow::Result<(Walk, Auditor, indicatif::ProgressBar)> {
        if let (Some(site), Some(from)) = (self.site, self.from) {
            ensure!(site == from.site, "--from begins at site {}, and --site is {site}", from.site);
        }
        let walk = Walk::new(self.site, self.from, self.rate);
        let mut store = Session::new(&context.config.database, Role::Tool)?;
        let bar = long::bar(&mut store, walk.next().unwrap_or(Place::FIRST), self.site).await;
        Ok((walk, Auditor::new(store, Profiles::new(&context.config.cache)?), bar))
    }

    /// The command that goes on at a place.
    fn again(&self, command: &str, next: Place, context: &Context) -> Again {
        Again::new(command, context)
            .option("--site", self.site)
            .option("--rate", self.rate.map(|rate| format!("{rate}/s")))
            .option("--from", Some(words(next)))
    }

    /// Which members, for the record.
    fn target(&self) -> String {
        let line = Again::bare().option("--site", self.site).option("--from", self.from.map(words)).line();
        if line.is_empty() { "all sites".to_owned() } else { line }
    }
}

/// A place as `--from` takes it.
fn words(place: Place) -> String {
    format!("{}/{}", place.site, place.member_id)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use crate::cli::Cli;

    fn parses(options: &str) -> bool {
        Cli::try_parse_from(format!("join-community cache {options}").split_whitespace()).is_ok()
    }

    #[test]
    fn what_writes_says_why_and_what_only_looks_does_not() {
        for command in ["rebuild", "verify --repair", "verify --allow-missing --repair"] {
            assert!(!parses(command) && parses(&format!("{command} --why ticket")), "{command}");
        }
        assert!(parses("verify") && !parses("verify --why ticket"));
    }
}
