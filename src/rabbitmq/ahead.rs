//! Looking ahead: a queue in which new requests are seen while older ones crowd theirs. The queue of requests holds each of
//! them as well, so whatever is dropped here, or goes with the connection, is not lost.

use std::time::Duration;

use lapin::options::{QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Connection, ErrorKind};

use super::call::{CallError, within};
use super::consumer::{Deliveries, Source};
use super::topology::Names;

/// Deliveries in advance.
const PREFETCH: u16 = 1024;
/// The oldest of more are dropped: they are no longer new.
const MOST: i64 = 10_000;
/// The broker's word for an exclusive queue of another connection.
const RESOURCE_LOCKED: u16 = 405;

/// Begins to look ahead, on the connection that is to go with it. `None`: another worker does already, and one is enough,
/// because each would see all.
///
/// # Errors
/// If the broker refuses, or does not answer.
pub async fn look(connection: &Connection, names: &Names, limit: Duration) -> Result<Option<Deliveries>, CallError> {
    if !within(limit, declare(connection, names)).await? {
        return Ok(None);
    }
    let source = Source { queue: names.ahead(), prefetch: PREFETCH };
    Deliveries::open(connection, &[source], limit).await.map(Some)
}

/// Declares the queue, bound like that of the requests, and answers whether it is ours. On a channel of its own: that another
/// has it closes the channel.
async fn declare(connection: &Connection, names: &Names) -> Result<bool, lapin::Error> {
    let channel = connection.create_channel().await?;
    // Exclusive: it is of one worker and ends with its connection. It ends with its consumer, too.
    let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let [queue, intake] = [names.ahead(), names.intake()].map(|name| ShortString::try_new(name).unwrap_or_default());
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("classic".into()));
    arguments.insert("x-max-length".into(), AMQPValue::LongLongInt(MOST));
    match channel.queue_declare(queue.clone(), options, arguments).await {
        Ok(_) => {}
        Err(error) if is_held(&error) => return Ok(false),
        Err(error) => return Err(error),
    }
    for key in names.request_keys() {
        let bind = QueueBindOptions::default();
        channel.queue_bind(queue.clone(), intake.clone(), key.into(), bind, FieldTable::default()).await?;
    }
    channel.close(200, "declared".into()).await?;
    Ok(true)
}

fn is_held(error: &lapin::Error) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(error) if error.get_id() == RESOURCE_LOCKED)
}
