//! What others set in PostgreSQL, looked at again and again: live controls, and whether there are several sites.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::domain::Control;
use crate::operations::{Controls, Dependency, Health, Meters};
use crate::postgres::{Session, StoreError};
use crate::telemetry::chain;

/// What is set by hand takes effect within this.
const EVERY: Duration = Duration::from_secs(1);
/// A new site shares its queue from its first request on, or so many looks later.
const SITES_EVERY: u64 = 10;

/// What is looked at, and who is told.
pub(super) struct Watch {
    pub(super) store: Session,
    pub(super) several_sites: Arc<AtomicBool>,
    pub(super) controls: Controls,
    pub(super) health: Health,
    pub(super) meters: Meters,
}

impl Watch {
    /// Looks until `stop`. Where nothing can be read, everything is as it was.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut looks, mut is_blind) = (0_u64, false);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let look = self.look(looks.is_multiple_of(SITES_EVERY));
            let looked = stop.run_until_cancelled(look).await;
            match looked {
                None => return,
                Some(Ok(())) => is_blind = false,
                Some(Err(error)) => self.missed(&error, std::mem::replace(&mut is_blind, true)),
            }
            // Whoever is blind looks for sites as well once it sees again.
            looks = if is_blind { 0 } else { looks + 1 };
        }
    }

    async fn look(&mut self, at_sites: bool) -> Result<(), StoreError> {
        self.controls.read(self.store.controls().await?);
        self.controls.show(&self.meters);
        for (control, dependency) in [
            (Control::PauseDatabase, Dependency::Database),
            (Control::PauseEvents, Dependency::Publishing),
            (Control::PauseCache, Dependency::Cache),
        ] {
            self.health.hold(dependency, self.controls.why(control));
        }
        if self.controls.pauses_database() {
            // Nobody else asks it now, and whoever waits for it to be moved or mended wants to know.
            self.health.up(Dependency::Database);
        } else if at_sites {
            self.several_sites.store(self.store.has_several_sites().await?, Ordering::Relaxed);
        }
        Ok(())
    }

    fn missed(&self, error: &StoreError, again: bool) {
        let error = chain(error);
        self.controls.show(&self.meters);
        if self.controls.pauses_database() {
            self.health.down(Dependency::Database, error.clone());
        }
        if again {
            debug!(error, "what operators have set cannot be read");
        } else {
            warn!(error, "what operators have set cannot be read; it stays as it was");
        }
    }
}
