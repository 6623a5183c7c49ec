//! Whether the queue of requests is crowded: what lies in it takes longer than anybody shall wait. Apart from what is done
//! about that, because it is measured beside the lanes and not by them.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use lapin::Connection;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::debug;

use super::Desk;
use crate::config;
use crate::rabbitmq::depth::{self, Ready};

/// The rate at which requests are taken is that of so long: longer than a batch takes, and soon forgotten.
const LATELY: Duration = Duration::from_secs(1);
/// Looks within one patience, so that a crowd is met before it is twice as large.
const LOOKS: u32 = 5;
/// Between two looks at least: each is a call to the broker.
const SELDOM: Duration = Duration::from_millis(10);
/// And at most, however much patience is configured.
const OFTEN: Duration = Duration::from_secs(1);

/// What is known of the queue of requests.
pub(super) struct Crowding {
    fairness: config::Fairness,
    /// Requests taken from the queue since the start.
    taken: AtomicU64,
    crowded: watch::Sender<bool>,
    /// There are several sites, as far as is known. One alone makes nobody wait.
    several_sites: Arc<AtomicBool>,
}

/// Looks at a queue, for as long as it has held something.
#[derive(Default)]
struct Looks(VecDeque<(Instant, u64)>);

/// How long it takes until all that is ready in a queue is taken.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Wait {
    /// So many seconds, at the rate of lately.
    Seconds(f64),
    /// There is no rate yet: it was empty a moment ago, or nobody looked before.
    Unknown,
    /// Nothing is taken: something is out, and nobody waits for another.
    Still,
}

impl Crowding {
    pub(super) fn new(fairness: config::Fairness, several_sites: Arc<AtomicBool>) -> Self {
        Self { fairness, taken: AtomicU64::new(0), crowded: watch::Sender::new(false), several_sites }
    }

    /// Whether anybody asks.
    pub(super) fn is_on(&self) -> bool {
        self.fairness.is_on()
    }

    /// The part of a batch that a site may have of what is taken ahead.
    pub(super) const fn share(&self) -> f64 {
        self.fairness.share
    }

    /// Notes that requests were taken from the queue.
    pub(super) fn took(&self, requests: u64) {
        self.taken.fetch_add(requests, Ordering::Relaxed);
    }

    /// Waits until there is a crowd. Safe to be dropped.
    pub(super) async fn until_crowded(&self) {
        self.until(true).await;
    }

    /// Waits until there has been no crowd for so long. Safe to be dropped.
    pub(super) async fn until_calm(&self, lasting: Duration) {
        loop {
            self.until(false).await;
            if tokio::time::timeout(lasting, self.until(true)).await.is_err() {
                return;
            }
        }
    }

    async fn until(&self, wanted: bool) {
        // It ends only with its sender, which is `self`.
        drop(self.crowded.subscribe().wait_for(|crowded| *crowded == wanted).await);
    }

    fn show(&self, crowded: bool) {
        if self.crowded.send_if_modified(|shown| std::mem::replace(shown, crowded) != crowded) {
            debug!(crowded, "the queue of requests");
        }
    }
}

impl Desk {
    /// Watches the queue of requests, as long as it is polled. On the connection that consumes: the other may be blocked.
    pub async fn watch_queue(&self, connection: &Connection) -> Infallible {
        let crowding = &self.crowding;
        if !self.may_look_ahead() {
            return std::future::pending().await;
        }
        let patience = crowding.fairness.patience;
        let between = (patience / LOOKS).clamp(SELDOM, OFTEN);
        let mut looks = Looks::default();
        let queues = [self.names.requests()];
        let seen = |ready: Option<Ready>| {
            let crowded = ready.is_some_and(|ready| {
                match looks.wait(ready.messages, crowding.taken.load(Ordering::Relaxed), Instant::now()) {
                    // Others consume as well, and take as much as we do.
                    Wait::Seconds(wait) => {
                        let workers = f64::from(ready.consumers) / f64::from(self.steering.lanes());
                        wait / workers.max(1.0) > patience.as_secs_f64()
                    }
                    // Who asks before a rate is known shall not wait for a backlog that lay there from the start.
                    Wait::Unknown => ready.messages > self.steering.in_hand(),
                    Wait::Still => false,
                }
            });
            crowding.show(crowded && crowding.several_sites.load(Ordering::Relaxed));
        };
        depth::follow(connection, &queues, between, self.broker_timeout, seen).await
    }
}

impl Looks {
    fn wait(&mut self, ready: u32, taken: u64, now: Instant) -> Wait {
        if ready == 0 {
            self.0.clear();
            return Wait::Seconds(0.0);
        }
        while self.0.len() > 1 && now - self.0[1].0 >= LATELY {
            self.0.pop_front();
        }
        self.0.push_back((now, taken));
        let (since, before) = self.0[0];
        #[expect(clippy::cast_precision_loss, reason = "what is taken within a second is far below 2^53")]
        let lately = taken.saturating_sub(before) as f64;
        match self.0.len() {
            1 => Wait::Unknown,
            _ if lately > 0.0 => Wait::Seconds(f64::from(ready) * (now - since).as_secs_f64() / lately),
            _ => Wait::Still,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Wait::{Seconds, Still, Unknown};
    use super::{Looks, Wait};

    /// What each look says, a quarter of a second apart, of a queue with so much in it and so much taken since the start.
    fn waits(seen: &[(u32, u64)]) -> Vec<Wait> {
        let (mut looks, start) = (Looks::default(), Instant::now());
        let look = |(step, (ready, taken)): (u32, &(u32, u64))| {
            looks.wait(*ready, *taken, start + Duration::from_millis(250) * step)
        };
        (0..).zip(seen).map(look).collect()
    }

    #[test]
    fn what_lies_there_takes_as_long_as_lately() {
        assert_eq!(waits(&[(5_000, 0), (5_000, 1_000), (2_000, 2_000)]), [Unknown, Seconds(1.25), Seconds(0.5)]);
    }

    #[test]
    fn of_a_queue_that_was_empty_no_rate_is_known() {
        assert_eq!(waits(&[(0, 1_000), (9_000, 1_001), (9_000, 2_001)]), [Seconds(0.0), Unknown, Seconds(2.25)]);
        assert_eq!(waits(&[(10, 0), (10, 10), (0, 20), (9_000, 20)]), [Unknown, Seconds(0.25), Seconds(0.0), Unknown]);
    }

    #[test]
    fn an_outage_is_no_crowd_once_nothing_was_taken_for_a_second() {
        let outage = [(100, 0), (100, 100), (500, 100), (500, 100), (500, 100), (500, 100), (500, 100)];
        assert_eq!(waits(&outage).last(), Some(&Still));
    }

    #[test]
    fn memory_of_looks_is_bounded() {
        let (mut looks, start) = (Looks::default(), Instant::now());
        for step in 0..10_000_u32 {
            looks.wait(1, step.into(), start + Duration::from_millis(250) * step);
        }
        assert_eq!(looks.0.len(), 5);
    }
}
