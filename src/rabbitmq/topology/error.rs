//! What keeps a topology from being declared or looked at. Separate, because whoever reads the declaring need not read this.

use std::time::Duration;

use super::plan::CONSISTENT_HASH;

/// Limit of each call; a broker that blocks publishers answers none at all.
pub(super) const LIMIT: Duration = Duration::from_secs(10);

/// Why the topology could not be declared, or looked at.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    /// It exists, and is another.
    #[error(
        "{object} exists with another {argument}, and what exists cannot be changed: delete it once it is empty, \
         or declare under another broker.prefix"
    )]
    Mismatch {
        /// Which exchange or queue.
        object: String,
        /// Which argument differs, as the broker names it.
        argument: String,
        /// What was expected and found, in the broker's words.
        #[source]
        source: lapin::protocol::AMQPError,
    },
    /// The user lacks a right.
    #[error("{object} may not be declared by this broker user: grant the right to configure it, or declare as another")]
    Refused {
        /// Which exchange or queue.
        object: String,
        /// The broker's words.
        #[source]
        source: lapin::protocol::AMQPError,
    },
    /// The broker does not know the type of the exchange that spreads requests.
    #[error(
        "{object} cannot be declared, because this broker has no exchanges of type {CONSISTENT_HASH}: \
         `rabbitmq-plugins enable rabbitmq_consistent_hash_exchange` on each of its nodes, or set broker.shards = 1"
    )]
    NoPlugin {
        /// Which exchange.
        object: String,
        /// The broker's words.
        #[source]
        source: lapin::Error,
    },
    /// The broker did not answer.
    #[error(
        "{object}: the broker does not answer within {LIMIT:?}; does it block publishers for lack of memory or disk?"
    )]
    Silent {
        /// Which exchange or queue.
        object: String,
    },
    /// The connection failed, or the broker refused for another reason.
    #[error("{object} could not be declared")]
    Failed {
        /// Which exchange or queue.
        object: String,
        /// What happened.
        #[source]
        source: lapin::Error,
    },
}
