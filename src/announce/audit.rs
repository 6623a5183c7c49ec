//! The audit: holds the cache against the records, all members in turn, and has set right what is out of step. What the
//! other parts promise is proven by no one else: an entry that Redis lost, or brought back from a snapshot, owes nothing.

mod auditor;
mod drift;
mod renew;
mod verify;
mod walk;

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

pub use auditor::{AuditError, Auditor, Doubt};
pub use drift::{Drift, Kind};
pub use renew::Renewed;
pub use verify::{Fault, Finding, Terms};
pub use walk::Walk;

use super::handover::HandOver;
use super::pace::Pace;
use crate::config;
use crate::operations::{Dependency, Health, Meters};
use crate::retry::Pauses;
use crate::telemetry::chain;

/// How long the audit rests before it asks again whether it is in anybody's way.
const REST: Duration = Duration::from_secs(1);
/// What is found is told at most this often: after a restored backup it may be every member.
const TOLD_EVERY: Duration = Duration::from_mins(1);

/// The audit, running in the background.
pub(super) struct Audit {
    auditor: Auditor,
    pace: Pace,
    gate: Gate,
    meters: Meters,
    longest_pause: Duration,
    untold: Found,
    told: Option<Instant>,
}

/// What the audit gives way to.
pub(super) struct Gate {
    pub(super) hand_over: HandOver,
    pub(super) health: Health,
}

/// How many of each kind.
#[derive(Default)]
struct Found {
    behind: u64,
    wrong: u64,
    ahead: u64,
}

impl Audit {
    pub(super) fn new(auditor: Auditor, rate: u32, gate: Gate, meters: Meters, announce: &config::Announce) -> Self {
        // What one round has found is paid, or owed by nobody, when the next one begins.
        let pace = Pace::new(rate, announce.lease, Instant::now());
        let (untold, told) = (Found::default(), None);
        Self { auditor, pace, gate, meters, longest_pause: announce.lease, untold, told }
    }

    /// Audits until `stop`.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut pauses = Pauses::up_to(self.longest_pause);
        while stop.run_until_cancelled(tokio::time::sleep_until(self.pace.next())).await.is_some() {
            let began = Instant::now();
            if !self.gate.is_open() {
                self.pace.rest(began, REST);
                continue;
            }
            match stop.run_until_cancelled(AssertUnwindSafe(self.slice(began)).catch_unwind()).await {
                None => return,
                Some(Ok(Ok(()))) => pauses.reset(),
                Some(Ok(Err(error))) => {
                    debug!(error = chain(&error), "a slice could not be audited, it is tried again");
                    self.pace.rest(began, pauses.next_pause());
                }
                Some(Err(_)) => {
                    error!("the audit broke down, it goes on elsewhere");
                    self.auditor.start_anywhere();
                    self.pace.rest(began, pauses.next_pause());
                }
            }
        }
    }

    async fn slice(&mut self, began: Instant) -> Result<(), AuditError> {
        let page = self.auditor.page(self.pace.slice()).await?;
        let members = page.records.len();
        self.pace.spent(members, began);
        let doubts = self.auditor.doubts(page.records).await?;
        let drifts = self.auditor.confirm(doubts).await?;
        // From here on what goes wrong is left to the next round: a repair that is refused must not hold up the others.
        if self.auditor.go_on(page.next) {
            self.pace.round(began);
        }
        self.meters.cache_audited.increment(members as u64);
        self.count(&drifts);
        self.tell(began);
        self.auditor.repair(&drifts).await
    }

    fn count(&mut self, drifts: &[Drift]) {
        for drift in drifts {
            let Drift { place, kind, event_sequence, .. } = drift;
            debug!(site.id = %place.site, member.id = %place.member_id, event_sequence, ?kind, "out of step");
            let (word, untold) = match kind {
                Kind::Behind => ("behind", &mut self.untold.behind),
                Kind::Wrong => ("wrong", &mut self.untold.wrong),
                Kind::Ahead => ("ahead", &mut self.untold.ahead),
            };
            self.meters.cache_drift.of(word).increment(1);
            *untold += 1;
        }
    }

    fn tell(&mut self, now: Instant) {
        let Found { behind, wrong, ahead } = self.untold;
        let is_early = self.told.is_some_and(|told| now < told + TOLD_EVERY);
        if behind + wrong + ahead == 0 || is_early {
            return;
        }
        warn!(behind, wrong, ahead, "cache entries were out of step with their records and are set right");
        if ahead > 0 {
            warn!(ahead, "entries newer than their records stay: after a restored backup run `members advance`");
        }
        (self.untold, self.told) = (Found::default(), Some(now));
    }
}

impl Gate {
    /// Whether an audit is in nobody's way: both services are up, and changes do not pile up on their way to them.
    fn is_open(&self) -> bool {
        let up = |dependency| self.health.is_up(dependency);
        up(Dependency::Cache) && up(Dependency::Database) && self.hand_over.is_calm()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;
    use uuid::Uuid;

    use super::Gate;
    use crate::announce::forgetter::Forgotten;
    use crate::announce::handover::HandOver;
    use crate::domain::{Change, MemberId, Origin, SiteId};
    use crate::operations::{Dependency, Health, Meters};

    fn change() -> Change {
        Change {
            site: SiteId(Uuid::nil()),
            member_id: MemberId(Uuid::nil()),
            event_sequence: 1,
            member: None,
            event_due: true,
            cache_due: true,
            origin: Origin::External,
            caller: None,
            request_id: None,
            traceparent: None,
        }
    }

    #[test]
    fn the_audit_gives_way_to_outages_and_to_changes_that_pile_up() {
        let health = Health::default();
        let (hand_over, mut queues) =
            HandOver::new(4, Forgotten::new(4).0, health.clone(), Meters::register().unwrap());
        let gate = Gate { hand_over: hand_over.clone(), health: health.clone() };
        assert!(!gate.is_open(), "nothing is known to be up yet");
        health.up(Dependency::Cache);
        health.up(Dependency::Database);
        assert!(gate.is_open());
        for dependency in [Dependency::Cache, Dependency::Database] {
            health.down(dependency, "gone");
            assert!(!gate.is_open());
            health.up(dependency);
        }
        for waiting in 1..=3 {
            hand_over.push(change(), Instant::now());
            assert_eq!(gate.is_open(), waiting <= 2, "{waiting} of 4");
        }
        queues.cache.try_recv().unwrap();
        assert!(!gate.is_open(), "either side may pile up");
        queues.events.try_recv().unwrap();
        assert!(gate.is_open());
    }
}
