//! Each metric: its handle, its name, and what it says. Apart from what is done with them, because it is a list.

use metrics::{Counter, Gauge, Histogram};
use metrics_exporter_prometheus::PrometheusHandle;

use super::family::{
    self, ByWord, WebhookSeries, build_info, counter, counters, gauge, gauges, histogram, histograms, requests,
};
use super::laps::Step;
use super::oldest::Oldest;
use crate::domain::{Control, Wait, refusal};
use crate::operations::Dependency;

/// The rungs of the retry ladder, as labels.
const RUNGS: &[&str] = &["1s", "5s", "30s", "2m", "10m"];
/// Why a delivery becomes a dead letter; the last is what the broker makes of a delivery whose copy cannot be sent.
const DEAD: &[&str] = &["malformed", "conflict", "busy", "permanent", "crash_loop", "rejected"];
/// What is confirmed.
const CONFIRMED: &[&str] = &["event", "copy"];
/// Connections that are counted.
const CONNECTIONS: &[&str] = &["broker_consuming", "broker_publishing", "broker_webhooks", "database", "cache"];
/// The queues whose depth is watched.
const QUEUES: &[&str] = &[
    "requests",
    "dead_letters",
    "discarded",
    "retry_1s",
    "retry_5s",
    "retry_30s",
    "retry_2m",
    "retry_10m",
    "webhooks",
    "webhook_dead_letters",
];

/// The handles. What each says stands beside its name, where it is registered.
pub struct Handles {
    pub(super) requests: Vec<Counter>,
    /// Requests answered with a verdict that stood recorded already.
    pub repeated: Counter,
    /// Requests without proof, by what they lack.
    pub refused: ByWord<Counter>,
    /// Malformed messages above `dead_letters.max`.
    pub dropped: Counter,
    /// Requests of a held site, sent to wait.
    pub held: Counter,
    /// Requests taken ahead of older ones of other sites.
    pub ahead: Counter,
    /// Whether this worker looks ahead.
    pub looks_ahead: Gauge,
    pub(super) retries: Vec<(Wait, ByWord<Counter>)>,
    /// Dead letters, by reason.
    pub dead_letters: ByWord<Counter>,
    /// Deliveries that came back, and were tried alone.
    pub suspects: Counter,
    /// Deliveries given back to the queue.
    pub returned: Counter,
    /// Replies that found no room or were not allowed.
    pub replies_dropped: Counter,
    /// Deliveries taken and not settled.
    pub in_flight: Gauge,
    /// Lanes that consume.
    pub lanes: Gauge,
    /// Lanes that shall consume, as chosen within `join.lanes`.
    pub lanes_wanted: Gauge,
    /// Most requests in a batch, as chosen within `join.batch_max`.
    pub batch_limit: Gauge,
    /// Deliveries prefetched for each lane, as chosen within `join.prefetch`.
    pub prefetch: Gauge,
    /// From the beginning of a lane's batch to that of its next, at least.
    pub pace: Gauge,
    /// Shards that the broker gives this worker.
    pub shards_held: Gauge,
    /// Requests in a batch.
    pub batch_requests: Histogram,
    /// From load to the last answer of a batch.
    pub batch_seconds: Histogram,
    /// Batches that failed as a whole, and were tried again or taken apart.
    pub batch_failures: Counter,
    pub(super) steps: Vec<Histogram>,
    /// From acceptance by the broker to the verdict.
    pub queue_wait: Histogram,
    /// What is known of the oldest request.
    pub oldest: Oldest,
    /// From the change of a member to its event's confirm.
    pub join_to_event: Histogram,
    /// From sending to confirm.
    pub confirm: ByWord<Histogram>,
    /// Events confirmed by the broker.
    pub events: Counter,
    /// Events sent and not proven to have arrived.
    pub events_unproven: Counter,
    /// Events larger than the broker takes.
    pub events_too_large: Counter,
    /// Rows of the outbox.
    pub outbox_rows: Gauge,
    /// Age of the oldest.
    pub outbox_oldest: Gauge,
    /// Entries and tombstones that the cache took or had already.
    pub cache_writes: Counter,
    /// Entries and tombstones that it did not take.
    pub cache_misses: Counter,
    /// One pipeline of writes.
    pub cache_write_seconds: Histogram,
    /// Members whose entry was held against their record.
    pub cache_audited: Counter,
    /// Entries out of step with their record.
    pub cache_drift: ByWord<Counter>,
    /// Changes that found no room in memory, or waited there too long.
    pub hints_dropped: Counter,
    /// Seconds between our clock and the one of `PostgreSQL`.
    pub clock_apart: Gauge,
    /// Connections opened.
    pub connections: ByWord<Counter>,
    /// Messages ready in a queue.
    pub queue_messages: ByWord<Gauge>,
    /// Reads of the keys that tokens are checked with.
    pub key_reads: ByWord<Counter>,
    /// Spans that a collector took, or did not.
    pub spans: ByWord<Counter>,
    /// Logins to the console.
    pub operator_logins: ByWord<Counter>,
    pub(super) webhooks: Vec<(Box<str>, WebhookSeries)>,
    pub(in crate::operations) control_set: ByWord<Gauge>,
    pub(in crate::operations) dependency_up: ByWord<Gauge>,
    pub(in crate::operations) dependency_outages: ByWord<Counter>,
    pub(in crate::operations) dependency_held: ByWord<Gauge>,
    pub(in crate::operations) ready: Gauge,
    pub(super) exporter: PrometheusHandle,
}

impl Handles {
    #[expect(clippy::too_many_lines, reason = "one line a metric: the one place to see them all")]
    pub(super) fn register<'a>(exporter: PrometheusHandle, targets: impl IntoIterator<Item = &'a str>) -> Self {
        build_info("join_community_build_info", "Always 1; the labels say which version runs, and of which commit.");
        let dependencies = Dependency::ALL.map(Dependency::as_str);
        Self {
            requests: requests("join_community_requests_total", "Requests answered with a verdict."),
            repeated: counter(
                "join_community_requests_repeated_total",
                "Of these, answered with a verdict that stood recorded.",
            ),
            refused: counters(
                "join_community_refused_total",
                "Requests that prove nothing, answered with 401.",
                "reason",
                &refusal::ALL,
            ),
            dropped: counter(
                "join_community_malformed_dropped_total",
                "Malformed messages dropped, dead letters being full.",
            ),
            held: counter("join_community_held_total", "Requests of a held site that went to wait on the ladder."),
            ahead: counter("join_community_ahead_total", "Requests taken ahead of older ones of other sites."),
            looks_ahead: gauge(
                "join_community_looks_ahead",
                "Whether this worker looks at new requests ahead of older ones.",
            ),
            retries: [Wait::UnknownMember, Wait::Busy, Wait::Keys]
                .into_iter()
                .map(|wait| (wait, family::retries("join_community_retries_total", wait, RUNGS)))
                .collect(),
            dead_letters: counters("join_community_dead_letters_total", "Dead letters.", "reason", DEAD),
            suspects: counter("join_community_suspects_total", "Deliveries that came back and were tried alone."),
            returned: counter(
                "join_community_returned_total",
                "Deliveries given back, their copy not being confirmed.",
            ),
            replies_dropped: counter("join_community_replies_dropped_total", "Replies without room or permission."),
            in_flight: gauge("join_community_in_flight_requests", "Deliveries taken and not settled."),
            lanes: gauge("join_community_lanes", "Lanes that consume."),
            lanes_wanted: gauge("join_community_lanes_wanted", "Lanes that shall consume, within join.lanes."),
            batch_limit: gauge(
                "join_community_batch_limit_requests",
                "Most requests in a batch, within join.batch_max.",
            ),
            prefetch: gauge(
                "join_community_prefetch_requests",
                "Deliveries in advance for a lane, within join.prefetch.",
            ),
            pace: gauge(
                "join_community_pace_seconds",
                "From one batch of a lane to its next, at least; 0 but where one lane gathers.",
            ),
            shards_held: gauge("join_community_shards_held", "Shards of the requests that this worker serves."),
            batch_requests: histogram("join_community_batch_requests", "Requests in a batch."),
            batch_seconds: histogram("join_community_batch_seconds", "From load to the last answer of a batch."),
            batch_failures: counter("join_community_batch_failures_total", "Batches that the database failed."),
            steps: histograms("join_community_step_seconds", "One step of a batch.", "step", Step::WORDS).into_inner(),
            queue_wait: histogram(
                "join_community_queue_wait_seconds",
                "From acceptance by the broker to the verdict; only with auth.trust_broker_timestamps.",
            ),
            oldest: Oldest::default(),
            join_to_event: histogram(
                "join_community_join_to_event_seconds",
                "From a join or leave to its event's confirm.",
            ),
            confirm: histograms("join_community_confirm_seconds", "From sending to confirm.", "of", CONFIRMED),
            events: counter("join_community_events_total", "Events confirmed by the broker."),
            events_unproven: counter("join_community_events_unproven_total", "Events not confirmed; they stay owed."),
            events_too_large: counter("join_community_events_too_large_total", "Events too large; they stay owed."),
            outbox_rows: gauge("join_community_outbox_rows", "Members owed to the world, in the whole installation."),
            outbox_oldest: gauge("join_community_outbox_oldest_seconds", "For how long the oldest has been owed."),
            cache_writes: counter("join_community_cache_writes_total", "Entries and tombstones that the cache has."),
            cache_misses: counter("join_community_cache_misses_total", "Those that it did not take; they stay owed."),
            cache_write_seconds: histogram("join_community_cache_write_seconds", "One pipeline of cache writes."),
            cache_audited: counter("join_community_profile_cache_audited_total", "Entries held against records."),
            cache_drift: counters(
                "join_community_profile_cache_drift_total",
                "Entries out of step with their record.",
                "kind",
                &["behind", "wrong", "ahead"],
            ),
            hints_dropped: counter("join_community_hints_dropped_total", "Changes left to the sweep for lack of room."),
            clock_apart: gauge("join_community_clock_apart_seconds", "Between our clock and PostgreSQL's."),
            connections: counters(
                "join_community_connections_opened_total",
                "Connections opened; all but the first few are reconnects.",
                "connection",
                CONNECTIONS,
            ),
            queue_messages: gauges(
                "join_community_queue_messages",
                "Messages ready in a queue, in the whole installation.",
                "queue",
                QUEUES,
            ),
            key_reads: counters(
                "join_community_key_reads_total",
                "Reads of auth.jwks.",
                "outcome",
                &["read", "failed"],
            ),
            spans: counters(
                "join_community_spans_total",
                "Spans by what became of them.",
                "outcome",
                &["sent", "lost"],
            ),
            operator_logins: counters(
                "join_community_operator_logins_total",
                "Logins to the console.",
                "outcome",
                &["granted", "refused", "limited"],
            ),
            webhooks: family::webhooks(targets),
            control_set: gauges(
                "join_community_control_set",
                "What operators have set by hand, by kind; of holds, how many sites.",
                "control",
                &Control::KINDS,
            ),
            dependency_up: gauges(
                "join_community_dependency_up",
                "Whether a dependency serves.",
                "dependency",
                &dependencies,
            ),
            dependency_outages: counters(
                "join_community_dependency_outages_total",
                "How often it ceased to serve.",
                "dependency",
                &dependencies,
            ),
            dependency_held: gauges(
                "join_community_dependency_held",
                "Whether an operator has it left alone, as in an outage.",
                "dependency",
                &dependencies,
            ),
            ready: gauge("join_community_ready", "Whether the worker takes requests: as /readyz says."),
            exporter,
        }
    }
}
