//! What tells how old the oldest request is: the longest wait of those that were decided since somebody asked, and when none
//! waited. Apart from the metrics, because neither is one: a maximum is over once it is read, and a moment is no number.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// The queues that a request waits in before it has a verdict, by their words in the metrics.
const WAITED_IN: [&str; 6] = ["requests", "retry_1s", "retry_5s", "retry_30s", "retry_2m", "retry_10m"];

/// What is known of the oldest request.
#[derive(Debug, Default)]
pub struct Oldest {
    /// The bits of the seconds, which are in the order of what they stand for; 0 for nothing.
    longest: AtomicU64,
    /// When each queue was looked into last, and whether it was empty.
    looks: Mutex<[Option<(Instant, bool)>; WAITED_IN.len()]>,
}

impl Oldest {
    /// Notes how long a request had waited when it was decided.
    pub fn waited(&self, seconds: f64) {
        self.longest.fetch_max(seconds.max(f64::MIN_POSITIVE).to_bits(), Ordering::Relaxed);
    }

    /// The longest wait that was noted since this was asked last, in seconds.
    #[must_use]
    pub fn longest(&self) -> Option<f64> {
        let bits = self.longest.swap(0, Ordering::Relaxed);
        (bits > 0).then(|| f64::from_bits(bits))
    }

    /// Notes what lies in a queue, if it is one that requests wait in.
    pub fn looked(&self, queue: &str, messages: u32) {
        if let Some(place) = WAITED_IN.iter().position(|known| *known == queue) {
            self.looks()[place] = Some((Instant::now(), messages == 0));
        }
    }

    /// Since when none waits, if the last look into each of the queues found nothing.
    #[must_use]
    pub fn none_waited(&self) -> Option<Instant> {
        let mut first = Instant::now();
        for look in *self.looks() {
            let (at, _) = look.filter(|(_, is_empty)| *is_empty)?;
            first = first.min(at);
        }
        Some(first)
    }

    fn looks(&self) -> MutexGuard<'_, [Option<(Instant, bool)>; WAITED_IN.len()]> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{Oldest, WAITED_IN};

    #[test]
    fn the_longest_wait_is_told_once() {
        let oldest = Oldest::default();
        assert_eq!(oldest.longest(), None);
        for seconds in [0.25, 61.0, 3.0, 0.0] {
            oldest.waited(seconds);
        }
        assert_eq!((oldest.longest(), oldest.longest()), (Some(61.0), None));
        oldest.waited(0.0);
        assert!(oldest.longest().is_some_and(|seconds| seconds < 1e-9), "no wait is a wait as well");
    }

    #[test]
    fn none_waits_where_every_queue_was_seen_empty() {
        let oldest = Oldest::default();
        for queue in WAITED_IN {
            assert_eq!(oldest.none_waited(), None, "{queue} was not looked into");
            oldest.looked(queue, 0);
        }
        oldest.looked("dead_letters", 7);
        let since = oldest.none_waited();
        assert!(since.is_some());
        oldest.looked("retry_30s", 1);
        assert_eq!(oldest.none_waited(), None);
        oldest.looked("retry_30s", 0);
        assert!(oldest.none_waited() >= since);
    }
}
