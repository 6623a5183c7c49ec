//! `token`: development keys and session tokens.

use std::process::ExitCode;

use super::Context;

/// Commands of `token`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Sign a session token; the key is made at first use, and its public half written as a JWKS.
    Mint,
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub async fn run(_command: Command, _context: &Context) -> anyhow::Result<ExitCode> {
    super::unavailable("token").await
}
