//! Which lane consumes which shard of the requests, and when a worker leaves one to another. Apart from the lanes, because
//! it is one choice for all of them, and pure but for its memory.

use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::operations::Meters;
use crate::rabbitmq::topology::Names;

/// Between two shards that a worker leaves to others. Slow: each time the requests of a shard come into other hands.
pub(super) const TURN: Duration = Duration::from_secs(5);

/// The shards, as this worker sees them.
pub struct Shards {
    planned: u16,
    /// The highest number there is: those of a time with more shards are consumed for as long as they are there.
    highest: AtomicU16,
    /// Lanes of each worker, which all consume the common queue.
    lanes: AtomicU32,
    /// Workers, as last seen. Of a shard the broker counts only the consumer that is active.
    workers: AtomicU32,
    held: Mutex<Held>,
    meters: Meters,
}

struct Held {
    /// How many shards each lane holds, by its place.
    by_lane: Vec<usize>,
    left: Option<Instant>,
}

impl Shards {
    /// So many shards are planned, for at most so many lanes; 0 where requests lie in one queue.
    #[must_use]
    pub fn new(planned: u16, lanes: usize, meters: Meters) -> Self {
        let held = Mutex::new(Held { by_lane: vec![0; lanes], left: None });
        let (lanes, workers) = (AtomicU32::new(1), AtomicU32::new(1));
        Self { planned, highest: AtomicU16::new(planned), lanes, workers, held, meters }
    }

    /// Notes the highest number of a shard that there is.
    pub fn found(&self, highest: u16) {
        self.highest.store(highest.max(self.planned), Ordering::Relaxed);
    }

    /// The numbers of the shards that there are.
    pub fn numbers(&self) -> impl Iterator<Item = u16> + use<> {
        1..=self.highest.load(Ordering::Relaxed)
    }

    /// The queues that requests lie in: the one that all lanes share, and the shards after it.
    #[must_use]
    pub fn queues(&self, names: &Names) -> Vec<String> {
        let shards = self.numbers().map(|number| names.shard(number));
        std::iter::once(names.requests()).chain(shards).collect()
    }

    /// Notes how many lanes consume the common queue in each worker: all have as many.
    pub(super) fn served_by(&self, lanes: u32) {
        self.lanes.store(lanes.max(1), Ordering::Relaxed);
    }

    /// Notes how many consume the common queue, over all workers.
    pub fn consumers_seen(&self, consumers: u32) {
        let workers = consumers / self.lanes.load(Ordering::Relaxed);
        self.workers.store(workers.max(1), Ordering::Relaxed);
    }

    /// The shards of the lane at a place: each belongs to one lane. Where lanes come and go, to the one that stays.
    pub(super) fn of_lane(&self, place: usize, lanes: usize) -> impl Iterator<Item = u16> + use<> {
        let lanes = if self.planned > 0 { lanes.max(1) } else { 1 };
        self.numbers().filter(move |number| usize::from(number - 1) % lanes == place)
    }

    /// Whether there are any.
    pub(super) fn are_there(&self) -> bool {
        self.highest.load(Ordering::Relaxed) > 0
    }

    /// Notes how many shards a lane holds: the broker gives it their requests.
    pub(super) fn holds(&self, place: usize, shards: usize) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        self.note(&mut held, place, shards);
    }

    /// Notes the same, and answers whether this lane is to leave one of them to another worker now.
    pub(super) fn is_to_leave_one(&self, place: usize, shards: usize, now: Instant) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let total = self.note(&mut held, place, shards);
        let share = share(self.highest.load(Ordering::Relaxed), self.workers.load(Ordering::Relaxed));
        let is_early = held.left.is_some_and(|left| now.duration_since(left) < TURN);
        if shards == 0 || total <= share || is_early {
            return false;
        }
        held.left = Some(now);
        self.note(&mut held, place, shards - 1);
        true
    }

    fn note(&self, held: &mut Held, place: usize, shards: usize) -> usize {
        if let Some(known) = held.by_lane.get_mut(place) {
            *known = shards;
        }
        let total = held.by_lane.iter().sum();
        self.meters.shards_held.set(f64::from(u32::try_from(total).unwrap_or(u32::MAX)));
        total
    }
}

/// Most shards that one of so many workers holds.
fn share(shards: u16, workers: u32) -> usize {
    u32::from(shards).div_ceil(workers.max(1)) as usize
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use tokio::time::Instant;

    use super::{Shards, TURN, share};
    use crate::operations::Meters;

    fn shards(planned: u16, lanes: usize) -> Shards {
        Shards::new(planned, lanes, Meters::register().unwrap())
    }

    #[test]
    fn each_shard_belongs_to_one_lane_however_many_lanes_there_are() {
        for lanes in [1, 2, 3, 5] {
            let shards = shards(5, lanes);
            shards.found(7);
            let mut all: Vec<u16> = (0..lanes).flat_map(|place| shards.of_lane(place, lanes)).collect();
            all.sort_unstable();
            assert_eq!(all, [1, 2, 3, 4, 5, 6, 7], "{lanes} lanes");
        }
    }

    #[test]
    fn shards_that_are_no_longer_planned_are_drained_by_the_lane_that_never_rests() {
        let shards = shards(0, 3);
        assert_eq!(shards.of_lane(0, 3).count(), 0);
        shards.found(2);
        assert_eq!(shards.of_lane(0, 3).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(shards.of_lane(1, 3).count() + shards.of_lane(2, 3).count(), 0);
    }

    #[test]
    fn a_worker_alone_keeps_everything_and_one_of_two_leaves_one_a_turn_until_it_holds_half() {
        let shards = shards(4, 2);
        let now = Instant::now();
        shards.holds(1, 2);
        assert!(!shards.is_to_leave_one(0, 2, now), "nobody else is there");
        shards.consumers_seen(2);
        assert!(shards.is_to_leave_one(0, 2, now));
        assert!(!shards.is_to_leave_one(1, 2, now + TURN / 2), "it has just left one");
        assert!(shards.is_to_leave_one(1, 2, now + TURN));
        assert!(!shards.is_to_leave_one(0, 1, now + TURN * 3), "two of four are its share");
    }

    /// Whoever stands first in the line of a shard holds it; whoever leaves it goes to the end of its line.
    #[test]
    fn any_number_of_workers_comes_to_hold_shares_of_any_number_of_shards() {
        for (count, workers) in [(4_u16, 2_usize), (6, 4), (7, 3), (64, 5), (3, 8)] {
            let views: Vec<Shards> = (0..workers).map(|_| shards(count, 1)).collect();
            let mut lines: Vec<VecDeque<usize>> = (0..count).map(|_| (0..workers).collect()).collect();
            let mut now = Instant::now();
            for _ in 0..usize::from(count) * workers {
                for (worker, view) in views.iter().enumerate() {
                    view.consumers_seen(u32::try_from(workers).unwrap());
                    let held = lines.iter().filter(|line| line[0] == worker).count();
                    if view.is_to_leave_one(0, held, now) {
                        lines.iter_mut().rfind(|line| line[0] == worker).unwrap().rotate_left(1);
                    }
                }
                now += TURN;
            }
            let most = (0..workers).map(|worker| lines.iter().filter(|line| line[0] == worker).count()).max();
            let share = share(count, u32::try_from(workers).unwrap());
            assert_eq!(most, Some(share), "{count} shards, {workers} workers");
        }
    }
}
