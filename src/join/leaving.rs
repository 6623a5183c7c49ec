//! How a lane lets go of its channel: what was delivered is handled if that can be, and the rest goes back.

use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::lane::{Lane, Pause};
use super::settle::{Gone, Settle};
use crate::rabbitmq::consumer::{Deliveries, Tag};
use crate::wire::Incoming;

/// A lane that is given nothing for so long has next to nothing on its way: what it acknowledged last has reached the broker's
/// disk, and what that brought has come. Long, because it goes on serving meanwhile.
pub(super) const LULL: Duration = Duration::from_millis(100);
/// The same for one that stops, and is waited for.
const SHORT_LULL: Duration = Duration::from_millis(25);
/// What a queue that is left still gives is handled for so long.
pub(super) const FAREWELL: Duration = Duration::from_secs(1);

impl Lane {
    /// Takes no more, once as little as possible is on its way, and for a moment handles what was delivered: whatever goes
    /// back is tried alone by whoever gets it, and has used up one of its deliveries.
    ///
    /// The broker returns what is on its way to a consumer when that is cancelled. So nothing is acknowledged first, until it
    /// has given all that it may give in advance, or has nothing to give. Answers why the lane ends: an outage may come between.
    pub(super) async fn finish(
        &mut self,
        deliveries: &mut Deliveries,
        settle: &mut Settle,
        (pause, last): (Pause, Instant),
    ) -> Result<Pause, Gone> {
        settle.hold();
        let lull = match pause {
            // Who has rested shall rest: what another lane gives back at its stop would only come here.
            Pause::Stop if last.elapsed() > LULL => Duration::ZERO,
            Pause::Stop => SHORT_LULL,
            Pause::Outage | Pause::Recovered | Pause::Resteered => LULL,
        };
        let (cut, most) = (CancellationToken::new(), self.largest());
        let (limit, broker_timeout) = (self.desk.finish_limit, self.desk.broker_timeout);
        let work = async {
            // For half of the time at most, so that what is in hand when it is over is still handled.
            let longest = FAREWELL.min(limit / 2);
            if let Some(met) = self.spend(deliveries, settle, (lull, longest), &cut).await? {
                return Ok(Some(met));
            }
            deliveries.cancel(broker_timeout).await?;
            while let Some(Some(batch)) = cut.run_until_cancelled(deliveries.next_batch(most)).await {
                if let Some(met) = self.handle_last(batch, settle, &cut).await? {
                    return Ok(Some(met));
                }
            }
            Ok(None)
        };
        tokio::pin!(work);
        let met: Result<Option<Pause>, Gone> = tokio::select! {
            done = &mut work => done,
            () = tokio::time::sleep(limit) => {
                cut.cancel();
                work.await
            }
        };
        Ok(if met? == Some(Pause::Outage) { Pause::Outage } else { pause })
    }

    /// Handles what the sources that are served still give, and acknowledges nothing, until they have given all that they may in
    /// advance, or nothing for a lull; for no longer than that.
    pub(super) async fn spend(
        &mut self,
        deliveries: &mut Deliveries,
        settle: &mut Settle,
        (lull, longest): (Duration, Duration),
        stop: &CancellationToken,
    ) -> Result<Option<Pause>, Gone> {
        settle.hold();
        let (until, most) = (Instant::now() + longest, self.largest());
        while Instant::now() < until && !deliveries.are_spent(|source| settle.open_of(source)) {
            let next = stop.run_until_cancelled(timeout(lull, deliveries.next_batch(most))).await;
            let Some(Ok(batch)) = next else { break };
            if let Some(met) = self.handle_last(batch.ok_or(Gone::Ended)?, settle, stop).await? {
                return Ok(Some(met));
            }
        }
        Ok(None)
    }

    /// Most that is handled together of what the lane has in hand: as much as when it began. A choice of smaller batches since
    /// counts for what comes after it.
    fn largest(&self) -> usize {
        self.desk.steering.chosen().batch.max(usize::from(self.prefetch / 2))
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
    pub(super) async fn leave(&self, mut deliveries: Deliveries, mut settle: Settle, pause: Pause) -> Result<(), Gone> {
        // First: each that is acknowledged would bring another, which would only go back.
        deliveries.cancel(self.desk.broker_timeout).await?;
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
