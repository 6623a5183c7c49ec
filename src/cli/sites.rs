//! `sites`: the gate of a site.

use std::process::ExitCode;

use super::Context;
use super::values;
use crate::domain::{Gate, SiteId};

/// Commands of `sites`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Set who may make the profile public.
    Set {
        /// The site.
        #[arg(value_parser = values::site)]
        site: SiteId,
        /// `ANYONE`: every member; `NO_ONE`: nobody, each request is rejected.
        #[arg(long, value_name = "ANYONE|NO_ONE", value_parser = values::gate)]
        public_member_candidates: Gate,
    },
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub async fn run(_command: Command, _context: &Context) -> anyhow::Result<ExitCode> {
    super::unavailable("sites").await
}
