//! The queues that a lane takes from, and in which order. Apart from the lane, which handles what comes from wherever.

use tokio::time::Instant;
use tracing::info;

use super::Desk;
use super::lane::Lane;
use super::settle::Gone;
use crate::rabbitmq::consumer::{Deliveries, Source};

/// The queues that all lanes take from, among the sources of each. What comes after them is a shard of this lane's.
const REQUESTS: usize = 0;
/// Of those who made way.
pub(super) const DEFERRED: usize = 1;
const COMMON: usize = 2;
/// While there is a crowd and room for nobody else, one batch in so many is of those who made way: they shall get on, and
/// what the broker handed out must not be held for ever.
const DEFERRED_ONE_IN: usize = 32;

impl Lane {
    /// The queues that this lane takes from: those that all share, and its own shards.
    pub(super) fn sources(&self, careful: bool) -> Vec<Source> {
        let Desk { names, shards, steering, .. } = &*self.desk;
        let own: Vec<u16> = shards.of_lane(self.place, steering.chosen().lanes).collect();
        // All together they have no more in advance than the one has.
        let share = self.prefetch / u16::try_from(own.len()).unwrap_or(u16::MAX).max(1);
        let source = |queue, prefetch: u16| Source { queue, prefetch: if careful { 1 } else { prefetch.max(1) } };
        let common = [names.requests(), names.deferred()].map(|queue| source(queue, self.prefetch));
        common.into_iter().chain(own.into_iter().map(|number| source(names.shard(number), share))).collect()
    }

    /// Leaves a shard to another worker, if this one holds more than its share.
    pub(super) async fn share(&mut self, deliveries: &mut Deliveries) -> Result<(), Gone> {
        self.looked = Instant::now();
        let held: Vec<usize> = deliveries.delivering().filter(|source| *source >= COMMON).collect();
        if self.desk.shards.is_to_leave_one(self.place, held.len(), self.looked)
            && let Some(source) = held.last()
        {
            info!(lane = self.place, "a shard is left to a worker that serves fewer");
            deliveries.stand_last(*source, self.desk.broker_timeout).await?;
        }
        Ok(())
    }
}

/// In which order so many sources are served: the shards in turn, so that none waits for another, and then the common queue.
/// Those who made way take what room the others leave, none in a crowd, and now and then come first, or they might never.
pub(super) fn order(sources: usize, turn: usize, crowded: bool) -> impl Iterator<Item = usize> {
    let shards = sources - COMMON;
    let requests = (0..shards).map(move |place| COMMON + (place + turn) % shards).chain([REQUESTS]);
    let is_their_turn = turn.is_multiple_of(DEFERRED_ONE_IN);
    let deferred = (is_their_turn || !crowded).then_some(DEFERRED);
    let (first, last) = if is_their_turn { (deferred, None) } else { (None, deferred) };
    first.into_iter().chain(requests).chain(last)
}

#[cfg(test)]
mod tests {
    use super::{DEFERRED_ONE_IN, order};

    fn orders(sources: usize, turns: impl Iterator<Item = usize>, crowded: bool) -> Vec<Vec<usize>> {
        turns.map(|turn| order(sources, turn, crowded).collect()).collect()
    }

    #[test]
    fn each_shard_is_served_first_in_its_turn_then_the_common_queue_and_last_who_made_way() {
        assert_eq!(orders(5, 1..4, false), [[3, 4, 2, 0, 1], [4, 2, 3, 0, 1], [2, 3, 4, 0, 1]]);
        assert_eq!(orders(2, 7..8, false), [[0, 1]]);
    }

    #[test]
    fn in_a_crowd_who_made_way_waits_for_a_turn_and_then_comes_first() {
        assert_eq!(orders(2, 1..3, true), [[0], [0]]);
        assert_eq!(orders(2, DEFERRED_ONE_IN..=DEFERRED_ONE_IN, true), [[1, 0]]);
        assert_eq!(orders(3, 0..1, false), [[1, 2, 0]]);
    }
}
