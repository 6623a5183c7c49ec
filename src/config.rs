//! The configuration: every key typed. `config/default.toml` holds every key with its reason; `load` reads the layers,
//! `rules` refuses what contradicts itself.

mod auth;
mod duration;
mod fairness;
mod findings;
mod http;
mod layers;
mod load;
mod rules;
mod secrets;
mod services;
mod shape;
#[cfg(test)]
mod tests;
mod webhooks;

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

pub use auth::{Auth, Producer};
pub use fairness::Fairness;
pub use findings::{Finding, Findings};
pub use http::{ConsoleRole, ConsoleToken, Http, MARK_OF_REQUEST, MARK_OF_TRACE, OidcRole, is_sheltered};
pub use load::load;
pub use secrets::{amqp_user, redact};
pub use services::{Broker, Cache, Database};
pub use webhooks::{WebhookTarget, Webhooks};

const MINUTE: Duration = Duration::from_mins(1);
/// Most of `broker.shards`.
pub const MOST_SHARDS: u16 = 64;
/// The words of `log.format`.
const FORMATS: [&str; 2] = ["human", "json"];

/// The whole configuration. Durations are written like `20s` or `30days`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// RabbitMQ.
    pub broker: Broker,
    /// PostgreSQL.
    pub database: Database,
    /// Redis.
    pub cache: Cache,
    /// Who may call, and how that is proven.
    pub auth: Auth,
    /// The join path.
    pub join: Join,
    /// Sites beside each other in one queue.
    pub fairness: Fairness,
    /// Settling deliveries.
    pub settle: Settle,
    /// Outages of PostgreSQL.
    pub outage: Outage,
    /// The announcing half.
    pub announce: Announce,
    /// The request records.
    pub requests: Requests,
    /// The dead-letter queue.
    pub dead_letters: DeadLetters,
    /// Who is told of changes by HTTP.
    pub webhooks: Webhooks,
    /// Stopping.
    pub shutdown: Shutdown,
    /// The operations server.
    pub http: Http,
    /// Traces and metrics for a collector.
    pub otlp: Otlp,
    /// Logging.
    pub log: Log,
    /// The files that secrets were read from: what `check` looks at the permissions of.
    #[serde(skip)]
    pub secret_files: Vec<PathBuf>,
}

/// `[join]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// Most lanes side by side.
    pub lanes: usize,
    /// Most requests in one batch.
    pub batch_max: usize,
    /// Most deliveries prefetched for each lane.
    pub prefetch: u16,
    /// Whether these three are chosen by what the database takes, within these bounds; else exactly these.
    pub steered: bool,
    /// How often an unknown member is waited for.
    pub unknown_member_retries: u32,
    /// How often a busy record is waited for.
    pub busy_retries: u32,
}

/// `[settle]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    /// A delivery whose copy is not confirmed within this goes back to the queue.
    #[serde(with = "duration")]
    pub timeout: Duration,
}

/// `[outage]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outage {
    /// Deliveries are held at most this long while PostgreSQL is out.
    #[serde(with = "duration")]
    pub hold: Duration,
    /// Longest pause between two attempts to reach a service.
    #[serde(with = "duration")]
    pub max_pause: Duration,
}

/// `[announce]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Announce {
    /// Changes that may wait in memory for each side.
    pub queue: usize,
    /// Most changes announced at once.
    pub batch_max: usize,
    /// How often the outbox is swept.
    #[serde(with = "duration")]
    pub sweep_interval: Duration,
    /// How long a claim on an outbox row lasts.
    #[serde(with = "duration")]
    pub lease: Duration,
}

/// `[requests]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Requests {
    /// How long a request's verdict is kept.
    #[serde(with = "duration")]
    pub retention: Duration,
}

/// `[dead_letters]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeadLetters {
    /// Above this many, malformed messages are dropped.
    pub max: u32,
}

/// `[shutdown]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shutdown {
    /// Everything in flight is finished within this.
    #[serde(with = "duration")]
    pub grace: Duration,
}

/// `[otlp]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Otlp {
    /// Base URL of a collector; empty = nothing is sent.
    pub endpoint: String,
    /// What it is told as header `authorization`; empty = nothing.
    pub authorization: SecretString,
    /// How often metrics are sent; 0 = never.
    #[serde(with = "duration")]
    pub metrics_interval: Duration,
    /// Limit of one export, and of the last one when the worker stops.
    #[serde(with = "duration")]
    pub timeout: Duration,
}

/// `[log]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// `human` or `json`.
    pub format: String,
    /// Filter in the syntax of `tracing-subscriber`.
    pub filter: String,
}

impl Log {
    /// Whether the log is for programs.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.format == FORMATS[1]
    }
}
