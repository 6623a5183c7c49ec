//! What happens to a batch when the database fails it: tried again from load, sorted by lock, halved, held, given up.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::arrival::Item;
use super::lane::{Lane, Pause};
use super::rounds::{Outcome, bring_to_outcome};
use super::settle::{Gone, Settle};
use super::told::Told;
use crate::domain::Request;
use crate::operations::{Dependency, Laps, Step};
use crate::postgres::StoreError;
use crate::retry::Tries;
use crate::telemetry::chain;

/// Requests that are tried together, and how often they failed together.
struct Part {
    items: Vec<Item>,
    failures: u32,
}

impl Lane {
    /// Brings a batch to its outcome and settles it. After any failure it starts again from load: nothing decided before
    /// a failure is used after it. In an outage it holds the deliveries for no longer than it is told.
    pub(super) async fn join(
        &mut self,
        items: Vec<Item>,
        settle: &mut Settle,
        stop: &CancellationToken,
        longest_hold: Duration,
    ) -> Result<Option<Pause>, Gone> {
        let mut parts = vec![Part { items, failures: 0 }];
        let mut outage: Option<(Instant, Tries)> = None;
        while let Some(part) = parts.pop() {
            if part.items.is_empty() {
                continue;
            }
            let mut laps = Laps::begin();
            let requests: Vec<&Request> = part.items.iter().map(|item| &item.request).collect();
            match bring_to_outcome(&mut self.store, &requests, self.desk.policy(), &mut laps).await {
                Ok(outcomes) => {
                    self.desk.health.up(Dependency::Database);
                    outage = None;
                    self.conclude(&part.items, outcomes, laps, settle);
                }
                Err(error) if self.is_outage(&error, &part) => {
                    self.desk.health.down(Dependency::Database, chain(&error));
                    let (since, tries) = outage.get_or_insert_with(|| (laps.began(), self.desk.tries_of_database()));
                    if let Some(pause) = hold(*since, longest_hold, tries, stop).await {
                        return Ok(Some(pause));
                    }
                    // Without the channel the batch is the broker's again: it will come back, here or elsewhere.
                    if !settle.is_possible() {
                        return Err(Gone::Ended);
                    }
                    parts.push(part);
                }
                Err(_) if stop.is_cancelled() => return Ok(Some(Pause::Stop)),
                Err(_) if !settle.is_possible() => return Err(Gone::Ended),
                Err(error) if error.is_lock() => {
                    let (free, locked) = self.by_lock(part).await;
                    if locked.is_empty() {
                        self.narrow_down(free, &error, &mut parts, settle);
                    } else {
                        parts.push(free);
                        self.give_up_locked(&locked, settle);
                    }
                }
                Err(error) => self.narrow_down(part, &error, &mut parts, settle),
            }
        }
        Ok(None)
    }

    /// Whether a failure says more of the database than of the requests.
    fn is_outage(&self, error: &StoreError, part: &Part) -> bool {
        let slow = error.is_slowness() && part.items.len() == 1 && part.failures > 0;
        error.is_outage() || slow || self.desk.too_many_permanent_failures()
    }

    /// Joins a request that is tried alone. It waits for nobody's lock: everybody else would wait with it.
    pub(super) async fn join_alone(
        &mut self,
        item: Item,
        settle: &mut Settle,
        stop: &CancellationToken,
    ) -> Result<Option<Pause>, Gone> {
        let (free, locked) = self.by_lock(Part { items: vec![item], failures: 0 }).await;
        self.give_up_locked(&locked, settle);
        self.join(free.items, settle, stop, Duration::ZERO).await
    }

    fn give_up_locked(&self, items: &[Item], settle: &mut Settle) {
        for item in items {
            self.desk.give_up(item, &StoreError::Locked, settle);
        }
    }

    /// Tells the requests whose records others hold from those that may go on. To look for them by trying would take the
    /// limit of a lock for each.
    async fn by_lock(&mut self, part: Part) -> (Part, Vec<Item>) {
        let requests: Vec<&Request> = part.items.iter().map(|item| &item.request).collect();
        // Where that cannot be told, the next try tells why.
        let locked = self.store.locked(&requests).await.unwrap_or_else(|_| vec![false; requests.len()]);
        let (mut free, mut held) = (Vec::with_capacity(part.items.len()), Vec::new());
        for (item, locked) in part.items.into_iter().zip(locked) {
            if locked { held.push(item) } else { free.push(item) }
        }
        (Part { items: free, ..part }, held)
    }

    /// Finds the request that a failure is about: once more as it is, then in halves, then alone, twice.
    fn narrow_down(&self, mut part: Part, error: &StoreError, parts: &mut Vec<Part>, settle: &mut Settle) {
        debug!(error = chain(error), requests = part.items.len(), "a batch failed, looking for the request at fault");
        self.desk.meters.batch_failures.increment(1);
        part.failures += 1;
        if part.failures < 2 {
            parts.push(part);
        } else if part.items.len() > 1 {
            let second = part.items.split_off(part.items.len() / 2);
            parts.push(Part { items: second, failures: 1 });
            parts.push(Part { items: part.items, failures: 1 });
        } else {
            for item in part.items {
                self.desk.give_up(&item, error, settle);
            }
        }
    }

    fn conclude(&self, items: &[Item], outcomes: Vec<Outcome>, mut laps: Laps, settle: &mut Settle) {
        let told = Told::of(&outcomes);
        for (item, outcome) in items.iter().zip(outcomes) {
            self.desk.conclude(item, outcome, laps.began(), settle);
        }
        laps.done(Step::Answer);
        self.desk.tell(items, &told, &laps);
    }
}

/// Waits for the next try, unless deliveries were held long enough: the broker closes a channel that holds them for ever.
pub(super) async fn hold(
    since: Instant,
    limit: Duration,
    tries: &mut Tries,
    stop: &CancellationToken,
) -> Option<Pause> {
    let pause = tries.next_pause();
    if since.elapsed() + pause > limit {
        return Some(Pause::Outage);
    }
    tokio::select! {
        () = stop.cancelled() => Some(Pause::Stop),
        () = tries.until(Instant::now() + pause) => None,
    }
}
