//! The metrics, as handles that are looked up once. Each worker has a registry of its own: no global recorder.
//!
//! `docs/metrics.md` tells operators what each is for; a test holds that table against what is registered here.

mod family;
mod handles;
mod laps;
mod oldest;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use metrics::{Gauge, Histogram, with_local_recorder};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};

pub use self::family::WebhookSeries;
use self::handles::Handles;
pub use self::laps::{Lap, Laps, Step};
pub use self::oldest::Oldest;
use crate::domain::{Verdict, Wait};

/// Within a process, and one step of it.
const MOMENTS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
/// What may also wait in a queue, for an outage, on the retry ladder.
const WAITS: &[f64] =
    &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0];
const SIZES: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1000.0];

/// Every metric of the worker. Cheap to share.
#[derive(Clone)]
pub struct Meters(Arc<Handles>);

impl Meters {
    /// Registers the metrics of a worker that sends no webhooks.
    ///
    /// # Errors
    /// If the exporter refuses its own buckets.
    pub fn register() -> Result<Self, BuildError> {
        Self::with_targets([])
    }

    /// Registers the metrics of a worker that sends webhooks to these targets.
    ///
    /// # Errors
    /// If the exporter refuses its own buckets.
    pub fn with_targets<'a>(targets: impl IntoIterator<Item = &'a str>) -> Result<Self, BuildError> {
        let whole = |name: &str| Matcher::Full(name.to_owned());
        let recorder = PrometheusBuilder::new()
            .set_buckets(MOMENTS)?
            .set_buckets_for_metric(whole("join_community_batch_requests"), SIZES)?
            .set_buckets_for_metric(whole("join_community_queue_wait_seconds"), WAITS)?
            .set_buckets_for_metric(whole("join_community_join_to_event_seconds"), WAITS)?
            .build_recorder();
        let exporter = recorder.handle();
        Ok(Self(Arc::new(with_local_recorder(&recorder, || Handles::register(exporter, targets)))))
    }

    /// Counts the verdicts of a batch that were answered.
    pub fn verdicts(&self, verdicts: impl IntoIterator<Item = Verdict>) {
        let mut counts = [0; Verdict::ALL.len()];
        for verdict in verdicts {
            if let Some(place) = Verdict::ALL.iter().position(|known| *known == verdict) {
                counts[place] += 1;
            }
        }
        for (counter, count) in self.requests.iter().zip(counts).filter(|(_, count)| *count > 0) {
            counter.increment(count);
        }
    }

    /// Counts a copy onto a rung of the retry ladder.
    pub fn retried(&self, wait: Wait, rung: &str) {
        for (_, rungs) in self.retries.iter().filter(|(known, _)| *known == wait) {
            rungs.of(rung).increment(1);
        }
    }

    /// Whether a rung of the retry ladder has series of its own.
    #[must_use]
    pub fn knows_rung(&self, rung: &str) -> bool {
        self.retries.iter().all(|(_, rungs)| rungs.knows(rung))
    }

    /// Records how long the steps of a batch took.
    pub fn laps(&self, laps: &Laps) {
        self.batch_seconds.record(laps.total().as_secs_f64());
        for lap in laps.iter() {
            self.step(lap.step).record(lap.took().as_secs_f64());
        }
    }

    /// Counts a lane as serving for as long as the guard lives.
    #[must_use]
    pub fn serving(&self) -> Serving {
        self.lanes.increment(1.0);
        Serving(self.lanes.clone())
    }

    /// The series of a target of webhooks.
    #[must_use]
    pub fn webhook(&self, target: &str) -> WebhookSeries {
        let known = self.webhooks.iter().find(|(name, _)| **name == *target);
        known.map_or_else(WebhookSeries::nowhere, |(_, series)| series.clone())
    }

    /// The durations of one step.
    pub fn step(&self, step: Step) -> &Histogram {
        &self.steps[step as usize]
    }

    /// The metrics as Prometheus text.
    #[must_use]
    pub fn render(&self) -> String {
        self.exporter.render()
    }

    /// Moves histogram samples on; without it they would pile up between two scrapes.
    pub fn upkeep(&self) {
        self.exporter.run_upkeep();
    }
}

/// A lane that serves.
#[derive(Debug)]
pub struct Serving(Gauge);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

impl std::ops::Deref for Meters {
    type Target = Handles;

    fn deref(&self) -> &Handles {
        &self.0
    }
}
