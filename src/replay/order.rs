//! What an operator orders to be replayed, and how carefully. Separate, because command line and console give the same order.

use std::time::Duration;

use tokio::time::Instant;

use crate::rabbitmq::dead_letters::Selection;

/// The first step, and how much larger each next one is.
const FIRST: u32 = 1;
const GROWTH: u32 = 5;
/// No step is larger: what it sent is in memory until its outcomes are known.
const LARGEST: u32 = 15_625;

/// Letters a second where nobody says how many: about a fiftieth of what one worker takes, so that requests which come
/// meanwhile hardly wait behind a replay.
pub const USUAL_RATE: u32 = 100;

/// What to replay, and how.
#[derive(Clone, Debug)]
pub struct Order {
    /// Which letters.
    pub selection: Selection,
    /// Most letters a second.
    pub rate: u32,
    /// Most failures of a step, in percent, with which the next one is taken.
    pub max_failures: u32,
    /// How long the outcomes of a step are waited for.
    pub patience: Duration,
    /// All in one step, without waiting for what becomes of them.
    pub at_once: bool,
}

impl Order {
    /// How many letters a step may have, the first being number 0.
    #[must_use]
    pub fn size_of(&self, step: u32) -> u32 {
        if self.at_once { u32::MAX } else { GROWTH.saturating_pow(step).saturating_mul(FIRST).min(LARGEST) }
    }

    /// Whether so many failures of so many letters are too many to go on.
    #[must_use]
    pub fn is_too_many(&self, failures: u32, of: u32) -> bool {
        u64::from(failures) * 100 > u64::from(self.max_failures) * u64::from(of)
    }
}

/// When the next letter may go, so that no more than a rate go in any second. What was not used is not made up for.
#[derive(Debug)]
pub(super) struct Pace {
    interval: Duration,
    next: Instant,
}

impl Pace {
    pub(super) fn new(rate: u32, now: Instant) -> Self {
        Self { interval: Duration::from_secs(1) / rate.max(1), next: now }
    }

    pub(super) const fn next(&self) -> Instant {
        self.next
    }

    /// Notes that a letter goes now.
    pub(super) fn spent(&mut self, now: Instant) {
        self.next = self.next.max(now) + self.interval;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{LARGEST, Order, Pace, USUAL_RATE};
    use crate::rabbitmq::dead_letters::Selection;

    #[test]
    fn no_more_letters_go_in_any_stretch_of_time_than_the_rate_allows() {
        let mut now = Instant::now();
        let mut pace = Pace::new(20, now);
        let mut went = Vec::new();
        for turn in 0..100_u32 {
            now = now.max(pace.next());
            pace.spent(now);
            went.push(now);
            // After a rest nothing is made up for.
            now += if turn == 50 { Duration::from_mins(1) } else { Duration::from_millis(u64::from(turn % 7) * 20) };
        }
        for pair in went.windows(2) {
            assert!(pair[1] - pair[0] >= Duration::from_millis(50), "{pair:?}");
        }
    }

    fn order(max_failures: u32, at_once: bool) -> Order {
        Order { selection: Selection::default(), rate: USUAL_RATE, max_failures, patience: Duration::ZERO, at_once }
    }

    #[test]
    fn steps_grow_by_five_up_to_what_is_kept_in_memory() {
        let order = order(20, false);
        let sizes: Vec<_> = (0..8).map(|step| order.size_of(step)).collect();
        assert_eq!(sizes, [1, 5, 25, 125, 625, 3_125, 15_625, 15_625]);
        assert_eq!(order.size_of(u32::MAX), LARGEST);
        assert_eq!(self::order(20, true).size_of(0), u32::MAX);
    }

    #[test]
    fn a_step_may_fail_up_to_the_share_that_was_given() {
        let order = order(20, false);
        assert!(!order.is_too_many(0, 0) && !order.is_too_many(1, 5) && order.is_too_many(2, 5));
        assert!(order.is_too_many(1, 1) && order.is_too_many(5_001, 25_000));
        assert!(!self::order(100, false).is_too_many(7, 7) && self::order(0, false).is_too_many(1, 10_000));
    }
}
