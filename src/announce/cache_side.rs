//! The cache side: entries and tombstones, written if newer. Its breaker keeps an outage of Redis from costing anything.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::debug;

use super::forgetter::Forgotten;
use super::handover::{Debt, Taken};
use super::payment::Payment;
use crate::cache::{Entry, Profiles};
use crate::domain::Member;
use crate::fail_point::{self, Point};
use crate::operations::{Dependency, Health, Meters};
use crate::postgres::Side;
use crate::retry::Tries;
use crate::telemetry::chain;
use crate::wire::profile;

/// What the cache side works with.
pub(super) struct CacheSide {
    pub(super) profiles: Profiles,
    pub(super) taken: Taken,
    pub(super) health: Health,
    pub(super) meters: Meters,
    pub(super) batch_max: usize,
    pub(super) longest_pause: Duration,
}

impl CacheSide {
    /// Writes what is ready, batch by batch, until nobody hands over any more. While Redis does not serve it only asks,
    /// with growing pauses, whether it does again; what comes meanwhile stays in the outbox. While it serves it is asked
    /// now and then as well, or an outage would be met only by the next change; and at any time when an operator wants that.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Arc<Debt>>, forgotten: Forgotten) {
        let mut ready = Vec::with_capacity(self.batch_max);
        let mut tries = Tries::up_to(self.longest_pause, self.health.asked(Dependency::Cache));
        let mut next_probe = Instant::now();
        loop {
            tokio::select! {
                taken = queue.recv_many(&mut ready, self.batch_max) => {
                    if taken == 0 {
                        return;
                    }
                    self.taken.now();
                    // Asked now, not before it waited: what is missed waits for the end of its lease.
                    let open = !self.health.is_up(Dependency::Cache);
                    let paid = if open { self.missed(taken) } else { self.write(&ready).await };
                    if paid.contains(&true) {
                        tries.reset();
                    }
                    let now = OffsetDateTime::now_utc();
                    for (debt, paid) in ready.drain(..).zip(paid) {
                        forgotten.done(&debt, Side::Cache, Payment::of(paid, now));
                    }
                }
                () = tries.until(next_probe) => {
                    let open = !self.health.is_up(Dependency::Cache);
                    let served = self.profiles.probe().await;
                    let pause = if open || served.is_err() { tries.next_pause() } else { self.longest_pause };
                    next_probe = Instant::now() + pause;
                    match served {
                        Ok(()) => self.health.up(Dependency::Cache),
                        Err(error) => self.health.down(Dependency::Cache, chain(&error)),
                    }
                }
            }
        }
    }

    /// What Redis is not even asked to take stays owed.
    fn missed(&self, debts: usize) -> Vec<bool> {
        self.meters.cache_misses.increment(debts as u64);
        vec![false; debts]
    }

    /// Answers for each debt whether the cache is up to date with it.
    async fn write(&mut self, debts: &[Arc<Debt>]) -> Vec<bool> {
        // Asked once: a debt may expire while it is being written.
        let current: Vec<bool> = debts.iter().map(|debt| !debt.is_expired()).collect();
        let entries: Vec<Entry> =
            debts.iter().zip(&current).filter(|(_, current)| **current).map(|(debt, _)| entry(debt)).collect();
        fail_point::pass(Point::BeforeCache);
        let began = Instant::now();
        let written = match self.profiles.write(&entries).await {
            Ok(written) => {
                fail_point::pass(Point::AfterCache);
                if let Some(error) = written.error {
                    debug!(error = chain(&error), "Redis refused a write");
                    // One refused entry is its own trouble; all of them refused is Redis'.
                    if !written.up_to_date.contains(&true) {
                        self.health.down(Dependency::Cache, chain(&error));
                    }
                }
                written.up_to_date
            }
            Err(error) => {
                self.health.down(Dependency::Cache, chain(&error));
                vec![false; entries.len()]
            }
        };
        let taken = written.iter().filter(|written| **written).count();
        self.meters.cache_writes.increment(taken as u64);
        self.meters.cache_misses.increment((written.len() - taken) as u64);
        self.meters.cache_write_seconds.record(began.elapsed().as_secs_f64());
        let mut written = written.into_iter();
        current.into_iter().map(|current| current && written.next().unwrap_or(false)).collect()
    }
}

/// What the cache shows of a member, as JSON; `None` of one whom it must not show.
pub(super) fn shown(member: &Member) -> Option<Vec<u8>> {
    member.is_public().then(|| {
        let mut body = Vec::with_capacity(512);
        profile::write(member, &mut body);
        body
    })
}

fn entry(debt: &Debt) -> Entry {
    let change = &debt.change;
    let member = change.member.as_ref().and_then(shown);
    Entry { site: change.site, member_id: change.member_id, event_sequence: change.event_sequence, member }
}
