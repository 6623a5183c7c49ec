//! `events`: what consumers are told.

mod resync;

use std::process::ExitCode;

use time::OffsetDateTime;

use super::Context;
use super::values;
use crate::domain::{MemberId, SiteId};

const AFTER_RESYNC: &str = "\
Each event is the one that was sent when the member last changed: same id, sequence, time and member, so that a consumer who
has seen it drops it. Who or what caused the change (`originatedFrom`, `identity`, `requestId`, `traceparent`) is there as
far as it is recorded: for a join or a leave as long as `requests.retention`; it is left out of the others. A member without
a change so far, or a deleted one, has no event. Members who change meanwhile are announced by the worker as always.

Publishes as the worker does, by `broker.url`: that user must be able to write to the events exchange, and with --to to the
default exchange (`amq.default`). Reads members and requests by `database.url`. No worker need be running, or stop.

Stopped by Ctrl-C or by an outage, it prints the command that goes on where it stopped; nobody is left out, and some may be
announced twice after an outage.

Examples:
  join-community events resync --site SITE --to search.members --why 'its queue is new'
  join-community events resync --site SITE --since 2026-11-24T10:00:00Z --rate 500/s --why 'ticket 4711'
  join-community events resync --site SITE --dry-run";

/// Commands of `events`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Announce the members of a site once more, as they are.
    #[command(after_help = AFTER_RESYNC)]
    Resync(Resync),
}

/// Arguments of `events resync`.
#[derive(Debug, clap::Args)]
pub struct Resync {
    /// The site whose members are announced.
    #[arg(long, value_parser = values::site)]
    pub site: SiteId,
    /// Only those whose `updatedDate` is this or later, `2026-11-24T10:00:00Z`.
    #[arg(long, value_name = "INSTANT", value_parser = values::instant)]
    pub since: Option<OffsetDateTime>,
    /// To this queue alone, not to the events exchange; by its full name, and it must exist.
    #[arg(long, value_name = "QUEUE", value_parser = values::queue)]
    pub to: Option<String>,
    /// At most so many events a second; without it, as fast as the broker confirms.
    #[arg(long, value_name = "N/s", value_parser = values::rate)]
    pub rate: Option<u32>,
    /// Begin with this member: where an earlier run stopped.
    #[arg(long, value_name = "MEMBER", value_parser = values::member)]
    pub from: Option<MemberId>,
    /// Count who would be announced, and send nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Why; it is recorded. A dry run needs none.
    #[arg(long, value_name = "TEXT", value_parser = values::why, required_unless_present = "dry_run")]
    pub why: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub async fn run(command: Command, context: &Context) -> anyhow::Result<ExitCode> {
    match command {
        Command::Resync(args) => resync::run(args, context).await,
    }
}
