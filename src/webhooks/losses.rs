//! What is told of webhooks that go wrong: all of it in counters, and little of it in the log. Apart, because spreader and
//! carrier lose webhooks of the same target, and a receiver that is out would fill the log with what one line says.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use metrics::Counter;
use tracing::{debug, warn};

use crate::wire::webhook::{Delivery, WebhookDeadReason};

/// So long nothing is said aloud again.
const QUIET: Duration = Duration::from_mins(1);

/// Says when something may be said aloud.
#[derive(Default)]
pub(super) struct Hush(Mutex<Option<Instant>>);

/// One target's dead letters.
pub(super) struct Losses {
    pub(super) target: Box<str>,
    dead: Counter,
    hush: Hush,
}

impl Hush {
    /// Whether it may be said aloud now; then not again for a while.
    pub(super) fn lifts(&self, now: Instant) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lifts = last.is_none_or(|last| now.saturating_duration_since(last) >= QUIET);
        if lifts {
            *last = Some(now);
        }
        lifts
    }
}

impl Losses {
    pub(super) fn new(target: &str, dead: Counter) -> Self {
        Self { target: target.into(), dead, hush: Hush::default() }
    }

    /// Counts a dead letter, and tells of it.
    pub(super) fn add(&self, delivery: &Delivery, reason: WebhookDeadReason, error: &str) {
        self.dead.increment(1);
        let (target, id, reason) = (&*self.target, &*delivery.event_id, reason.as_str());
        if self.hush.lifts(Instant::now()) {
            warn!(
                webhook.target = target,
                event.id = id,
                reason,
                error,
                "a webhook is a dead letter; more of this target's within a minute are only counted"
            );
        } else {
            debug!(webhook.target = target, event.id = id, reason, error, "a webhook is a dead letter");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Hush;

    #[test]
    fn what_was_said_aloud_is_not_said_again_for_a_minute() {
        let (hush, now) = (Hush::default(), Instant::now());
        let said = [0, 1, 59, 60, 61, 119, 120].map(|seconds| hush.lifts(now + Duration::from_secs(seconds)));
        assert_eq!(said, [true, false, false, true, false, false, true]);
    }
}
