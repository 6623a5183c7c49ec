//! How much is owed to the world and since when, for whoever watches. Here because it goes by the sweep's connection, as the
//! look at the clock does.

use std::time::Duration;

use tokio::time::Instant;
use tracing::debug;

use crate::operations::Meters;
use crate::postgres::{OutboxDepth, Session};
use crate::telemetry::chain;

/// Between two looks, and so many times as long as a look took: it reads the whole outbox, which may be large just when
/// the database has much to do.
const INTERVAL: Duration = Duration::from_secs(10);
const SHARE: u32 = 50;

/// The watch over the outbox.
pub(super) struct Backlog {
    meters: Meters,
    next: Instant,
}

impl Backlog {
    pub(super) fn new(meters: Meters) -> Self {
        Self { meters, next: Instant::now() }
    }

    /// Looks, if it is time to. What cannot be seen is left as it was: that `PostgreSQL` is out is told elsewhere.
    pub(super) async fn look(&mut self, store: &mut Session) {
        let began = Instant::now();
        if began < self.next {
            return;
        }
        let depth = store.outbox_depth().await;
        self.next = began + INTERVAL.max(began.elapsed() * SHARE);
        match depth {
            Ok(OutboxDepth { rows, oldest }) => {
                self.meters.outbox_rows.set(f64::from(u32::try_from(rows).unwrap_or(u32::MAX)));
                self.meters.outbox_oldest.set(oldest.unwrap_or_default().as_secs_f64());
            }
            Err(error) => debug!(error = chain(&error), "the outbox is counted later"),
        }
    }
}
