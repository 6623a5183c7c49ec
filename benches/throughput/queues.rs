//! The queues of a measurement: declared before it, looked at while it runs. Apart from the rest of the ground, because these
//! speak to RabbitMQ alone.

use anyhow::Result;
use lapin::options::{QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Queue};

use crate::ground::Tables;
use crate::place::{EVENTS, KEPT};

/// A durable consumer's queue, so that each event has somewhere to be confirmed by; and the peers' queue.
pub(crate) async fn declare(channel: &Channel, tables: Tables) -> Result<()> {
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    if tables == Tables::Plain {
        channel.queue_declare(tables.queue().into(), durable, arguments.clone()).await?;
    }
    channel.queue_declare(KEPT.into(), durable, arguments).await?;
    let (exchange, key) = (EVENTS.0.into(), EVENTS.1.into());
    channel.queue_bind(KEPT.into(), exchange, key, QueueBindOptions::default(), FieldTable::default()).await?;
    Ok(())
}

/// Messages that lie in a queue, not handed to anybody.
pub(crate) async fn depth(channel: &Channel, queue: &str) -> Result<usize> {
    Ok(usize::try_from(look(channel, queue).await?.message_count())?)
}

/// Those who take from it.
pub(crate) async fn consumers(channel: &Channel, queue: &str) -> Result<u32> {
    Ok(look(channel, queue).await?.consumer_count())
}

async fn look(channel: &Channel, queue: &str) -> Result<Queue> {
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    Ok(channel.queue_declare(queue.into(), passive, FieldTable::default()).await?)
}
