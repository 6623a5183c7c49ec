//! One lane's channels on the consuming connection: deliveries in, settlements out.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::try_join_all;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Connection, Consumer};

use super::call::{CallError, within};
use super::incoming::incoming;
use crate::wire::Incoming;

/// Names a delivery on the channels of one lane; means nothing on any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag {
    /// Which of the sources it came from.
    pub source: usize,
    /// Its number on the channel of that source.
    pub number: u64,
}

/// A queue that is consumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its full name.
    pub queue: String,
    /// Deliveries of it that the broker hands over in advance.
    pub prefetch: u16,
}

/// The deliveries of one lane, from one queue or several. Each queue has a channel of its own: on a common one, to
/// acknowledge all up to a delivery of one queue would acknowledge what came from another before it, unseen.
pub struct Deliveries {
    channels: Vec<Channel>,
    /// Of each source, unless it has told its end, which it does once: whoever asks again waits for ever.
    consumers: Vec<Option<Consumer>>,
    /// The sources that are served, the first of them first; what was delivered from others waits.
    order: Vec<usize>,
    /// We asked for the end: the others still have something.
    cancelled: bool,
    /// The broker ended one of them.
    ended: bool,
}

/// Settles the deliveries of one lane.
#[derive(Clone)]
pub struct Settlements(Vec<Channel>);

impl Deliveries {
    /// Opens the channels and consumes. What comes first among the sources is served first.
    ///
    /// # Errors
    /// If the broker refuses, or does not answer.
    pub async fn open(connection: &Connection, sources: &[Source], limit: Duration) -> Result<Self, CallError> {
        within(limit, Self::consume(connection, sources)).await
    }

    async fn consume(connection: &Connection, sources: &[Source]) -> Result<Self, lapin::Error> {
        // Side by side, so that several take no longer than one.
        let opened = try_join_all(sources.iter().map(|Source { queue, prefetch }| async move {
            let channel = connection.create_channel().await?;
            // Before consuming: nothing else bounds what the broker sends and `lapin` buffers.
            channel.basic_qos(*prefetch, BasicQosOptions::default()).await?;
            let queue = ShortString::try_new(queue.clone()).unwrap_or_default();
            let options = BasicConsumeOptions::default();
            let consumer = channel.basic_consume(queue, "".into(), options, FieldTable::default()).await?;
            Ok::<_, lapin::Error>((channel, Some(consumer)))
        }));
        let (channels, consumers) = opened.await?.into_iter().unzip();
        Ok(Self { channels, consumers, order: (0..sources.len()).collect(), cancelled: false, ended: false })
    }

    /// Serves these sources alone and in this order, until it is told otherwise.
    pub fn serve(&mut self, order: &[usize]) {
        self.order.clear();
        self.order.extend_from_slice(order);
    }

    /// Waits for a delivery, then takes what is ready beside it, up to `most`. No timer: an idle queue gives batches of
    /// one at the lowest latency, a backlog full ones. Safe to be dropped.
    ///
    /// `None` once a channel is gone or the broker cancelled a consumer: both end its stream, with or without an error
    /// before.
    pub async fn next_batch(&mut self, most: usize) -> Option<Vec<(Tag, Incoming)>> {
        let mut batch = Vec::new();
        poll_fn(|context| self.poll_batch(context, most, &mut batch)).await;
        (!batch.is_empty()).then_some(batch)
    }

    fn poll_batch(&mut self, context: &mut Context<'_>, most: usize, batch: &mut Vec<(Tag, Incoming)>) -> Poll<()> {
        let mut turn = 0;
        while batch.len() < most && !self.ended && turn < self.order.len() {
            let source = self.order[turn];
            let Some(consumer) = &mut self.consumers[source] else {
                turn += 1;
                continue;
            };
            match consumer.poll_next_unpin(context) {
                Poll::Ready(Some(Ok(delivery))) => {
                    batch.push((Tag { source, number: delivery.delivery_tag }, incoming(delivery)));
                }
                Poll::Ready(Some(Err(_)) | None) => {
                    // Told by the next call, after this batch.
                    self.consumers[source] = None;
                    self.ended = !self.cancelled || self.consumers.iter().all(Option::is_none);
                }
                Poll::Pending => turn += 1,
            }
        }
        if batch.is_empty() && !self.ended { Poll::Pending } else { Poll::Ready(()) }
    }

    /// The other half: settles what came.
    #[must_use]
    pub fn settlements(&self) -> Settlements {
        Settlements(self.channels.clone())
    }

    /// Takes no more from any queue; what was delivered already still comes, and then the end.
    ///
    /// # Errors
    /// If the channel is gone already, or the broker does not answer.
    pub async fn cancel(&mut self, limit: Duration) -> Result<(), CallError> {
        self.cancelled = true;
        self.order = (0..self.channels.len()).collect();
        within(limit, self.stop_consuming()).await
    }

    async fn stop_consuming(&self) -> Result<(), lapin::Error> {
        for (channel, consumer) in self.channels.iter().zip(&self.consumers) {
            let Some(consumer) = consumer else { continue };
            channel.basic_cancel(consumer.tag(), BasicCancelOptions::default()).await?;
        }
        Ok(())
    }

    /// Stops consuming and closes the channels with the handshake: acks written are taken, the rest goes back.
    ///
    /// # Errors
    /// If the channel is gone already, or the broker does not answer.
    pub async fn close(self, limit: Duration) -> Result<(), CallError> {
        within(limit, async {
            self.stop_consuming().await?;
            for channel in &self.channels {
                channel.close(200, "done".into()).await?;
            }
            Ok(())
        })
        .await
    }
}

impl Settlements {
    /// Whether all channels still live. If not, there are deliveries that are the broker's again.
    #[must_use]
    pub fn are_possible(&self) -> bool {
        self.0.iter().all(|channel| channel.status().connected())
    }

    /// Acknowledges one delivery, or all up to it from the same source.
    ///
    /// # Errors
    /// If the channel is gone: then nothing was acknowledged.
    pub async fn ack(&self, tag: Tag, multiple: bool) -> Result<(), lapin::Error> {
        self.0[tag.source].basic_ack(tag.number, BasicAckOptions { multiple }).await
    }

    /// Gives one delivery back to the queue.
    ///
    /// # Errors
    /// If the channel is gone: then it is back already.
    pub async fn give_back(&self, tag: Tag) -> Result<(), lapin::Error> {
        self.0[tag.source].basic_nack(tag.number, BasicNackOptions { multiple: false, requeue: true }).await
    }

    /// Has the broker make a dead letter of one delivery, as it came.
    ///
    /// # Errors
    /// If the channel is gone: then it is back in its queue.
    pub async fn reject(&self, tag: Tag) -> Result<(), lapin::Error> {
        self.0[tag.source].basic_nack(tag.number, BasicNackOptions { multiple: false, requeue: false }).await
    }
}
