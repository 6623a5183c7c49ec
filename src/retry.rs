//! Pauses between tries to reach a service. The one user of `backoff`, behind names of our own: the crate is
//! unmaintained (RUSTSEC-2025-0012), and this file is all that would change without it.

use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout_at};

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

/// Tries to reach a service, with growing pauses between them that end at once when somebody asks for the next one.
pub struct Tries {
    pauses: Pauses,
    asked: watch::Receiver<()>,
}

impl Tries {
    /// Pauses up to `longest`; whoever asks changes `asked`. What was asked for while a try was under way counts for the
    /// pause after it.
    #[must_use]
    pub fn up_to(longest: Duration, asked: watch::Receiver<()>) -> Self {
        Self { pauses: Pauses::up_to(longest), asked }
    }

    /// The pause that comes next.
    pub fn next_pause(&mut self) -> Duration {
        self.pauses.next_pause()
    }

    /// Starts over, after a success.
    pub fn reset(&mut self) {
        self.pauses.reset();
    }

    /// Waits for the next try. Safe to be dropped.
    pub async fn pause(&mut self) {
        let pause = self.next_pause();
        self.until(Instant::now() + pause).await;
    }

    /// Waits for a moment, or until somebody asks: then pauses grow anew. Safe to be dropped.
    pub async fn until(&mut self, moment: Instant) {
        match timeout_at(moment, self.asked.changed()).await {
            Ok(Ok(())) => self.pauses.reset(),
            // Nobody is left who could ask.
            Ok(Err(_)) => sleep_until(moment).await,
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};
    use std::time::Duration;

    use tokio::sync::watch;
    use tokio::time::Instant;

    use super::{Pauses, Tries};

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

    fn is_over(waiting: impl Future<Output = ()>) -> bool {
        pin!(waiting).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[tokio::test]
    async fn a_pause_ends_at_once_when_somebody_asks_and_the_next_ones_grow_anew() {
        let longest = Duration::from_hours(1);
        let asked = watch::Sender::new(());
        let mut tries = Tries::up_to(longest, asked.subscribe());
        while tries.next_pause() < Duration::from_mins(1) {}
        assert!(!is_over(tries.pause()), "nobody has asked");
        // During the pause, or during the try before it.
        asked.send_replace(());
        assert!(is_over(tries.pause()));
        assert!(tries.next_pause() < Duration::from_millis(200));
        assert!(!is_over(tries.until(Instant::now() + longest)), "asked for once, tried once");
        drop(asked);
        assert!(!is_over(tries.until(Instant::now() + longest)), "nobody is left who could ask");
    }
}
