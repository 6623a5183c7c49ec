//! Creates what is missing. Separate, because it needs a right that the serving worker better does not have.

use std::time::Duration;

use lapin::options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Connection, ErrorKind};

use super::names::Names;
use super::plan::{plan, table};

/// Limit of each call; a broker that blocks publishers answers none at all.
const LIMIT: Duration = Duration::from_secs(10);
const ACCESS_REFUSED: u16 = 403;
const NOT_FOUND: u16 = 404;
const PRECONDITION_FAILED: u16 = 406;

/// What [`declare()`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    /// Whether a queue was created. One that is killed within two seconds of that can be lost: wait before serving.
    pub created_queues: bool,
}

/// What a passive look tells of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existence {
    /// It is there.
    Exists,
    /// It is not.
    Missing,
    /// This user may not look: RabbitMQ 4.3 wants a right even for that.
    Hidden,
}

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

/// Looks at each queue, in the order of the plan, and changes nothing.
///
/// Not for a connection that opens channels for ever: `lapin` 4.12 gives the error of a channel that the broker closed,
/// such as "missing", once more to the next channel with the same number.
///
/// # Errors
/// If the connection fails.
pub async fn existing(connection: &Connection, names: &Names) -> Result<Vec<(String, Existence)>, TopologyError> {
    let mut seen = Vec::new();
    for queue in plan(names).queues {
        let existence = look_at_queue(connection, &queue.name).await?;
        seen.push((queue.name, existence));
    }
    Ok(seen)
}

/// Creates every exchange, queue and binding that is missing. What exists stays as it is.
///
/// # Errors
/// If something exists with other arguments, or the broker refuses.
pub async fn declare(connection: &Connection, names: &Names) -> Result<Declared, TopologyError> {
    // Asked first: the answer to a declaration does not tell whether it created anything.
    let created_queues = existing(connection, names).await?.iter().any(|(_, seen)| *seen == Existence::Missing);
    let plan = plan(names);
    let channel = channel(connection).await?;
    for exchange in &plan.exchanges {
        let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
        let arguments = table(&exchange.arguments);
        let declared = channel.exchange_declare(short(&exchange.name), exchange.kind.clone(), options, arguments);
        within(&format!("exchange `{}`", exchange.name), declared).await?;
    }
    for queue in &plan.queues {
        let declared =
            channel.queue_declare(short(&queue.name), QueueDeclareOptions::durable(), table(&queue.arguments));
        within(&format!("queue `{}`", queue.name), declared).await?;
    }
    for binding in &plan.bindings {
        let (queue, exchange) = (short(&binding.queue), short(&binding.exchange));
        let options = QueueBindOptions::default();
        let bound = channel.queue_bind(queue, exchange, binding.key.into(), options, FieldTable::default());
        within(&format!("the binding of queue `{}` to exchange `{}`", binding.queue, binding.exchange), bound).await?;
    }
    close(&channel).await?;
    Ok(Declared { created_queues })
}

pub(super) async fn look_at_queue(connection: &Connection, name: &str) -> Result<Existence, TopologyError> {
    // A channel of its own, because the answer "missing" closes it.
    let channel = channel(connection).await?;
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let looked = channel.queue_declare(short(name), passive, FieldTable::default());
    seen(&channel, within(&format!("queue `{name}`"), looked).await.map(|_| ())).await
}

pub(super) async fn look_at_exchange(connection: &Connection, name: &str) -> Result<Existence, TopologyError> {
    let channel = channel(connection).await?;
    let passive = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
    // The type is not compared in a passive declaration.
    let looked = channel.exchange_declare(short(name), lapin::ExchangeKind::Direct, passive, FieldTable::default());
    seen(&channel, within(&format!("exchange `{name}`"), looked).await).await
}

async fn seen(channel: &Channel, looked: Result<(), TopologyError>) -> Result<Existence, TopologyError> {
    match looked {
        Ok(()) => close(channel).await.map(|()| Existence::Exists),
        Err(TopologyError::Failed { source, .. }) if code(&source) == Some(NOT_FOUND) => Ok(Existence::Missing),
        Err(TopologyError::Refused { .. }) => Ok(Existence::Hidden),
        Err(error) => Err(error),
    }
}

async fn channel(connection: &Connection) -> Result<Channel, TopologyError> {
    within("a channel", connection.create_channel()).await
}

async fn close(channel: &Channel) -> Result<(), TopologyError> {
    within("a channel", channel.close(200, "done".into())).await
}

/// One call to the broker, within the limit; its failure sorted by what is to be done about it.
async fn within<T>(object: &str, call: impl Future<Output = lapin::Result<T>>) -> Result<T, TopologyError> {
    let object = || object.to_owned();
    let answer = tokio::time::timeout(LIMIT, call).await.map_err(|_| TopologyError::Silent { object: object() })?;
    answer.map_err(|source| match (source.kind(), code(&source)) {
        (ErrorKind::ProtocolError(error), Some(PRECONDITION_FAILED)) => TopologyError::Mismatch {
            object: object(),
            argument: argument(error.get_message().as_str()).to_owned(),
            source: error.clone(),
        },
        (ErrorKind::ProtocolError(error), Some(ACCESS_REFUSED)) => {
            TopologyError::Refused { object: object(), source: error.clone() }
        }
        _ => TopologyError::Failed { object: object(), source },
    })
}

fn code(error: &lapin::Error) -> Option<u16> {
    if let ErrorKind::ProtocolError(error) = error.kind() { Some(error.get_id()) } else { None }
}

/// The argument in `PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue …`.
fn argument(said: &str) -> &str {
    said.split_once("inequivalent arg '").and_then(|(_, rest)| rest.split_once('\'')).map_or("form", |(name, _)| name)
}

/// A name of ours, which the configuration keeps short enough; the plain conversion would panic if it did not.
fn short(name: &str) -> ShortString {
    ShortString::try_new(name.to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::argument;

    #[test]
    fn the_argument_that_differs_is_taken_from_what_the_broker_says() {
        let said = "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': received '5'";
        assert_eq!(argument(said), "x-message-ttl");
        assert_eq!(argument("PRECONDITION_FAILED - something else"), "form");
    }
}
