//! What of `/metrics` the overview is made of. Reading back what we wrote is cheaper than a second registry beside the
//! first, which every record would pay for.

use tokio::time::Instant;

use crate::operations::Meters;

/// The queues, in the order in which a request meets them.
pub(super) const QUEUES: [&str; 7] =
    ["requests", "retry_1s", "retry_5s", "retry_30s", "retry_2m", "retry_10m", "dead_letters"];

/// Sums and values at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Figures {
    pub(super) requests: f64,
    pub(super) joined: f64,
    pub(super) left: f64,
    pub(super) rejected: f64,
    pub(super) refused: f64,
    pub(super) retried: f64,
    pub(super) dead: f64,
    pub(super) events: f64,
    /// Of those decided since the figures before.
    pub(super) longest_wait: Option<f64>,
    /// Since when none waits.
    pub(super) none_waited: Option<Instant>,
    pub(super) queues: [f64; 7],
    pub(super) owed: f64,
    pub(super) owed_oldest: f64,
    pub(super) lanes: f64,
    pub(super) lanes_wanted: f64,
    pub(super) batch_limit: f64,
    pub(super) prefetch: f64,
    pub(super) in_flight: f64,
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
            }
        }
        figures
    }

    /// Messages that wait to become a verdict.
    pub(super) fn waiting(&self) -> f64 {
        self.queues[..6].iter().sum()
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
            "refused_total" => self.refused += value,
            "retries_total" => self.retried += value,
            "dead_letters_total" => self.dead += value,
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
            "in_flight_requests" => self.in_flight = value,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Figures, QUEUES};
    use crate::domain::Verdict;
    use crate::operations::Meters;

    #[test]
    fn what_is_counted_is_read_back() {
        let meters = Meters::register().unwrap();
        meters.verdicts([Verdict::Joined, Verdict::Joined, Verdict::AlreadyJoined, Verdict::Left, Verdict::ALL[4]]);
        meters.dead_letters.of("busy").increment(3);
        for (depth, queue) in (1_u8..).zip(QUEUES) {
            assert!(meters.queue_messages.knows(queue));
            meters.queue_messages.of(queue).set(f64::from(depth));
        }
        meters.lanes_wanted.set(5.0);
        meters.outbox_rows.set(7.0);
        meters.oldest.waited(2.0);
        let figures = Figures::take_from(&meters);
        let expected = Figures {
            requests: 5.0,
            joined: 2.0,
            left: 1.0,
            rejected: 1.0,
            dead: 3.0,
            longest_wait: Some(2.0),
            queues: [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0],
            owed: 7.0,
            lanes_wanted: 5.0,
            ..Figures::default()
        };
        assert_eq!(figures, expected);
        assert!((figures.waiting() - 21.0).abs() < f64::EPSILON);
    }
}
