//! One queue, consumed on a channel of its own, each delivery settled by itself. Apart from the deliveries of lanes, which
//! come from several queues and are settled many at a time.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use futures_util::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Connection, Consumer};

use super::call::{CallError, within};
use super::incoming::number;

/// What comes from a queue.
pub struct Subscription {
    channel: Channel,
    consumer: Consumer,
    /// The end was told, which happens once: whoever asks again waits for ever.
    ended: bool,
}

/// A delivery. Nothing of it is checked. Unless it is acknowledged it goes back with its channel.
pub struct Taken {
    channel: Channel,
    number: u64,
    properties: BasicProperties,
    /// The body.
    pub body: Vec<u8>,
}

impl Subscription {
    /// Opens a channel and consumes; so many deliveries are handed over in advance.
    ///
    /// # Errors
    /// If the broker refuses, or does not answer.
    pub async fn open(connection: &Connection, queue: &str, prefetch: u16, limit: Duration) -> Result<Self, CallError> {
        within(limit, async {
            let channel = connection.create_channel().await?;
            // Before consuming: nothing else bounds what the broker sends and `lapin` buffers.
            channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
            let queue = ShortString::try_new(queue.to_owned()).unwrap_or_default();
            let (options, none) = (BasicConsumeOptions::default(), FieldTable::default());
            let consumer = channel.basic_consume(queue, "".into(), options, none).await?;
            Ok(Self { channel, consumer, ended: false })
        })
        .await
    }

    /// Waits for a delivery. Safe to be dropped. `None` once the channel is gone or the broker cancelled the consumer.
    pub async fn next(&mut self) -> Option<Taken> {
        self.next_batch(1).await?.pop()
    }

    /// Waits for a delivery, then takes what is ready beside it, up to `most`. Otherwise as [`Subscription::next`].
    pub async fn next_batch(&mut self, most: usize) -> Option<Vec<Taken>> {
        let mut batch = Vec::new();
        poll_fn(|context| {
            while batch.len() < most && !self.ended {
                match self.consumer.poll_next_unpin(context) {
                    Poll::Ready(Some(Ok(delivery))) => batch.push(Taken::new(&self.channel, delivery)),
                    Poll::Ready(Some(Err(_)) | None) => self.ended = true,
                    Poll::Pending if batch.is_empty() => return Poll::Pending,
                    Poll::Pending => break,
                }
            }
            Poll::Ready(())
        })
        .await;
        (!batch.is_empty()).then_some(batch)
    }

    /// Takes no more; what was delivered and not taken goes back when the channel closes.
    ///
    /// # Errors
    /// If the channel is gone already, or the broker does not answer.
    pub async fn cancel(&self, limit: Duration) -> Result<(), CallError> {
        within(limit, self.channel.basic_cancel(self.consumer.tag(), BasicCancelOptions::default())).await
    }

    /// Closes the channel with the handshake: acknowledgements written are taken.
    ///
    /// # Errors
    /// If the channel is gone already, or the broker does not answer.
    pub async fn close(self, limit: Duration) -> Result<(), CallError> {
        within(limit, self.channel.close(200, "done".into())).await
    }
}

impl Taken {
    fn new(channel: &Channel, delivery: Delivery) -> Self {
        let Delivery { delivery_tag, properties, data, .. } = delivery;
        Self { channel: channel.clone(), number: delivery_tag, properties, body: data }
    }

    /// Property `message_id`.
    #[must_use]
    pub fn message_id(&self) -> Option<&str> {
        self.properties.message_id().as_ref().map(ShortString::as_str)
    }

    /// Property `type`.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        self.properties.kind().as_ref().map(ShortString::as_str)
    }

    /// Property `user_id`: the broker has checked that the publisher is this user.
    #[must_use]
    pub fn user_id(&self) -> Option<&str> {
        self.properties.user_id().as_ref().map(ShortString::as_str)
    }

    /// A header that is text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.header(name)?.as_long_string()?.as_bytes()).ok()
    }

    /// A header that is a count.
    #[must_use]
    pub fn count(&self, name: &str) -> Option<u32> {
        number(self.header(name)?).and_then(|count| u32::try_from(count).ok())
    }

    /// Acknowledges it.
    ///
    /// # Errors
    /// If the channel is gone: then it was not acknowledged, and comes again.
    pub async fn ack(self) -> Result<(), CallError> {
        Ok(self.channel.basic_ack(self.number, BasicAckOptions::default()).await?)
    }

    fn header(&self, name: &str) -> Option<&AMQPValue> {
        self.properties.headers().as_ref()?.inner().get(name)
    }
}
