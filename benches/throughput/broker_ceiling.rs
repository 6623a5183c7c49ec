//! What RabbitMQ allows: the worker's own lanes and announcer, with database and cache answered at once and from nothing.

use anyhow::{Context as _, Result};
use join_community::app::App;
use join_community::{ceiling, config};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Serves until SIGTERM.
pub(crate) async fn serve() -> Result<()> {
    ceiling::pretend();
    let config = config::load(None, std::env::vars_os()).map_err(|findings| anyhow::anyhow!("{findings}"))?;
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
