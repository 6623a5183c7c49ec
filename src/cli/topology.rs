//! `topology`: the exchanges and queues of the broker.

use std::process::ExitCode;

use super::Context;

/// Commands of `topology`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Create every exchange, queue and binding that is missing.
    Declare,
    /// Tell what exists, what is missing and what differs; exit code 1 if anything does.
    Verify,
    /// Print the topology as RabbitMQ definitions (JSON), for `rabbitmqctl import_definitions`.
    Export,
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub async fn run(_command: Command, _context: &Context) -> anyhow::Result<ExitCode> {
    super::unavailable("topology").await
}
