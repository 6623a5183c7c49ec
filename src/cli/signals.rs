//! How a command that takes long is told to stop. Apart, because the worker and the tools listen alike.

use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Signals this close together count as one.
const ONE_WISH: Duration = Duration::from_millis(500);

/// The first signal stops in good order, the second leaves at once; `left` says what that means for what is cut.
///
/// # Errors
/// If signals cannot be listened to.
pub(super) fn stop_on_signal(stop: &CancellationToken, left: &'static str) -> anyhow::Result<()> {
    let listen = |kind| signal(kind).context("signals cannot be listened to");
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    let stop = stop.clone();
    tokio::spawn(async move {
        any_of(&mut terminate, &mut interrupt).await;
        stop.cancel();
        // Some tools signal the process and then its group: that is one wish, told twice.
        tokio::time::sleep(ONE_WISH).await;
        any_of(&mut terminate, &mut interrupt).await;
        warn!("second signal: leaving at once; {left}");
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
