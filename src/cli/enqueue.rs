//! `enqueue`: one request, sent as a producer sends it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::{Context, values};
use crate::domain::{Caller, MemberId, RequestId, SiteId};

const AFTER_HELP: &str = "\
Examples:
  join-community enqueue --site SITE --member MEMBER --wait
  join-community enqueue --site SITE --member MEMBER --as APP:GUID --elevated --wait --timeout 5s
  join-community token mint … | join-community enqueue --site SITE --token-file - --wait";

/// Arguments of `enqueue`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The site whose community is joined.
    #[arg(long, value_parser = values::site)]
    pub site: SiteId,
    /// The member who joins; may be left out if the caller is a member.
    #[arg(long, value_parser = values::member, required_unless_present_any = ["caller", "token", "token_file"])]
    pub member: Option<MemberId>,
    /// Who calls, for a producer that is trusted to say so; without it and without a token, the member itself.
    #[arg(long = "as", value_name = "TYPE:GUID", value_parser = values::caller)]
    pub caller: Option<Caller>,
    /// Ask for elevated permission.
    #[arg(long)]
    pub elevated: bool,
    /// The caller's session token. Other users of this machine can see it: prefer --token-file.
    #[arg(long, value_name = "JWT", conflicts_with = "token_file")]
    pub token: Option<String>,
    /// File with the caller's session token; `-` is stdin.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The request's id; sending it again asks for the first verdict again. By default a new, time-ordered UUID.
    #[arg(long, value_name = "ID", value_parser = values::request_id)]
    pub request_id: Option<RequestId>,
    /// Wait for the reply; exit code 1 unless its status is 200.
    #[arg(long)]
    pub wait: bool,
    /// How long to wait for the reply.
    #[arg(long, value_name = "DURATION", default_value = "30s", requires = "wait", value_parser = values::duration)]
    pub timeout: Duration,
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub async fn run(_args: Args, _context: &Context) -> anyhow::Result<ExitCode> {
    super::unavailable("enqueue").await
}
