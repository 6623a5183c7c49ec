//! Creates what is missing. Separate, because it needs a right that the serving worker better does not have.

use lapin::options::{
    ExchangeBindOptions, ExchangeDeclareOptions, ExchangeUnbindOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Connection, ErrorKind, Queue};

use super::error::{LIMIT, TopologyError};
use super::export::kind;
use super::names::Names;
use super::plan::{Binding, CONSISTENT_HASH, Destination, plan, table};
use crate::config::MOST_SHARDS;

const ACCESS_REFUSED: u16 = 403;
const NOT_FOUND: u16 = 404;
const PRECONDITION_FAILED: u16 = 406;
const COMMAND_INVALID: u16 = 503;

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
        let declared = within(&format!("exchange `{}`", exchange.name), declared).await;
        declared.map_err(|error| if kind(&exchange.kind) == CONSISTENT_HASH { unknown_type(error) } else { error })?;
    }
    for queue in &plan.queues {
        let declared =
            channel.queue_declare(short(&queue.name), QueueDeclareOptions::durable(), table(&queue.arguments));
        within(&format!("queue `{}`", queue.name), declared).await?;
    }
    for binding in &plan.bindings {
        bind(&channel, binding).await?;
    }
    close(&channel).await?;
    for binding in &plan.former {
        unbind(connection, binding).await?;
    }
    Ok(Declared { created_queues })
}

async fn bind(channel: &Channel, binding: &Binding) -> Result<(), TopologyError> {
    let Binding { exchange, destination, key } = binding;
    let (source, key, none) = (short(exchange), short(key), FieldTable::default());
    let object = format!("the binding of {destination} to exchange `{exchange}`");
    match destination {
        Destination::Queue(name) => {
            within(&object, channel.queue_bind(short(name), source, key, QueueBindOptions::default(), none)).await
        }
        Destination::Exchange(name) => {
            within(&object, channel.exchange_bind(short(name), source, key, ExchangeBindOptions::default(), none)).await
        }
    }
}

/// Takes a binding away that is not to be there any more; that it never was is no error.
async fn unbind(connection: &Connection, binding: &Binding) -> Result<(), TopologyError> {
    // A channel of its own, which an error closes.
    let channel = channel(connection).await?;
    let Binding { exchange, destination, key } = binding;
    let (source, key, none) = (short(exchange), short(key), FieldTable::default());
    let object = format!("the former binding of {destination} to exchange `{exchange}`");
    let unbound = match destination {
        Destination::Queue(name) => within(&object, channel.queue_unbind(short(name), source, key, none)).await,
        Destination::Exchange(name) => {
            let options = ExchangeUnbindOptions::default();
            within(&object, channel.exchange_unbind(short(name), source, key, options, none)).await
        }
    };
    match unbound {
        Ok(()) => close(&channel).await,
        Err(TopologyError::Failed { source, .. }) if code(&source) == Some(NOT_FOUND) => Ok(()),
        // Rights from before there were shards: whoever may not bind them has not bound them.
        Err(TopologyError::Refused { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The highest number of a shard that there is: those that are planned, and those from when there were more, for as long
/// as nobody deletes them. Whoever deletes them begins with the highest.
///
/// # Errors
/// If the connection fails.
pub async fn highest_shard(connection: &Connection, names: &Names) -> Result<u16, TopologyError> {
    let mut highest = names.shards();
    while highest < MOST_SHARDS && look_at_queue(connection, &names.shard(highest + 1)).await? == Existence::Exists {
        highest += 1;
    }
    Ok(highest)
}

/// A queue of webhooks that is missing, if one is: then the connection is to be thrown away, see [`existing`].
///
/// # Errors
/// If the connection fails.
pub async fn missing_webhooks(connection: &Connection, names: &Names) -> Result<Option<String>, TopologyError> {
    for queue in names.webhook_queues() {
        if look_at_queue(connection, &queue).await? == Existence::Missing {
            return Ok(Some(queue));
        }
    }
    Ok(None)
}

/// How many messages wait in a queue, if it is there and may be looked at.
pub(super) async fn waiting(connection: &Connection, name: &str) -> Result<Option<u32>, TopologyError> {
    let channel = channel(connection).await?;
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let looked = channel.queue_declare(short(name), passive, FieldTable::default());
    let looked = within(&format!("queue `{name}`"), looked).await;
    let messages = looked.as_ref().ok().map(Queue::message_count);
    Ok(match seen(&channel, looked.map(|_| ())).await? {
        Existence::Exists => messages,
        Existence::Missing | Existence::Hidden => None,
    })
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

/// For a type that it does not know the broker ends the connection.
fn unknown_type(error: TopologyError) -> TopologyError {
    match error {
        TopologyError::Failed { object, source } if code(&source) == Some(COMMAND_INVALID) => {
            TopologyError::NoPlugin { object, source }
        }
        other @ (TopologyError::Failed { .. }
        | TopologyError::Mismatch { .. }
        | TopologyError::Refused { .. }
        | TopologyError::NoPlugin { .. }
        | TopologyError::Silent { .. }) => other,
    }
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
    use lapin::ErrorKind;
    use lapin::protocol::{AMQPError, AMQPErrorKind, AMQPHardError};

    use super::{TopologyError, argument, unknown_type};

    #[test]
    fn a_broker_without_the_plugin_is_told_what_to_do() {
        let said = "COMMAND_INVALID - unknown exchange type 'x-consistent-hash'";
        let error = AMQPError::new(AMQPErrorKind::Hard(AMQPHardError::COMMANDINVALID), said.into());
        let source = ErrorKind::ProtocolError(error).into();
        let told =
            unknown_type(TopologyError::Failed { object: "exchange `join-community.shards`".to_owned(), source });
        assert!(told.to_string().contains("rabbitmq-plugins enable rabbitmq_consistent_hash_exchange"), "{told}");
    }

    #[test]
    fn the_argument_that_differs_is_taken_from_what_the_broker_says() {
        let said = "PRECONDITION_FAILED - inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': received '5'";
        assert_eq!(argument(said), "x-message-ttl");
        assert_eq!(argument("PRECONDITION_FAILED - something else"), "form");
    }
}
