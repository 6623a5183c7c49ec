//! What an overview says. Apart from how its numbers are had, because it is what readers of the API are promised.

use serde::Serialize;
use utoipa::ToSchema;

use crate::console::controls::SetControl;

/// What the worker is doing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::console) struct Overview {
    /// When this was so; empty in the first moments.
    pub(in crate::console) at: String,
    /// Which version runs.
    pub(in crate::console) version: &'static str,
    /// Whether it takes requests.
    pub(in crate::console) ready: bool,
    /// Whether it was told to stop.
    pub(in crate::console) draining: bool,
    /// What it depends on.
    pub(in crate::console) dependencies: Vec<Light>,
    /// Of this worker, a second, over some seconds.
    pub(in crate::console) rates: Rates,
    /// About how many requests arrive, a second, over the last minute: those that this worker was done with, and by how many
    /// more wait or are in its hand. What other workers are done with meanwhile is not in it; absent in the first minute.
    pub(in crate::console) arriving: Option<f64>,
    /// Of the whole installation.
    pub(in crate::console) queues: Vec<Depth>,
    /// The longest that a request had waited which this worker decided lately; only with `auth.trust_broker_timestamps`.
    pub(in crate::console) oldest_request_seconds: Option<f64>,
    /// Since when some request may have waited: neither queue nor ladder held one then, and this worker had none in hand.
    pub(in crate::console) oldest_request_at_most_seconds: Option<f64>,
    /// When the queue will be empty, if it goes on as in the last minute; absent if it does not shrink.
    pub(in crate::console) drain_seconds: Option<f64>,
    /// Of the whole installation.
    pub(in crate::console) outbox: Outbox,
    /// Of this worker, of the last minute.
    pub(in crate::console) latencies: Latencies,
    /// What this worker made dead letters of since it started, by reason; those that there are lie in `queues`.
    pub(in crate::console) dead_letters: Vec<Dead>,
    /// What this worker refused since it started, as requests that prove nothing, by reason.
    pub(in crate::console) refusals: Vec<Refusal>,
    /// What this worker found in the cache out of step since it started, nothing being owed.
    pub(in crate::console) cache_drift: Drift,
    /// The targets of webhooks; none where webhooks are off.
    pub(in crate::console) webhooks: Vec<Target>,
    /// The issuer that names operators, if one is configured.
    pub(in crate::console) issuer: Option<Light>,
    /// Of this worker.
    pub(in crate::console) lanes: Lanes,
    /// What operators have set by hand, as this worker last read it.
    pub(in crate::console) controls: Vec<SetControl>,
    /// The last ten minutes, oldest first.
    pub(in crate::console) history: Vec<Moment>,
}

/// Whether a dependency serves.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::console) struct Light {
    /// Which.
    pub(in crate::console) name: String,
    /// Whether it serves.
    pub(in crate::console) up: bool,
    /// Why not.
    pub(in crate::console) reason: Option<String>,
    /// Since when.
    pub(in crate::console) since: String,
}

/// What is done in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::console) struct Rates {
    /// Requests answered with a verdict.
    pub(in crate::console) requests: f64,
    /// Of these, joined.
    pub(in crate::console) joined: f64,
    /// Of these, left.
    pub(in crate::console) left: f64,
    /// Of these, rejected.
    pub(in crate::console) rejected: f64,
    /// Requests without proof.
    pub(in crate::console) refused: f64,
    /// Copies onto the retry ladder.
    pub(in crate::console) retried: f64,
    /// New dead letters.
    pub(in crate::console) dead: f64,
    /// Events confirmed.
    pub(in crate::console) events: f64,
}

/// What lies in a queue.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::console) struct Depth {
    /// `requests`, `retry_…`, `dead_letters` or `discarded`; where webhooks are on also `webhooks` or
    /// `webhook_dead_letters`.
    pub(in crate::console) queue: String,
    /// Messages that wait.
    pub(in crate::console) ready: f64,
    /// Messages taken and not settled; only with `broker.management_url`, and only of `requests`.
    pub(in crate::console) unacknowledged: Option<u64>,
}

/// What is owed to the world.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::console) struct Outbox {
    /// Members with a debt.
    pub(in crate::console) members: f64,
    /// For how long the oldest has been owed.
    pub(in crate::console) oldest_seconds: f64,
}

/// How long things took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::console) struct Latencies {
    /// From a request's acceptance by the broker to its verdict; only with `auth.trust_broker_timestamps`.
    pub(in crate::console) queue_wait: Option<Spread>,
    /// From a join or a leave to the confirm of its event.
    pub(in crate::console) join_to_event: Option<Spread>,
    /// From the sending of a batch of events to its confirm.
    pub(in crate::console) event_confirm: Option<Spread>,
    /// From the sending of a copy, for the retry ladder or the dead letters, to its confirm.
    pub(in crate::console) copy_confirm: Option<Spread>,
}

/// About how long something took, as far as the buckets of a histogram tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the API names units")]
pub(in crate::console) struct Spread {
    /// Half of it took no longer.
    pub(in crate::console) p50_seconds: f64,
    /// All but a twentieth took no longer.
    pub(in crate::console) p95_seconds: f64,
    /// All but a hundredth took no longer.
    pub(in crate::console) p99_seconds: f64,
}

/// Dead letters of one reason.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::console) struct Dead {
    /// Which.
    pub(in crate::console) reason: String,
    /// How many.
    pub(in crate::console) count: f64,
}

/// Requests that were refused for one reason.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::console) struct Refusal {
    /// What they lack, as the reply says it.
    pub(in crate::console) reason: String,
    /// How many.
    pub(in crate::console) count: f64,
}

/// Entries of the cache that are out of step with their record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::console) struct Drift {
    /// Older than the record.
    pub(in crate::console) behind: f64,
    /// Of the record's sequence, and saying something else.
    pub(in crate::console) wrong: f64,
    /// Newer than the record.
    pub(in crate::console) ahead: f64,
}

/// A target of webhooks.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::console) struct Target {
    /// Which.
    #[expect(clippy::struct_field_names, reason = "as metrics call it")]
    pub(in crate::console) target: String,
    /// Whether it takes them: false if this worker tried in the last minute, and always in vain.
    pub(in crate::console) takes: bool,
    /// Webhooks that wait for it, in the whole installation.
    pub(in crate::console) waiting: f64,
    /// Webhooks delivered by this worker, a second.
    pub(in crate::console) delivered: f64,
    /// Tries of this worker in vain, a second.
    pub(in crate::console) failed: f64,
    /// Webhooks that this worker gave up since it started.
    pub(in crate::console) dead: f64,
}

/// How much is done at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::console) struct Lanes {
    /// Lanes that consume.
    pub(in crate::console) serving: f64,
    /// Lanes that shall.
    pub(in crate::console) wanted: f64,
    /// Most requests in a batch.
    pub(in crate::console) batch_limit: f64,
    /// Deliveries in advance for each.
    pub(in crate::console) prefetch: f64,
    /// From one batch of a lane to its next, at least; 0 but where one lane gathers.
    pub(in crate::console) pace_seconds: f64,
    /// Deliveries taken and not settled.
    pub(in crate::console) in_flight: f64,
}

/// One moment of the last minutes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::console) struct Moment {
    /// Requests answered, a second.
    pub(in crate::console) requests: f64,
    /// Requests that wait, the retry ladder included.
    pub(in crate::console) waiting: f64,
    /// Members owed to the world.
    pub(in crate::console) owed: f64,
}
