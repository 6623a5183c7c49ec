//! Small work in the background: metrics are kept up, old verdicts go, and what was announced for them.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::auth::Authenticator;
use crate::operations::{Controls, Meters};
use crate::postgres::{Session, StoreError};
use crate::telemetry::chain;

/// Samples of histograms are kept one by one until then.
const UPKEEP: Duration = Duration::from_secs(1);
/// A walk reads the whole table to find a day's worth of rows, so it pays to let them gather.
const PRUNING: Duration = Duration::from_hours(24);
/// After a walk that failed.
const PRUNING_AGAIN: Duration = Duration::from_hours(1);
/// Between two slices, so that pruning never stands in the way of joining.
const BREATH: Duration = Duration::from_millis(100);

/// Moves histogram samples on, and takes over what is counted elsewhere, until `stop`.
pub(super) async fn keep_metrics(meters: Meters, authenticator: Arc<Authenticator>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(UPKEEP);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        meters.upkeep();
        let (read, failed) = authenticator.key_reads();
        meters.key_reads.of("read").absolute(read);
        meters.key_reads.of("failed").absolute(failed);
    }
}

/// Deletes verdicts and announcements that are older than `retention` once a day, slice by slice, until `stop`. Several workers
/// may do so at once.
pub(super) async fn prune(mut store: Session, retention: Duration, controls: Controls, stop: CancellationToken) {
    if stop.run_until_cancelled(controls.until_read()).await.is_none() {
        return;
    }
    loop {
        let walk = all_slices(&mut store, retention, &controls);
        let Some(walked) = stop.run_until_cancelled(walk).await else { return };
        match &walked {
            Ok(0) => {}
            Ok(deleted) => info!(deleted, "verdicts older than requests.retention deleted"),
            Err(error) => debug!(error = chain(error), "old verdicts are deleted in an hour"),
        }
        if stop.run_until_cancelled(tokio::time::sleep(pause_after(walked.is_ok()))).await.is_none() {
            return;
        }
    }
}

const fn pause_after(walked: bool) -> Duration {
    if walked { PRUNING } else { PRUNING_AGAIN }
}

async fn all_slices(store: &mut Session, retention: Duration, controls: &Controls) -> Result<u64, StoreError> {
    controls.until_database().await;
    store.prune_marks(retention).await?;
    let (mut from, mut deleted) = (0, 0);
    loop {
        controls.until_database().await;
        let slice = store.prune(retention, from).await?;
        deleted += slice.deleted;
        let Some(next) = slice.next else { break };
        from = next;
        tokio::time::sleep(BREATH).await;
    }
    // After the verdicts: what is left of these is still told when it was announced.
    while store.prune_announcements(retention).await? {
        tokio::time::sleep(BREATH).await;
        controls.until_database().await;
    }
    Ok(deleted)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::pause_after;

    #[test]
    fn the_whole_table_is_walked_once_a_day_and_in_an_hour_after_a_failure() {
        assert_eq!(pause_after(true), Duration::from_hours(24));
        assert_eq!(pause_after(false), Duration::from_hours(1));
    }
}
