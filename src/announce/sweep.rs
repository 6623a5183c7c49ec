//! The sweep: finds in the outbox what memory does not hold, after a crash, an outage, or a change by somebody else.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error};

use super::backlog::Backlog;
use super::clock::Clock;
use super::handover::HandOver;
use crate::fail_point::{self, Point};
use crate::operations::{Dependency, Health};
use crate::postgres::{Session, Side, StoreError};
use crate::telemetry::chain;

/// What the sweep works with.
pub(super) struct Sweep {
    pub(super) store: Session,
    pub(super) hand_over: HandOver,
    pub(super) health: Health,
    pub(super) clock: Clock,
    pub(super) backlog: Backlog,
    pub(super) interval: Duration,
    pub(super) lease: Duration,
    pub(super) batch_max: usize,
}

impl Sweep {
    /// Sweeps until `stop`.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(self.interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut failures, mut suffices) = (0, false);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            if self.health.is_held(Dependency::Database) {
                // Asked for once all the same: a worker whose clock is not known is never ready.
                if !self.health.is_up(Dependency::Clock) {
                    self.clock.look(&mut self.store).await;
                }
                continue;
            }
            self.clock.look(&mut self.store).await;
            self.backlog.look(&mut self.store).await;
            if !suffices {
                // On an older schema nothing could be forgotten, so what is announced would be announced again and again.
                let seen = self.store.schema_suffices().await;
                suffices = seen.is_ok();
                self.note(seen, &mut failures);
            }
            if !suffices {
                continue;
            }
            for (side, dependency) in [(Side::Event, Dependency::Publishing), (Side::Cache, Dependency::Cache)] {
                // Only sides that are up are asked for: an outage must not use up anybody's leases.
                if self.health.is_up(dependency) {
                    if let Ok(result) = AssertUnwindSafe(self.sweep(side, &stop)).catch_unwind().await {
                        self.note(result, &mut failures);
                    } else {
                        // One row that breaks the reader must not keep all others from ever being announced.
                        error!("sweep broke down, the next one tries again");
                    }
                }
            }
        }
    }

    /// Tells of an outage of PostgreSQL that the lanes do not meet, because nobody asks them for anything. One failure is
    /// none yet: a connection may end for many reasons, and the next one is new.
    fn note(&self, swept: Result<(), StoreError>, failures: &mut u32) {
        match swept {
            Ok(()) if *failures > 1 => {
                self.health.up(Dependency::Database);
                *failures = 0;
            }
            Ok(()) => *failures = 0,
            Err(error) => {
                debug!(error = chain(&error), "sweep failed, the next one tries again");
                *failures += 1;
                if *failures > 1 && error.is_outage() {
                    self.health.down(Dependency::Database, chain(&error));
                }
            }
        }
    }

    /// Hands over everything one side owes, batch by batch, no faster than there is room for.
    async fn sweep(&mut self, side: Side, stop: &CancellationToken) -> Result<(), StoreError> {
        // Room first: what is claimed and finds none waits for its lease, and each time longer.
        while self.has_room() && !stop.is_cancelled() {
            let claiming = Instant::now();
            let claims = self.store.claim(side, self.batch_max, self.lease).await?;
            let claimed = claims.len();
            if claimed > 0 {
                fail_point::pass(Point::Swept);
            }
            for change in claims {
                // A change committed between the claim and the look at its member: the next sweep has the newer row.
                if change.member.as_ref().is_some_and(|member| member.event_sequence != change.event_sequence) {
                    continue;
                }
                self.hand_over.push(change, claiming + self.lease / 2);
            }
            if claimed < self.batch_max {
                break;
            }
        }
        Ok(())
    }

    fn has_room(&self) -> bool {
        self.hand_over.events.capacity() >= self.batch_max && self.hand_over.cache.capacity() >= self.batch_max
    }
}
