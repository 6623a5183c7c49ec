//! When the next slice may be looked at. Apart, because a cap on cost is a promise, and is tested without a clock.

use std::time::Duration;

use tokio::time::Instant;

/// Most members in a slice: some milliseconds of each service, and a bound on what is in memory.
const SLICE: usize = 64;

/// Paces slices so that no more than `rate` members a second are looked at. What was not used is not made up for.
pub(super) struct Pace {
    rate: u32,
    least_round: Duration,
    round_began: Instant,
    next: Instant,
}

impl Pace {
    /// A round takes at least `least_round`, however few members there are.
    pub(super) fn new(rate: u32, least_round: Duration, now: Instant) -> Self {
        Self { rate: rate.max(1), least_round, round_began: now, next: now }
    }

    /// When the next slice may begin.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// How many members it may have.
    pub(super) fn slice(&self) -> usize {
        SLICE.min(usize::try_from(self.rate).unwrap_or(SLICE))
    }

    /// Notes that a slice of so many members began at `began`.
    pub(super) fn spent(&mut self, members: usize, began: Instant) {
        let members = u32::try_from(members).unwrap_or(u32::MAX);
        self.rest(began, Duration::from_secs(1) * members / self.rate);
    }

    /// Notes that the last slice of a round began at `began`.
    pub(super) fn round(&mut self, began: Instant) {
        let pause = (self.round_began + self.least_round).saturating_duration_since(began);
        self.rest(began, pause);
        self.round_began = self.next;
    }

    /// Leaves at least this pause.
    pub(super) fn rest(&mut self, now: Instant, pause: Duration) {
        self.next = self.next.max(now + pause);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{Pace, SLICE};

    #[test]
    fn no_more_than_the_rate_is_looked_at_in_any_stretch_of_time() {
        for rate in [1, 7, 64, 500, 100_000] {
            let mut now = Instant::now();
            let mut pace = Pace::new(rate, Duration::ZERO, now);
            let mut slices = Vec::new();
            for turn in 0..200_u32 {
                // Some slices are begun late, and after a long rest nothing is made up for.
                let late = if turn == 100 { Duration::from_hours(1) } else { Duration::from_micros(700) * (turn % 3) };
                now = now.max(pace.next()) + late;
                let members = if turn % 5 == 0 { pace.slice() / 2 } else { pace.slice() };
                pace.spent(members, now);
                slices.push((now, u32::try_from(members).unwrap()));
            }
            for (first, (from, _)) in slices.iter().enumerate() {
                let mut looked = 0.0;
                for (until, members) in &slices[first..] {
                    let most = (*until - *from).as_secs_f64() * f64::from(rate);
                    assert!(looked <= most + 1e-3, "{looked} of {most} at rate {rate}");
                    looked += f64::from(*members);
                }
            }
        }
    }

    #[test]
    fn a_slice_is_bounded_by_the_rate_and_never_empty() {
        let now = Instant::now();
        let slice = |rate| Pace::new(rate, Duration::ZERO, now).slice();
        assert_eq!((slice(0), slice(1), slice(10), slice(1_000_000)), (1, 1, 10, SLICE));
    }

    #[test]
    fn a_round_takes_its_time_however_few_members_there_are() {
        let (start, least) = (Instant::now(), Duration::from_secs(10));
        let mut pace = Pace::new(500, least, start);
        pace.spent(3, start);
        pace.round(start);
        assert_eq!(pace.next(), start + least);
        let second = start + Duration::from_secs(25);
        pace.round(second);
        assert_eq!(pace.next(), second, "a round that took longer is followed by the next at once");
    }
}
