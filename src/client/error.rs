//! What keeps a request from being answered, sorted by what its sender does about it.
//!
//! Every error of the client tells all that is known in one line, its cause included. So it names no `source`, which would
//! be printed again by whoever prints causes; what a program decides by lies open in the variants.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use super::join::Refusal;
use crate::domain::RequestId;
use crate::rabbitmq::connect::ConnectError;

/// Why there is no connection to the broker, or not any more.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// None could be made.
    #[error("{}", told(.0))]
    Connect(ConnectError),
    /// The broker refused something, or the connection broke.
    #[error("the broker refused, or the connection broke: {0}")]
    Broker(lapin::Error),
    /// The broker did not answer in time.
    #[error("the broker did not answer within {0:?}")]
    Silent(Duration),
    /// The broker sends nothing any more: the queue is gone, or the channel.
    #[error("the broker sends no more {0}")]
    Ended(&'static str),
    /// A name is longer than AMQP can carry.
    #[error("the name `{0}` has more than 255 bytes")]
    Name(String),
    /// The client was closed.
    #[error("the client was closed")]
    Closed,
}

impl Lost {
    /// The number that the broker said no with, if it did.
    pub(super) fn code(&self) -> Option<u16> {
        let Self::Broker(error) = self else { return None };
        let lapin::ErrorKind::ProtocolError(error) = error.kind() else { return None };
        Some(error.get_id())
    }
}

/// An error and its causes in one line, without those that it spells out itself.
pub(super) fn told(error: &dyn Error) -> String {
    let mut told = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !told.contains(&words) {
            told = format!("{told}: {words}");
        }
        next = cause.source();
    }
    told
}

/// Why there is no connection, as the end of a sentence; nothing, if there is one.
fn because(lost: Option<&Lost>) -> String {
    lost.map(|lost| format!(": {lost}")).unwrap_or_default()
}

/// Why a request is not in the queue, as far as can be known. To send it later, send the same: should it be there after
/// all, it counts once.
#[derive(Debug, thiserror::Error)]
pub enum Unsent {
    /// A part of it is too long to be sent. Correct it.
    #[error("{part} of request {request} has more than {limit} bytes")]
    TooLong {
        /// The request.
        request: RequestId,
        /// Which part.
        part: &'static str,
        /// How long it may be.
        limit: usize,
    },
    /// The exchange is missing, or no queue is bound to it: `join-community topology declare` makes both.
    #[error("no queue takes request {request}: the exchange is missing, or nothing is bound to it")]
    Unroutable {
        /// The request.
        request: RequestId,
    },
    /// The broker user may not write to the exchange: the operator has to give it that right.
    #[error("the broker user may not send request {request}: it needs the right to write to the exchange")]
    Forbidden {
        /// The request.
        request: RequestId,
    },
    /// The queue refuses it.
    #[error("the queue refuses request {request}: it is full, or its nodes are down")]
    NotTaken {
        /// The request.
        request: RequestId,
    },
    /// It waited for a connection, or for the requests before it, all the time that it had.
    #[error("request {request} could not be sent within {limit:?}{}", because(.why.as_deref()))]
    Unavailable {
        /// The request.
        request: RequestId,
        /// How long it had.
        limit: Duration,
        /// Why there is no connection, if there is none.
        why: Option<Arc<Lost>>,
    },
    /// The client was closed before.
    #[error("the client was closed before request {request} was sent")]
    Closed {
        /// The request.
        request: RequestId,
    },
}

impl Unsent {
    fn ask_again(&self) -> bool {
        match self {
            Self::TooLong { .. } | Self::Forbidden { .. } | Self::Closed { .. } => false,
            Self::Unroutable { .. } | Self::NotTaken { .. } | Self::Unavailable { .. } => true,
        }
    }
}

/// Why a request is not known to be in the queue.
#[derive(Debug, thiserror::Error)]
pub enum EnqueueError {
    /// It is not.
    #[error(transparent)]
    NotSent(#[from] Unsent),
    /// No confirm came in time: it is there, or it is not. Send the same again.
    #[error("the broker did not confirm request {request} within {limit:?}: send it again under the same id")]
    TimedOut {
        /// The request.
        request: RequestId,
        /// How long was waited.
        limit: Duration,
    },
    /// The connection was lost meanwhile: it is there, or it is not. Send the same again.
    #[error("the connection was lost before request {request} was confirmed, send it again under the same id: {why}")]
    Disconnected {
        /// The request.
        request: RequestId,
        /// What happened.
        why: Arc<Lost>,
    },
}

impl EnqueueError {
    /// Whether the same request, sent again later, may get through.
    #[must_use]
    pub fn ask_again(&self) -> bool {
        match self {
            Self::NotSent(unsent) => unsent.ask_again(),
            Self::TimedOut { .. } | Self::Disconnected { .. } => true,
        }
    }
}

/// Why a member is not known to have joined, or to have left.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// The worker says no. Under this request id it stays so: mend what it names, then ask with a new request.
    #[error("refused: {0}")]
    Refused(Box<Refusal>),
    /// The request is not in the queue.
    #[error(transparent)]
    NotSent(#[from] Unsent),
    /// No answer came in time; the outcome is unknown. Ask again with the same request.
    #[error("no answer to request {request} within {limit:?}: ask again under the same id")]
    TimedOut {
        /// The request.
        request: RequestId,
        /// How long was waited.
        limit: Duration,
        /// Whether the request is known to lie in the queue, or to have lain there: then no worker has answered.
        is_queued: bool,
    },
    /// The connection was lost before the answer came; the outcome is unknown. Ask again with the same request.
    #[error("the connection was lost before request {request} was answered, ask again under the same id: {why}")]
    Disconnected {
        /// The request.
        request: RequestId,
        /// What happened.
        why: Arc<Lost>,
    },
    /// An answer came that cannot be read: worker and client are of different versions, or somebody else answers.
    #[error("the answer to request {request} cannot be read: {why}")]
    Malformed {
        /// The request.
        request: RequestId,
        /// What is wrong with it; never what it holds.
        why: String,
    },
}

impl JoinError {
    /// Whether the same request, asked again, may get another answer than this.
    ///
    /// After a time-out or a lost connection it is the only way to know what became of the request, and it is safe: the
    /// worker decides a request id once. Leave a pause where it follows at once, say a second.
    #[must_use]
    pub fn ask_again(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Malformed { .. } => false,
            Self::NotSent(unsent) => unsent.ask_again(),
            Self::TimedOut { .. } | Self::Disconnected { .. } => true,
        }
    }
}
