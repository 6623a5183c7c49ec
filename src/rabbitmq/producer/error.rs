//! What keeps a producer from sending, or from being answered. Separate, because its words are most of its length.

use std::time::Duration;

use super::super::connect::ConnectError;
use crate::domain::RequestId;

/// What keeps a producer from sending, or from being answered.
#[derive(Debug, thiserror::Error)]
pub enum ProducerError {
    /// There is no URL to connect with.
    #[error("broker.producer_url is empty: give the AMQP URL of a producer")]
    NoUrl,
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The broker refused, or the connection broke: whether the request has arrived is unknown.
    #[error("the broker did not take request {request}: send it again under the same id")]
    Broken {
        /// Its id.
        request: RequestId,
        /// What happened.
        #[source]
        source: lapin::Error,
    },
    /// The broker did not confirm in time: whether the request has arrived is unknown.
    #[error("the broker did not confirm request {request} within {limit:?}: send it again under the same id")]
    Unconfirmed {
        /// Its id.
        request: RequestId,
        /// How long it had.
        limit: Duration,
    },
    /// The exchange is missing, or no queue is bound to it.
    #[error("no queue takes what exchange {exchange} is sent: `join-community topology declare` makes one")]
    Unroutable {
        /// The exchange.
        exchange: String,
    },
    /// The broker took the request, and could not put it in the queue.
    #[error("the request queue refuses request {request}: it is full, or its nodes are down")]
    Refused {
        /// Its id.
        request: RequestId,
    },
    /// Replies cannot be taken.
    #[error("replies cannot be taken")]
    Deaf(#[source] lapin::Error),
    /// No reply came in time.
    #[error("no reply came within {limit:?}: the worker may be down, or the request on the retry ladder")]
    NoReply {
        /// How long was waited.
        limit: Duration,
    },
    /// What came is no reply.
    #[error("a reply has no header `status`")]
    NoStatus,
}
