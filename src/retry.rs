//! Pauses between tries to reach a service. The one user of `backoff`, behind names of our own: the crate is
//! unmaintained (RUSTSEC-2025-0012), and this file is all that would change without it.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;

/// Growing pauses with jitter, without an end: an outage may last for hours.
pub struct Pauses(ExponentialBackoff);

impl Pauses {
    /// Starts at 100 ms and grows up to `longest`.
    #[must_use]
    pub fn up_to(longest: Duration) -> Self {
        Self(ExponentialBackoff {
            current_interval: Duration::from_millis(100),
            initial_interval: Duration::from_millis(100),
            multiplier: 1.7,
            max_interval: longest,
            // The crate's default gives up after 15 minutes, for ever.
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        })
    }

    /// The next pause.
    pub fn next_pause(&mut self) -> Duration {
        // Without an elapsed-time limit there is always a next one.
        self.0.next_backoff().unwrap_or(self.0.max_interval)
    }

    /// Starts over, after a success.
    pub fn reset(&mut self) {
        self.0.reset();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Pauses;

    #[test]
    fn pauses_grow_to_the_longest_and_never_end() {
        let longest = Duration::from_secs(10);
        let mut pauses = Pauses::up_to(longest);
        let taken: Vec<_> = (0..1000).map(|_| pauses.next_pause()).collect();
        assert!(taken[0] < Duration::from_millis(200));
        // Jitter is half of the interval either way.
        assert!(taken.iter().all(|pause| *pause <= longest * 3 / 2));
        assert!(taken[999] >= longest / 2);
        pauses.reset();
        assert!(pauses.next_pause() < Duration::from_millis(200));
    }
}
