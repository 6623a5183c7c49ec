//! `run`: the worker, until it is told to stop.

use std::process::ExitCode;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{Context, signals};
use crate::app::{App, Stopped};
use crate::config::Config;
use crate::postgres::{self, MigrationError};
use crate::retry::Pauses;
use crate::telemetry::chain;

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
/// What kept the worker from running.
pub async fn run(args: Args, context: &Context) -> anyhow::Result<ExitCode> {
    let config = context.config.clone();
    let stop = CancellationToken::new();
    signals::stop_on_signal(&stop, "what is cut comes again, and counts once")?;
    if args.migrate && !migrated(&config, &stop).await? {
        return Ok(ExitCode::SUCCESS);
    }
    warn_of_mistrust(&config);
    if config.http.locks_everybody_out() {
        warn!(
            "nobody can use the console: http.listen is beyond the loopback, http.tokens and http.oidc_issuer are empty; \
             `join-community token console` makes a token, http.console = false takes the console away"
        );
    }
    let app = App::build(config).await?;
    if let Some(address) = app.operations_address() {
        info!(%address, "operations server listens: /livez, /readyz, /metrics, the console at /");
    }
    let stopped = app.run(stop).await?;
    info!("stopped");
    Ok(match stopped {
        Stopped::Drained => ExitCode::SUCCESS,
        Stopped::Cut => ExitCode::FAILURE,
    })
}

/// Brings the schema up to date, waiting for a database that is not there yet, as the worker itself does. Answers whether
/// that was done before the worker was told to stop.
async fn migrated(config: &Config, stop: &CancellationToken) -> anyhow::Result<bool> {
    let mut pauses = Pauses::up_to(config.outage.max_pause);
    loop {
        match postgres::migrate(&config.database.url).await {
            Ok(applied) => {
                for step in applied {
                    info!(version = step.version, description = step.description, "migration applied");
                }
                return Ok(true);
            }
            Err(error @ (MigrationError::Unreachable(_) | MigrationError::Silent(_))) => {
                warn!(error = chain(&error), "the schema waits for the database");
            }
            Err(error) => return Err(error.into()),
        }
        if stop.run_until_cancelled(tokio::time::sleep(pauses.next_pause())).await.is_none() {
            return Ok(false);
        }
    }
}

/// The defaults trust nobody; a worker that can only refuse is worth a word.
fn warn_of_mistrust(config: &Config) {
    if config.auth.jwks.is_empty() && config.auth.producers.is_empty() {
        warn!(
            "every request will be refused: set auth.jwks to accept session tokens, or list trusted producers in \
             [[auth.producers]]"
        );
    }
}
