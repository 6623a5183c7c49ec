//! Small work in the background: histogram samples move on, old verdicts go.

use std::time::Duration;

use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::operations::Meters;
use crate::postgres::{Session, StoreError};
use crate::telemetry::chain;

const UPKEEP: Duration = Duration::from_secs(5);
const PRUNING: Duration = Duration::from_hours(1);
/// Between two slices, so that pruning never stands in the way of joining.
const BREATH: Duration = Duration::from_millis(100);

/// Moves histogram samples on until `stop`.
pub(super) async fn keep_samples_moving(meters: Meters, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(UPKEEP);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        meters.upkeep();
    }
}

/// Deletes verdicts that are older than `retention`, slice by slice, until `stop`. Several workers may do so at once.
pub(super) async fn prune(mut store: Session, retention: Duration, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(PRUNING);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        match stop.run_until_cancelled(all_slices(&mut store, OffsetDateTime::now_utc() - retention)).await {
            Some(Ok(deleted)) if deleted > 0 => info!(deleted, "verdicts older than requests.retention deleted"),
            Some(Ok(_)) | None => {}
            Some(Err(error)) => debug!(error = chain(&error), "old verdicts are deleted in an hour"),
        }
    }
}

async fn all_slices(store: &mut Session, older_than: OffsetDateTime) -> Result<u64, StoreError> {
    store.prune_marks(older_than).await?;
    let (mut from, mut deleted) = (0, 0);
    loop {
        let slice = store.prune(older_than, from).await?;
        deleted += slice.deleted;
        let Some(next) = slice.next else { return Ok(deleted) };
        from = next;
        tokio::time::sleep(BREATH).await;
    }
}
