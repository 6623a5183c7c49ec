//! The queues that a lane takes from, and in which order. Apart from the lane, which handles what comes from wherever.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::Desk;
use super::lane::{Lane, Pause};
use super::leaving::{FAREWELL, LULL};
use super::settle::{Gone, Settle};
use crate::rabbitmq::consumer::{Deliveries, Source};

/// The queue that all lanes take from, among the sources of each. What comes after it is a shard of this lane's.
const REQUESTS: usize = 0;
const COMMON: usize = 1;

impl Lane {
    /// The queues that this lane takes from: that which all share, and its own shards.
    pub(super) fn sources(&self, careful: bool) -> Vec<Source> {
        let Desk { names, shards, steering, .. } = &*self.desk;
        let own: Vec<u16> = shards.of_lane(self.place, steering.chosen().lanes).collect();
        // All together they have no more in advance than the one has.
        let share = self.prefetch / u16::try_from(own.len()).unwrap_or(u16::MAX).max(1);
        let source = |queue, prefetch: u16| Source { queue, prefetch: if careful { 1 } else { prefetch.max(1) } };
        let common = source(names.requests(), self.prefetch);
        std::iter::once(common).chain(own.into_iter().map(|number| source(names.shard(number), share))).collect()
    }

    /// Leaves a shard to another worker, if this one holds more than its share.
    ///
    /// The next in line is given requests as soon as this consumer is cancelled, and what is on its way here goes back, to be
    /// tried alone there. So what this one may be given in advance is handled first, and acknowledged afterwards.
    pub(super) async fn share(
        &mut self,
        deliveries: &mut Deliveries,
        settle: &mut Settle,
        stop: &CancellationToken,
    ) -> Result<Option<Pause>, Gone> {
        self.looked = Instant::now();
        let held: Vec<usize> = deliveries.delivering().filter(|source| *source >= COMMON).collect();
        if self.desk.shards.is_to_leave_one(self.place, held.len(), self.looked)
            && let Some(source) = held.last().copied()
        {
            info!(lane = self.place, "a shard is left to a worker that serves fewer");
            deliveries.serve(|_| std::iter::once(source));
            if let Some(pause) = self.spend(deliveries, settle, (LULL, FAREWELL), stop).await? {
                return Ok(Some(pause));
            }
            deliveries.stand_last(source, self.desk.broker_timeout).await?;
            settle.release();
            settle.acknowledge().await?;
        }
        Ok(None)
    }
}

/// In which order so many sources are served: the shards in turn, so that none waits for another, and then the common queue.
pub(super) fn order(sources: usize, turn: usize) -> impl Iterator<Item = usize> {
    let shards = sources - COMMON;
    (0..shards).map(move |place| COMMON + (place + turn) % shards).chain([REQUESTS])
}

#[cfg(test)]
mod tests {
    use super::order;

    #[test]
    fn each_shard_is_served_first_in_its_turn_and_then_the_common_queue() {
        let orders: Vec<Vec<usize>> = (0..3).map(|turn| order(4, turn).collect()).collect();
        assert_eq!(orders, [[1, 2, 3, 0], [2, 3, 1, 0], [3, 1, 2, 0]]);
        assert_eq!(order(1, 7).collect::<Vec<_>>(), [0]);
    }
}
