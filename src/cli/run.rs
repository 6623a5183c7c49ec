//! `run`: the worker, until it is told to stop.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::Context;
use crate::app::App;
use crate::config::Config;

/// Signals this close together count as one.
const ONE_WISH: Duration = Duration::from_millis(500);

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
    stop_on_signal(&stop).context("signals cannot be listened to")?;
    if args.migrate {
        anyhow::bail!("--migrate: use the command migrate");
    }
    warn_of_mistrust(&config);
    let app = App::build(config).await?;
    if let Some(address) = app.operations_address() {
        info!(%address, "operations server listens: /livez, /readyz, /metrics");
    }
    app.run(stop).await?;
    info!("stopped");
    Ok(ExitCode::SUCCESS)
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

/// The first signal drains, the second leaves at once.
fn stop_on_signal(stop: &CancellationToken) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = stop.clone();
    tokio::spawn(async move {
        any_of(&mut terminate, &mut interrupt).await;
        stop.cancel();
        // Some tools signal the process and then its group: that is one wish, told twice.
        tokio::time::sleep(ONE_WISH).await;
        any_of(&mut terminate, &mut interrupt).await;
        warn!("second signal: leaving at once; what is cut comes again, and counts once");
        std::process::exit(1);
    });
    Ok(())
}

async fn any_of(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
