//! `migrate`: the database schema up to date.

use std::process::ExitCode;

use super::Context;

/// Arguments of `migrate`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub async fn run(_args: Args, _context: &Context) -> anyhow::Result<ExitCode> {
    super::unavailable("migrate").await
}
