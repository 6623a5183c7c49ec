//! `run`: the worker, until it is told to stop.

use std::process::ExitCode;

use super::Context;

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Bring the database schema up to date first.
    #[arg(long)]
    pub migrate: bool,
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub async fn run(_args: Args, _context: &Context) -> anyhow::Result<ExitCode> {
    super::unavailable("run").await
}
