//! The queue that events are taken from, and a connection that does so. Apart, because a consumer outlives both.

use lapin::options::{BasicConsumeOptions, BasicQosOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{Connection, Consumer};
use tokio::time::timeout;

use super::super::broker::{Broker, short};
use super::super::error::Lost;
use crate::rabbitmq::connect::open;
use crate::wire::headers::EVENT_TYPE;

/// The exchange that events come from.
const EVENTS: &str = "members.events";
/// Most events that the broker sends ahead.
const PREFETCH: u16 = 64;
/// A consumer that dies again and again must not use an event up: RabbitMQ 4 would drop it after 20 times.
const DYING_USES_NOTHING_UP: i32 = 2_000_000_000;

/// The queue that a consumer takes events from.
///
/// Of several who consume from a [`durable`](Self::durable) one, one is given the events, and the others stand by. Yet one
/// whose connection is lost may still be at work on an event when the next one handles a newer one; and from an
/// [`existing`](Self::existing) queue several may be given events at once. So an effect outside of the process **must
/// itself be conditional on the sequence**, say `UPDATE … WHERE sequence < $1`. To ask [`Sequences`](super::Sequences)
/// before saves the work of repeats, and decides nothing: between the question and the effect another may come.
///
/// Up to 64 events are sent ahead, and the broker gives each 30 minutes (`consumer_timeout`) to be handled, from then on: an
/// event should take no more than 28 seconds, or the broker closes the channel, and all that were sent ahead come again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    name: Box<str>,
    is_ours: bool,
}

impl Queue {
    /// A durable quorum queue with a single active consumer, declared and bound with each connection. The broker user needs
    /// the rights to configure, write and read it, and to read exchange `members.events`.
    ///
    /// It stays when its consumers go, and grows by every event until somebody consumes them: delete it together with the
    /// consumer, or bound it by a policy.
    #[must_use]
    pub fn durable(name: &str) -> Self {
        Self { name: name.into(), is_ours: true }
    }

    /// A queue that somebody else has declared and bound. The broker user needs the right to read it, no other.
    #[must_use]
    pub fn existing(name: &str) -> Self {
        Self { name: name.into(), is_ours: false }
    }
}

/// A connection that takes events from a queue.
pub(super) struct Session {
    // Its consumer ends with it.
    _connection: Connection,
    pub(super) consumer: Consumer,
}

impl Session {
    pub(super) async fn open(broker: &Broker, queue: &Queue) -> Result<Self, Lost> {
        let (exchange, name, limit) = (broker.exchange(EVENTS)?, short(&queue.name)?, broker.timeout);
        let opened = open(&broker.address, &broker.name, broker.limits(), broker.tls.clone()).await;
        let connection = opened.map_err(Lost::Connect)?;
        let consuming = timeout(limit, consume(&connection, exchange, name, queue.is_ours)).await;
        let consumer = consuming.map_err(|_| Lost::Silent(limit))?.map_err(Lost::Broker)?;
        Ok(Self { _connection: connection, consumer })
    }
}

async fn consume(
    connection: &Connection,
    exchange: ShortString,
    queue: ShortString,
    is_ours: bool,
) -> lapin::Result<Consumer> {
    let channel = connection.create_channel().await?;
    // Before consuming: nothing else bounds what the broker sends ahead.
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    if is_ours {
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString(LongString::from("quorum")));
        arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(DYING_USES_NOTHING_UP));
        // Two at once would handle a member's events side by side, and so out of order.
        arguments.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
        channel.queue_declare(queue.clone(), QueueDeclareOptions::durable(), arguments).await?;
        let (options, none) = (QueueBindOptions::default(), FieldTable::default());
        channel.queue_bind(queue.clone(), exchange, EVENT_TYPE.into(), options, none).await?;
    }
    channel.basic_consume(queue, ShortString::default(), BasicConsumeOptions::default(), FieldTable::default()).await
}
