//! The metrics, as handles that are looked up once. Each worker has a registry of its own: no global recorder.

use std::sync::Arc;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram, with_local_recorder};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

use crate::domain::Verdict;

/// Every metric of the worker. Cheap to share.
#[derive(Clone)]
pub struct Meters(Arc<Handles>);

/// The handles.
pub struct Handles {
    verdicts: Vec<(Verdict, Counter)>,
    /// Requests without proof, answered with 401.
    pub refused: Counter,
    /// Malformed messages above `dead_letters.max`.
    pub dropped: Counter,
    /// Copies onto the retry ladder.
    pub retries: Counter,
    /// Dead letters.
    pub dead_letters: Counter,
    /// Deliveries that came back, and were tried alone.
    pub suspects: Counter,
    /// Deliveries given back to the queue.
    pub returned: Counter,
    /// Replies that found no room or were not allowed.
    pub replies_dropped: Counter,
    /// Requests in a batch.
    pub batch_size: Histogram,
    /// Seconds from load to commit of a batch.
    pub batch_seconds: Histogram,
    /// Events confirmed by the broker.
    pub events: Counter,
    /// Events larger than the broker takes: parked, tried again ever more seldom.
    pub events_too_large: Counter,
    /// Entries and tombstones that the cache took or had already.
    pub cache_writes: Counter,
    /// Members whose cache entry was held against their record.
    pub cache_audited: Counter,
    /// Entries found older than the record, with nothing owed that would make up for it.
    pub cache_behind: Counter,
    /// Entries found to say at their record's sequence what the record does not.
    pub cache_wrong: Counter,
    /// Entries found newer than the record: the database lost something. Counted each time that they are seen.
    pub cache_ahead: Counter,
    /// Changes that found no room in memory, or waited there too long.
    pub hints_dropped: Counter,
    /// Seconds between our clock and the one of `PostgreSQL`, as last seen.
    pub clock_apart: Gauge,
    /// Lanes that work.
    pub lanes: Gauge,
    /// Most requests in a batch, at present.
    pub batch_limit: Gauge,
    /// Deliveries prefetched for each lane.
    pub prefetch: Gauge,
    exporter: PrometheusHandle,
}

impl Meters {
    /// Registers the metrics.
    ///
    /// # Errors
    /// If the exporter refuses its own buckets.
    pub fn register() -> Result<Self, BuildError> {
        let recorder = PrometheusBuilder::new()
            .set_buckets(&[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0])?
            .set_buckets_for_metric(
                metrics_exporter_prometheus::Matcher::Full("join_community_batch_size".into()),
                &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0],
            )?
            .build_recorder();
        let exporter = recorder.handle();
        let handles = with_local_recorder(&recorder, || Handles {
            verdicts: Verdict::ALL.into_iter().map(|verdict| (verdict, verdict_counter(verdict))).collect(),
            refused: counter!("join_community_refused_total"),
            dropped: counter!("join_community_malformed_dropped_total"),
            retries: counter!("join_community_retries_total"),
            dead_letters: counter!("join_community_dead_letters_total"),
            suspects: counter!("join_community_suspects_total"),
            returned: counter!("join_community_returned_total"),
            replies_dropped: counter!("join_community_replies_dropped_total"),
            batch_size: histogram!("join_community_batch_size"),
            batch_seconds: histogram!("join_community_batch_seconds"),
            events: counter!("join_community_events_total"),
            events_too_large: counter!("join_community_events_too_large_total"),
            cache_writes: counter!("join_community_cache_writes_total"),
            cache_audited: counter!("join_community_profile_cache_audited_total"),
            cache_behind: counter!("join_community_profile_cache_drift_total", "kind" => "behind"),
            cache_wrong: counter!("join_community_profile_cache_drift_total", "kind" => "wrong"),
            cache_ahead: counter!("join_community_profile_cache_drift_total", "kind" => "ahead"),
            hints_dropped: counter!("join_community_hints_dropped_total"),
            clock_apart: gauge!("join_community_clock_apart_seconds"),
            lanes: gauge!("join_community_lanes"),
            batch_limit: gauge!("join_community_batch_limit"),
            prefetch: gauge!("join_community_prefetch"),
            exporter,
        });
        Ok(Self(Arc::new(handles)))
    }

    /// Counts a verdict that was answered.
    pub fn verdict(&self, verdict: Verdict) {
        if let Some((_, counter)) = self.verdicts.iter().find(|(known, _)| *known == verdict) {
            counter.increment(1);
        }
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

impl std::ops::Deref for Meters {
    type Target = Handles;

    fn deref(&self) -> &Handles {
        &self.0
    }
}

fn verdict_counter(verdict: Verdict) -> Counter {
    counter!("join_community_requests_total", "verdict" => verdict.as_str(), "code" => verdict.code().unwrap_or(""))
}
