//! Sections `[broker]`, `[database]` and `[cache]`: where the services are, and how long they are waited for. Separate,
//! because it is all that whoever talks to one of them has to know.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

/// `[broker]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Broker {
    /// AMQP URL with the worker's own user.
    pub url: SecretString,
    /// AMQP URL of a producer; used by `enqueue` and `demo`.
    pub producer_url: SecretString,
    /// AMQP URL of an operator; used by `dead-letters`.
    pub operator_url: SecretString,
    /// Management API, `http://user:password@host:15672`; empty = not available.
    pub management_url: SecretString,
    /// PEM file with the authorities that the broker's certificate must come from; empty = those of the system.
    pub ca_file: PathBuf,
    /// PEM file with the certificate that our connections show; empty = none.
    pub client_cert_file: PathBuf,
    /// PEM file with its key.
    pub client_key_file: PathBuf,
    /// Stands in front of every exchange and queue name.
    pub prefix: String,
    /// Request queues side by side; 1 = the one queue, and no exchange that spreads.
    pub shards: u16,
    /// Whether `run` declares the topology.
    pub declare: bool,
    /// Glob patterns of queues that replies may go to beside direct reply-to.
    pub reply_queues: Vec<String>,
    /// Heartbeat of both connections.
    #[serde(with = "super::duration")]
    pub heartbeat: Duration,
    /// Limit of a connection attempt and of each call to the broker.
    #[serde(with = "super::duration")]
    pub timeout: Duration,
    /// Limit until an event or copy is confirmed.
    #[serde(with = "super::duration")]
    pub confirm_timeout: Duration,
}

/// `[database]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// PostgreSQL URL.
    pub url: SecretString,
    /// Limit of a connection attempt.
    #[serde(with = "super::duration")]
    pub connect_timeout: Duration,
    /// The server ends a statement after this.
    #[serde(with = "super::duration")]
    pub statement_timeout: Duration,
    /// The server gives up waiting for a lock after this.
    #[serde(with = "super::duration")]
    pub lock_timeout: Duration,
}

/// `[cache]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// Redis URL: `redis://` or `rediss://`; several, separated by commas, name a cluster.
    pub url: SecretString,
    /// PEM file with the authorities that the servers' certificates must come from; empty = those of the system.
    pub ca_file: PathBuf,
    /// Stands in front of every key.
    pub prefix: String,
    /// How long an entry lives, give or take a tenth.
    #[serde(with = "super::duration")]
    pub ttl: Duration,
    /// Limit of one pipeline, connecting included.
    #[serde(with = "super::duration")]
    pub timeout: Duration,
    /// Most members a second whose entry is held against their record; 0 = none.
    pub audit_rate: u32,
}
