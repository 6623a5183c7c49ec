//! What RabbitMQ allows: the worker's own lanes and announcer, with database and cache answered at once and from nothing.

use std::time::Duration;

use anyhow::{Context as _, Result};
use join_community::app::App;
use join_community::{ceiling, config};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Longer than any measurement takes.
const PATIENCE: Duration = Duration::from_hours(1);

/// Serves until SIGTERM.
pub(crate) async fn serve() -> Result<()> {
    ceiling::pretend();
    let mut config = config::load(None, std::env::vars_os()).map_err(|findings| anyhow::anyhow!("{findings}"))?;
    // What is given up after a while stands in no outbox here: nobody would find it.
    config.announce.lease = PATIENCE;
    config.broker.confirm_timeout = PATIENCE / 2;
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        terminate.recv().await;
        told.cancel();
    });
    App::build(config).await?.run(stop).await.context("the worker without its stores")?;
    Ok(())
}
