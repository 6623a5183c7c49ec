//! How a lane lets go of its channel: what was delivered is handled if that can be, and the rest goes back.

use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::lane::{Lane, Pause};
use super::settle::{Gone, Settle};
use crate::rabbitmq::consumer::{Deliveries, Tag};
use crate::wire::Incoming;

/// A lane that is given nothing for so long has next to nothing on its way.
const LULL: Duration = Duration::from_millis(10);

impl Lane {
    /// Takes no more, once as little as possible is on its way, and for a moment handles what was delivered: whatever goes
    /// back is tried alone by whoever gets it, and has used up one of its deliveries.
    ///
    /// The broker returns what is on its way to a consumer when that is cancelled. So nothing is acknowledged first, until it
    /// has given all that it may give in advance, or has nothing to give.
    pub(super) async fn finish(
        &mut self,
        deliveries: &mut Deliveries,
        settle: &mut Settle,
        last: Option<Instant>,
    ) -> Result<(), Gone> {
        settle.hold();
        // Who has rested shall rest: what another lane gives back would only come here.
        let was_busy = last.is_some_and(|last| last.elapsed() < LULL);
        let (cut, most) = (CancellationToken::new(), self.desk.steering.chosen().batch);
        let (limit, broker_timeout) = (self.desk.finish_limit, self.desk.broker_timeout);
        let work = async {
            while was_busy && !deliveries.are_spent(|source| settle.open_of(source)) {
                let next = cut.run_until_cancelled(timeout(LULL, deliveries.next_batch(most))).await;
                let Some(Ok(batch)) = next else { break };
                if self.handle_last(batch.ok_or(Gone::Ended)?, settle, &cut).await?.is_some() {
                    return Ok(());
                }
            }
            deliveries.cancel(broker_timeout).await?;
            while let Some(Some(batch)) = cut.run_until_cancelled(deliveries.next_batch(most)).await {
                if self.handle_last(batch, settle, &cut).await?.is_some() {
                    break;
                }
            }
            Ok(())
        };
        tokio::pin!(work);
        tokio::select! {
            done = &mut work => done,
            () = tokio::time::sleep(limit) => {
                cut.cancel();
                work.await
            }
        }
    }

    async fn handle_last(
        &mut self,
        batch: Vec<(Tag, Incoming)>,
        settle: &mut Settle,
        cut: &CancellationToken,
    ) -> Result<Option<Pause>, Gone> {
        self.until_room().await;
        self.handle(batch, settle, cut).await
    }

    /// Settles what can be settled; the rest goes back with the channel.
    pub(super) async fn leave(&self, deliveries: Deliveries, mut settle: Settle, pause: Pause) -> Result<(), Gone> {
        settle.release();
        settle.acknowledge().await?;
        // A copy under way is confirmed in milliseconds, or not at all: then its delivery goes back, too.
        let limit = self.desk.confirm_timeout;
        if let Ok(settled) = timeout(limit, settle.all_copies()).await {
            settled?;
        }
        deliveries.close(self.desk.broker_timeout).await?;
        debug!(?pause, "lane closed its channel");
        Ok(())
    }
}
