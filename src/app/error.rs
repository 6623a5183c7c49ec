//! What can be wrong before anything runs. Separate, because it gathers the errors of all parts.

use crate::auth::AuthSetupError;
use crate::cache::CacheError;
use crate::operations;
use crate::postgres::StoreError;
use crate::rabbitmq::address::UrlError;
use crate::webhooks;

/// Why the worker cannot start: a fault that waiting does not mend. Services that are out are no such fault.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// `broker.url` cannot be used.
    #[error("broker.url cannot be used")]
    Broker(#[from] UrlError),
    /// `database.url` cannot be used.
    #[error("database.url cannot be used")]
    Database(#[from] StoreError),
    /// `cache.url` cannot be used.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// `[auth]` or the issuer of operators cannot be used.
    #[error(transparent)]
    Auth(#[from] AuthSetupError),
    /// `http.listen` cannot be bound.
    #[error("http.listen: {address} cannot be bound")]
    Listen {
        /// The address.
        address: String,
        /// What the operating system says.
        #[source]
        source: std::io::Error,
    },
    /// The metrics cannot be registered.
    #[error("the metrics cannot be registered")]
    Metrics(#[from] metrics_exporter_prometheus::BuildError),
    /// A part of the announcer ended by itself: better no worker than one that announces nothing.
    #[error("the announcing half broke down; what is owed stays in the outbox, and the next worker pays it")]
    AnnouncerBroken,
    /// `[otlp]` cannot be used.
    #[error(transparent)]
    Traces(#[from] operations::Unusable),
    /// `[webhooks]` cannot be used.
    #[error(transparent)]
    Webhooks(#[from] webhooks::SetupError),
    /// `auth.trust_broker_timestamps` is on, and the broker does not overwrite timestamps.
    #[error(
        "auth.trust_broker_timestamps is on, but the broker left a publisher's timestamp as it was: switch it off, or set \
         message_interceptors.incoming.set_header_timestamp.overwrite = true (RabbitMQ 3.12 or newer)"
    )]
    TimestampsForgeable,
}
