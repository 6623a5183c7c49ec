//! One lane's channel on the consuming connection: deliveries in, settlements out.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Connection, Consumer};

use super::call::{CallError, within};
use super::incoming::incoming;
use crate::wire::Incoming;

/// A delivery's number on its channel; means nothing on any other.
pub type Tag = u64;

/// The deliveries of one channel.
pub struct Deliveries {
    channel: Channel,
    consumer: Consumer,
    /// The stream has told its end, which it does once: whoever asks again waits for ever.
    ended: bool,
}

/// Settles the deliveries of one channel.
#[derive(Clone)]
pub struct Settlements(Channel);

impl Deliveries {
    /// Opens a channel and consumes.
    ///
    /// # Errors
    /// If the broker refuses, or does not answer.
    pub async fn open(connection: &Connection, queue: &str, prefetch: u16, limit: Duration) -> Result<Self, CallError> {
        within(limit, Self::consume(connection, queue, prefetch)).await
    }

    async fn consume(connection: &Connection, queue: &str, prefetch: u16) -> Result<Self, lapin::Error> {
        let channel = connection.create_channel().await?;
        // Before consuming: nothing else bounds what the broker sends and `lapin` buffers.
        channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
        let queue = ShortString::try_new(queue.to_owned()).unwrap_or_default();
        let options = BasicConsumeOptions::default();
        let consumer = channel.basic_consume(queue, "".into(), options, FieldTable::default()).await?;
        Ok(Self { channel, consumer, ended: false })
    }

    /// Waits for a delivery, then takes what is ready beside it, up to `most`. No timer: an idle queue gives batches of
    /// one at the lowest latency, a backlog full ones.
    ///
    /// `None` once the channel is gone or the broker cancelled the consumer: both end the stream, with or without an
    /// error before.
    pub async fn next_batch(&mut self, most: usize) -> Option<Vec<(Tag, Incoming)>> {
        if self.ended {
            return None;
        }
        let Some(Ok(first)) = self.consumer.next().await else {
            self.ended = true;
            return None;
        };
        let mut batch = vec![(first.delivery_tag, incoming(first))];
        while batch.len() < most {
            match self.consumer.next().now_or_never() {
                Some(Some(Ok(delivery))) => batch.push((delivery.delivery_tag, incoming(delivery))),
                Some(Some(Err(_)) | None) => {
                    // Told by the next call, after this batch.
                    self.ended = true;
                    break;
                }
                None => break,
            }
        }
        Some(batch)
    }

    /// The other half: settles what came.
    #[must_use]
    pub fn settlements(&self) -> Settlements {
        Settlements(self.channel.clone())
    }

    /// Takes no more from the queue; what was delivered already still comes, and then the end.
    ///
    /// # Errors
    /// If the channel is gone already, or the broker does not answer.
    pub async fn cancel(&mut self, limit: Duration) -> Result<(), CallError> {
        let tag = self.consumer.tag();
        within(limit, self.channel.basic_cancel(tag, BasicCancelOptions::default())).await
    }

    /// Stops consuming and closes the channel with the handshake: acks written are taken, the rest goes back.
    ///
    /// # Errors
    /// If the channel is gone already, or the broker does not answer.
    pub async fn close(self, limit: Duration) -> Result<(), CallError> {
        within(limit, async {
            let tag = self.consumer.tag();
            self.channel.basic_cancel(tag, BasicCancelOptions::default()).await?;
            self.channel.close(200, "done".into()).await
        })
        .await
    }
}

impl Settlements {
    /// Whether the channel still lives. If not, its deliveries are the broker's again.
    #[must_use]
    pub fn are_possible(&self) -> bool {
        self.0.status().connected()
    }

    /// Acknowledges one delivery, or all up to it.
    ///
    /// # Errors
    /// If the channel is gone: then nothing was acknowledged.
    pub async fn ack(&self, tag: Tag, multiple: bool) -> Result<(), lapin::Error> {
        self.0.basic_ack(tag, BasicAckOptions { multiple }).await
    }

    /// Gives one delivery back to the queue.
    ///
    /// # Errors
    /// If the channel is gone: then it is back already.
    pub async fn give_back(&self, tag: Tag) -> Result<(), lapin::Error> {
        self.0.basic_nack(tag, BasicNackOptions { multiple: false, requeue: true }).await
    }

    /// Has the broker make a dead letter of one delivery, as it came.
    ///
    /// # Errors
    /// If the channel is gone: then it is back in its queue.
    pub async fn reject(&self, tag: Tag) -> Result<(), lapin::Error> {
        self.0.basic_nack(tag, BasicNackOptions { multiple: false, requeue: false }).await
    }
}
