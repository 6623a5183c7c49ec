//! `requests`: the recorded verdicts, searched as the console does.

use std::process::ExitCode;

use time::OffsetDateTime;

use super::Context;
use super::print::visible;
use super::values;
use crate::console::{Explained, Requests};
use crate::domain::{MemberId, SiteId};
use crate::postgres::{Edge, Role, Search, Session};
use crate::wire::instant;

const AFTER_HELP: &str = "\
Newest request ids first, as UUIDv7 sorts them by time. One search looks through a bounded part of a site's records; where
there may be more it says how to go on.

Example:
  join-community requests search --site SITE --verdict BLOCKED --since 2026-11-24T10:00:00Z";

/// Commands of `requests`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Search the recorded requests of a site. One by its id: `explain`.
    #[command(after_help = AFTER_HELP)]
    Search(Arguments),
}

/// Arguments of `requests search`.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The site.
    #[arg(long, value_parser = values::site)]
    pub site: SiteId,
    /// Only about this member.
    #[arg(long, value_parser = values::member)]
    pub member: Option<MemberId>,
    /// Only with this verdict, code or reason: `rejected`, `NOT_FOUND`, `BLOCKED`.
    #[arg(long, value_name = "WORD")]
    pub verdict: Option<String>,
    /// Only decided at this time or later, in RFC 3339.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<OffsetDateTime>,
    /// Only decided before this time, in RFC 3339.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Option<OffsetDateTime>,
    /// Go on where the last search ended.
    #[arg(long, value_name = "NEXT", value_parser = values::cursor)]
    pub cursor: Option<Edge>,
    /// Most requests that are shown.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub limit: u32,
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub async fn run(command: Command, context: &Context) -> anyhow::Result<ExitCode> {
    let Command::Search(Arguments { site, member, verdict, since, until, cursor: below, limit }) = command;
    let search = Search { site, member, verdict, since, until, below, limit };
    let mut store = Session::new(&context.config.database, Role::Tool)?;
    let found = Requests::new(&store.search(&search).await?);
    context.output.result(&found, text)?;
    Ok(ExitCode::SUCCESS)
}

fn moment(text: &str) -> Result<OffsetDateTime, String> {
    instant::parse(text).ok_or_else(|| "expected a time like 2026-11-24T10:00:00Z".to_owned())
}

fn text(found: &Requests) -> String {
    let line = |request: &Explained| {
        let member = request.member_id.as_deref().unwrap_or("-");
        let (decided, id) = (&request.decided_at, visible(&request.request_id));
        format!("{decided}  {id}  {member}  {}", request.verdict_in_words())
    };
    let mut lines: Vec<String> = found.requests.iter().map(line).collect();
    if lines.is_empty() {
        lines.push("Nothing was found here.".to_owned());
    }
    if let Some(next) = &found.next {
        lines.push(format!("There may be more: --cursor '{}'", visible(next)));
    }
    lines.join("\n")
}
