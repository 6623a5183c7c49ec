//! Pauses between tries to connect. Not the worker's: those are made with a crate that only the worker brings.

use std::time::Duration;

use uuid::Uuid;

const SHORTEST: Duration = Duration::from_millis(100);

/// Growing pauses with jitter, without an end: an outage may last for hours.
#[derive(Debug)]
pub(super) struct Pauses {
    next: Duration,
    longest: Duration,
}

impl Pauses {
    /// Begins at 100 ms and grows up to `longest`.
    pub(super) fn up_to(longest: Duration) -> Self {
        Self { next: SHORTEST.min(longest), longest }
    }

    /// The next pause: half as long to half as long again, so that clients which lost a broker together come back one by
    /// one.
    pub(super) fn next_pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = pause.saturating_mul(2).min(self.longest);
        let [chance, ..] = Uuid::new_v4().into_bytes();
        pause / 2 + pause / u32::from(u8::MAX) * u32::from(chance)
    }

    /// Starts over, after a success.
    pub(super) fn reset(&mut self) {
        self.next = SHORTEST.min(self.longest);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Pauses;

    #[test]
    fn pauses_grow_to_the_longest_and_begin_anew_after_a_success() {
        let longest = Duration::from_secs(10);
        let mut pauses = Pauses::up_to(longest);
        let taken: Vec<_> = (0..100).map(|_| pauses.next_pause()).collect();
        assert!(taken[0] <= Duration::from_millis(150) && taken[99] >= longest / 2);
        assert!(taken.iter().all(|pause| *pause <= longest * 3 / 2));
        pauses.reset();
        assert!(pauses.next_pause() <= Duration::from_millis(150));
    }
}
