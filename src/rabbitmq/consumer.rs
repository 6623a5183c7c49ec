//! One lane's channel on the consuming connection: deliveries in, settlements out.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Connection, Consumer};

use super::call::{CallError, within};
use super::incoming::incoming;
use crate::wire::Incoming;

/// A delivery's number on its channel; means nothing on any other.
pub type Tag = u64;

/// A queue that is consumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its full name.
    pub queue: String,
    /// Deliveries of it that the broker hands over in advance.
    pub prefetch: u16,
}

/// The deliveries of one channel, from one queue or several.
pub struct Deliveries {
    channel: Channel,
    /// Those that have not told their end, which each does once: whoever asks again waits for ever. In the order in which
    /// they are served.
    consumers: Vec<Consumer>,
    /// We asked for the end: the others still have something.
    cancelled: bool,
    /// The broker ended one of them.
    ended: bool,
}

/// Settles the deliveries of one channel.
#[derive(Clone)]
pub struct Settlements(Channel);

impl Deliveries {
    /// Opens a channel and consumes. What comes first among the sources is served first.
    ///
    /// # Errors
    /// If the broker refuses, or does not answer.
    pub async fn open(connection: &Connection, sources: &[Source], limit: Duration) -> Result<Self, CallError> {
        within(limit, Self::consume(connection, sources)).await
    }

    async fn consume(connection: &Connection, sources: &[Source]) -> Result<Self, lapin::Error> {
        let channel = connection.create_channel().await?;
        let mut consumers = Vec::with_capacity(sources.len());
        for Source { queue, prefetch } in sources {
            // Before consuming, and for each consumer: nothing else bounds what the broker sends and `lapin` buffers.
            channel.basic_qos(*prefetch, BasicQosOptions::default()).await?;
            let queue = ShortString::try_new(queue.clone()).unwrap_or_default();
            let options = BasicConsumeOptions::default();
            consumers.push(channel.basic_consume(queue, "".into(), options, FieldTable::default()).await?);
        }
        Ok(Self { channel, consumers, cancelled: false, ended: false })
    }

    /// Waits for a delivery, then takes what is ready beside it, up to `most`. No timer: an idle queue gives batches of
    /// one at the lowest latency, a backlog full ones. Safe to be dropped.
    ///
    /// `None` once the channel is gone or the broker cancelled a consumer: both end its stream, with or without an error
    /// before.
    pub async fn next_batch(&mut self, most: usize) -> Option<Vec<(Tag, Incoming)>> {
        let mut batch = Vec::new();
        poll_fn(|context| self.poll_batch(context, most, &mut batch)).await;
        (!batch.is_empty()).then_some(batch)
    }

    fn poll_batch(&mut self, context: &mut Context<'_>, most: usize, batch: &mut Vec<(Tag, Incoming)>) -> Poll<()> {
        let mut place = 0;
        while place < self.consumers.len() && batch.len() < most && !self.ended {
            match self.consumers[place].poll_next_unpin(context) {
                Poll::Ready(Some(Ok(delivery))) => batch.push((delivery.delivery_tag, incoming(delivery))),
                Poll::Ready(Some(Err(_)) | None) => {
                    // Told by the next call, after this batch.
                    drop(self.consumers.remove(place));
                    self.ended = !self.cancelled || self.consumers.is_empty();
                }
                Poll::Pending => place += 1,
            }
        }
        if batch.is_empty() && !self.ended { Poll::Pending } else { Poll::Ready(()) }
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
        self.cancelled = true;
        within(limit, self.stop_consuming()).await
    }

    async fn stop_consuming(&self) -> Result<(), lapin::Error> {
        for consumer in &self.consumers {
            self.channel.basic_cancel(consumer.tag(), BasicCancelOptions::default()).await?;
        }
        Ok(())
    }

    /// Stops consuming and closes the channel with the handshake: acks written are taken, the rest goes back.
    ///
    /// # Errors
    /// If the channel is gone already, or the broker does not answer.
    pub async fn close(self, limit: Duration) -> Result<(), CallError> {
        within(limit, async {
            self.stop_consuming().await?;
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
