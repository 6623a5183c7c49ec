//! `check`: pre-flight of every service and of the configuration against them.

use std::process::ExitCode;

use super::Context;

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub async fn run(_args: Args, _context: &Context) -> anyhow::Result<ExitCode> {
    super::unavailable("check").await
}
