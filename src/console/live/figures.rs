//! What of `/metrics` the overview is made of. Reading back what we wrote is cheaper than a second registry beside the
//! first, which every record would pay for.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::spread::Buckets;
use crate::domain::refusal;
use crate::operations::Meters;

/// The queues, in the order in which a request meets them; those of webhooks come last.
pub(super) const QUEUES: [&str; 10] = [
    "requests",
    "retry_1s",
    "retry_5s",
    "retry_30s",
    "retry_2m",
    "retry_10m",
    "dead_letters",
    "discarded",
    "webhooks",
    "webhook_dead_letters",
];
/// Of these, where webhooks are off.
pub(super) const WITHOUT_WEBHOOKS: usize = 8;

/// Sums and values at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Figures {
    pub(super) requests: f64,
    /// Taken ahead; each of these is answered once more when it comes from the queue.
    pub(super) ahead: f64,
    pub(super) joined: f64,
    pub(super) left: f64,
    pub(super) rejected: f64,
    pub(super) refused: f64,
    /// By reason, in the order of [`refusal::ALL`].
    pub(super) refusals: [f64; refusal::ALL.len()],
    pub(super) retried: f64,
    pub(super) dead: f64,
    /// Malformed messages that were dropped.
    pub(super) dropped: f64,
    /// By reason.
    pub(super) reasons: BTreeMap<String, f64>,
    pub(super) events: f64,
    /// Of those decided since the figures before.
    pub(super) longest_wait: Option<f64>,
    /// Since when none waits.
    pub(super) none_waited: Option<Instant>,
    pub(super) queue_wait: Buckets,
    pub(super) join_to_event: Buckets,
    pub(super) event_confirm: Buckets,
    pub(super) copy_confirm: Buckets,
    pub(super) queues: [f64; 10],
    pub(super) owed: f64,
    pub(super) owed_oldest: f64,
    /// Entries behind, wrong and ahead.
    pub(super) drift: [f64; 3],
    /// By target of webhooks.
    pub(super) targets: BTreeMap<String, OfTarget>,
    pub(super) lanes: f64,
    pub(super) lanes_wanted: f64,
    pub(super) batch_limit: f64,
    pub(super) prefetch: f64,
    pub(super) pace: f64,
    pub(super) in_flight: f64,
}

/// What is counted of one target of webhooks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct OfTarget {
    pub(super) waiting: f64,
    pub(super) delivered: f64,
    pub(super) failed: f64,
    pub(super) dead: f64,
}

/// The value of a label. No label of ours holds a quotation mark.
fn label<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = labels.split_once(&format!("{name}=\""))?;
    rest.split('"').next()
}

impl Figures {
    /// Takes them from a worker's metrics.
    pub(super) fn take_from(meters: &Meters) -> Self {
        let (longest_wait, none_waited) = (meters.oldest.longest(), meters.oldest.none_waited());
        Self { longest_wait, none_waited, ..Self::read(&meters.render()) }
    }

    fn read(text: &str) -> Self {
        let mut figures = Self::default();
        for line in text.lines() {
            let Some((series, value)) = line.strip_prefix("join_community_").and_then(|line| line.rsplit_once(' '))
            else {
                continue;
            };
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            if let Ok(value) = value.parse() {
                figures.take(name, labels, value);
                figures.take_bucket(name, labels, value);
                figures.take_of_target(name, labels, value);
            }
        }
        figures
    }

    /// Messages that wait to become a verdict.
    pub(super) fn waiting(&self) -> f64 {
        self.queues[..6].iter().sum()
    }

    /// Requests that this worker is done with, each once, whatever became of them.
    pub(super) fn settled(&self) -> f64 {
        self.requests - self.ahead + self.refused + self.dead + self.dropped
    }

    fn take_bucket(&mut self, name: &str, labels: &str, value: f64) {
        let buckets = match (name, label(labels, "of")) {
            ("queue_wait_seconds_bucket", _) => &mut self.queue_wait,
            ("join_to_event_seconds_bucket", _) => &mut self.join_to_event,
            ("confirm_seconds_bucket", Some("event")) => &mut self.event_confirm,
            ("confirm_seconds_bucket", Some("copy")) => &mut self.copy_confirm,
            _ => return,
        };
        if let Some(bound) = label(labels, "le").and_then(|bound| bound.parse().ok()) {
            buckets.push(bound, value);
        }
    }

    fn take_of_target(&mut self, name: &str, labels: &str, value: f64) {
        let Some(target) = label(labels, "target") else { return };
        let of_target = self.targets.entry(target.to_owned()).or_default();
        match (name, label(labels, "outcome")) {
            ("webhook_waiting_deliveries", _) => of_target.waiting = value,
            ("webhook_deliveries_total", Some("delivered")) => of_target.delivered = value,
            ("webhook_deliveries_total", Some("failed")) => of_target.failed = value,
            ("webhook_deliveries_total", Some("dead")) => of_target.dead = value,
            _ => {}
        }
    }

    fn take(&mut self, name: &str, labels: &str, value: f64) {
        let says = |word: &str| labels.contains(&format!("\"{word}\""));
        match name {
            "requests_total" => {
                self.requests += value;
                if says("joined") {
                    self.joined += value;
                } else if says("left") {
                    self.left += value;
                } else if says("rejected") {
                    self.rejected += value;
                }
            }
            "refused_total" => {
                self.refused += value;
                if let Some(place) = refusal::ALL.iter().position(|reason| says(reason)) {
                    self.refusals[place] = value;
                }
            }
            "malformed_dropped_total" => self.dropped += value,
            "ahead_total" => self.ahead += value,
            "retries_total" => self.retried += value,
            "dead_letters_total" => {
                self.dead += value;
                self.reasons.extend(label(labels, "reason").map(|reason| (reason.to_owned(), value)));
            }
            "profile_cache_drift_total" => {
                if let Some(place) = ["behind", "wrong", "ahead"].iter().position(|kind| says(kind)) {
                    self.drift[place] = value;
                }
            }
            "events_total" => self.events += value,
            "queue_messages" => {
                if let Some(place) = QUEUES.iter().position(|queue| says(queue)) {
                    self.queues[place] = value;
                }
            }
            "outbox_rows" => self.owed = value,
            "outbox_oldest_seconds" => self.owed_oldest = value,
            "lanes" => self.lanes = value,
            "lanes_wanted" => self.lanes_wanted = value,
            "batch_limit_requests" => self.batch_limit = value,
            "prefetch_requests" => self.prefetch = value,
            "pace_seconds" => self.pace = value,
            "in_flight_requests" => self.in_flight = value,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Buckets, Figures, OfTarget, QUEUES};
    use crate::domain::{Verdict, refusal};
    use crate::operations::Meters;

    #[test]
    fn what_is_counted_is_read_back() {
        let meters = Meters::with_targets(["crm"]).unwrap();
        meters.verdicts([Verdict::Joined, Verdict::Joined, Verdict::AlreadyJoined, Verdict::Left, Verdict::ALL[4]]);
        meters.dead_letters.of("busy").increment(3);
        meters.refused.of(refusal::TOKEN_SITE).increment(4);
        meters.dropped.increment(2);
        meters.ahead.increment(1);
        for (depth, queue) in (1_u8..).zip(QUEUES) {
            assert!(meters.queue_messages.knows(queue));
            meters.queue_messages.of(queue).set(f64::from(depth));
        }
        meters.lanes_wanted.set(5.0);
        meters.pace.set(0.005);
        meters.outbox_rows.set(7.0);
        meters.oldest.waited(2.0);
        meters.queue_wait.record(2.0);
        meters.confirm.of("copy").record(0.004);
        meters.cache_drift.of("wrong").increment(2);
        meters.webhook("crm").failed.increment(8);
        meters.webhook("crm").waiting.set(9.0);
        let mut figures = Figures::take_from(&meters);
        assert!((figures.waiting() - 21.0).abs() < f64::EPSILON);
        assert_eq!(figures.reasons.remove("busy"), Some(3.0));
        assert!(figures.reasons.len() == 5 && figures.reasons.values().all(|count| *count == 0.0), "{figures:?}");
        let about = |buckets: Buckets| buckets.spread().map(|spread| spread.p50_seconds);
        // The middle of the bucket that it falls into.
        assert_eq!(about(std::mem::take(&mut figures.queue_wait)), Some(1.75));
        assert!(about(std::mem::take(&mut figures.copy_confirm)).is_some_and(|about| about < 0.005));
        assert_eq!(about(std::mem::take(&mut figures.event_confirm)), None);
        assert_eq!(about(std::mem::take(&mut figures.join_to_event)), None);
        figures.reasons.clear();
        assert!((figures.settled() - 13.0).abs() < f64::EPSILON);
        let expected = Figures {
            requests: 5.0,
            joined: 2.0,
            left: 1.0,
            rejected: 1.0,
            refused: 4.0,
            refusals: refusal::ALL.map(|reason| if reason == refusal::TOKEN_SITE { 4.0 } else { 0.0 }),
            dead: 3.0,
            dropped: 2.0,
            ahead: 1.0,
            longest_wait: Some(2.0),
            queues: [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0],
            owed: 7.0,
            drift: [0.0, 2.0, 0.0],
            targets: [("crm".to_owned(), OfTarget { waiting: 9.0, failed: 8.0, ..OfTarget::default() })].into(),
            lanes_wanted: 5.0,
            pace: 0.005,
            ..Figures::default()
        };
        assert_eq!(figures, expected);
    }
}
