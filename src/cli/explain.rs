//! `explain`: why a request was answered as it was.

use std::process::ExitCode;

use super::Context;
use super::values;
use crate::domain::{RequestId, SiteId};

/// Arguments of `explain`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The request's id.
    #[arg(value_name = "REQUEST_ID", value_parser = values::request_id)]
    pub request: RequestId,
    /// Only at this site; without it, all sites are searched.
    #[arg(long, value_parser = values::site)]
    pub site: Option<SiteId>,
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub async fn run(_args: Args, _context: &Context) -> anyhow::Result<ExitCode> {
    super::unavailable("explain").await
}
