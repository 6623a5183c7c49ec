//! `dead-letters`: what could not be handled.

use std::process::ExitCode;

use super::Context;

/// Commands of `dead-letters`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List them. Looking changes nothing.
    List,
    /// Show one of them whole, with its token masked.
    Show {
        /// Its id, as `list` shows it.
        id: String,
    },
    /// Put them back into the request queue.
    Replay {
        /// Their ids, as `list` shows them.
        #[arg(required = true)]
        ids: Vec<String>,
        /// Also what is older than `requests.retention`: a request that was carried out then may be carried out again.
        #[arg(long)]
        force: bool,
    },
    /// Remove them for good.
    Discard {
        /// Their ids, as `list` shows them.
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Write all of them, one JSON object a line, with their tokens masked.
    Export,
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub async fn run(_command: Command, _context: &Context) -> anyhow::Result<ExitCode> {
    super::unavailable("dead-letters").await
}
