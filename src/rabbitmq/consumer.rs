//! One lane's channels on the consuming connection: deliveries in, settlements out.

use std::future::poll_fn;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::try_join_all;
use lapin::message::Delivery;
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
/// acknowledge all up to a delivery of one queue would acknowledge what came from another before it, and was not even
/// looked at.
pub struct Deliveries {
    taps: Vec<Tap>,
    /// The sources that are served, the first of them first; what was delivered from others waits.
    order: Vec<usize>,
    /// We asked for the end: the others still have something.
    cancelled: bool,
    /// The broker ended one of them.
    ended: bool,
}

/// One source at work.
struct Tap {
    channel: Channel,
    queue: ShortString,
    prefetch: usize,
    /// None once it has told its end, which it does once: whoever asks again waits for ever.
    consumer: Option<Consumer>,
    /// Cancelled by us to stand last in line; what was delivered to it comes first.
    before: Option<Consumer>,
    /// The consumer was given something. Of a queue with a single active consumer, it is that one.
    delivers: bool,
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
        // Side by side, so that several take no longer than one.
        let taps = within(limit, try_join_all(sources.iter().map(|source| Tap::open(connection, source)))).await?;
        Ok(Self { taps, order: (0..sources.len()).collect(), cancelled: false, ended: false })
    }

    /// Serves these of so many sources alone and in this order, until it is told otherwise.
    pub fn serve<Order: Iterator<Item = usize>>(&mut self, order: impl FnOnce(usize) -> Order) {
        self.order.clear();
        self.order.extend(order(self.taps.len()));
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
            match self.taps[source].poll(context) {
                Poll::Ready(Some(delivery)) => {
                    batch.push((Tag { source, number: delivery.delivery_tag }, incoming(delivery)));
                }
                Poll::Ready(None) => {
                    // Told by the next call, after this batch.
                    self.ended = !self.cancelled || self.taps.iter().all(|tap| tap.consumer.is_none());
                }
                Poll::Pending => turn += 1,
            }
        }
        if batch.is_empty() && !self.ended { Poll::Pending } else { Poll::Ready(()) }
    }

    /// The other half: settles what came.
    #[must_use]
    pub fn settlements(&self) -> Settlements {
        Settlements(self.taps.iter().map(|tap| tap.channel.clone()).collect())
    }

    /// The sources that have given something since they are consumed, or since they stand last in line.
    pub fn delivering(&self) -> impl Iterator<Item = usize> {
        self.taps.iter().enumerate().filter(|(_, tap)| tap.delivers).map(|(source, _)| source)
    }

    /// Whether every source that is served has given all that it may give in advance, where so many of each are open: then
    /// nothing of it is on its way to us.
    pub fn are_spent(&self, open: impl Fn(usize) -> usize) -> bool {
        self.order.iter().all(|source| open(*source) >= self.taps[*source].prefetch)
    }

    /// Lets others consume a queue before us, where only one may at a time. What was delivered already still comes.
    ///
    /// # Errors
    /// If the channel is gone, or the broker does not answer.
    pub async fn stand_last(&mut self, source: usize, limit: Duration) -> Result<(), CallError> {
        within(limit, self.taps[source].stand_last()).await
    }

    /// Takes no more from any queue, if it still does; what was delivered already still comes, and then the end.
    ///
    /// # Errors
    /// If the channel is gone already, or the broker does not answer.
    pub async fn cancel(&mut self, limit: Duration) -> Result<(), CallError> {
        if std::mem::replace(&mut self.cancelled, true) {
            return Ok(());
        }
        self.order = (0..self.taps.len()).collect();
        within(limit, self.stop_consuming()).await
    }

    async fn stop_consuming(&self) -> Result<(), lapin::Error> {
        for tap in &self.taps {
            let Some(consumer) = &tap.consumer else { continue };
            tap.channel.basic_cancel(consumer.tag(), BasicCancelOptions::default()).await?;
        }
        Ok(())
    }

    /// Stops consuming and closes the channels with the handshake: acks written are taken, the rest goes back.
    ///
    /// # Errors
    /// If the channel is gone already, or the broker does not answer.
    pub async fn close(self, limit: Duration) -> Result<(), CallError> {
        within(limit, async {
            if !self.cancelled {
                self.stop_consuming().await?;
            }
            for tap in &self.taps {
                tap.channel.close(200, "done".into()).await?;
            }
            Ok(())
        })
        .await
    }
}

impl Tap {
    async fn open(connection: &Connection, source: &Source) -> Result<Self, lapin::Error> {
        let channel = connection.create_channel().await?;
        // Before consuming: nothing else bounds what the broker sends and `lapin` buffers.
        channel.basic_qos(source.prefetch, BasicQosOptions::default()).await?;
        let queue = ShortString::try_new(source.queue.clone()).unwrap_or_default();
        let consumer = Some(consume(&channel, &queue).await?);
        let prefetch = source.prefetch.into();
        Ok(Self { channel, queue, prefetch, consumer, before: None, delivers: false })
    }

    /// The next delivery; `None` for the end, with or without an error before, which is told once.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Delivery>> {
        if let Some(before) = &mut self.before {
            match before.poll_next_unpin(context) {
                Poll::Ready(Some(Ok(delivery))) => return Poll::Ready(Some(delivery)),
                // Cancelled, it ends after what it was given; if the channel is gone, the other tells so.
                Poll::Ready(Some(Err(_)) | None) => self.before = None,
                Poll::Pending => return Poll::Pending,
            }
        }
        let Some(consumer) = &mut self.consumer else { return Poll::Pending };
        match consumer.poll_next_unpin(context) {
            Poll::Ready(Some(Ok(delivery))) => {
                self.delivers = true;
                Poll::Ready(Some(delivery))
            }
            Poll::Ready(Some(Err(_)) | None) => {
                self.consumer = None;
                Poll::Ready(None)
            }
            Poll::Pending => Poll::Pending,
        }
    }

    async fn stand_last(&mut self) -> Result<(), lapin::Error> {
        // The last time is not over, or everything is.
        if self.before.is_some() {
            return Ok(());
        }
        let Some(consumer) = self.consumer.take() else { return Ok(()) };
        let tag = consumer.tag();
        self.before = Some(consumer);
        self.channel.basic_cancel(tag, BasicCancelOptions::default()).await?;
        self.consumer = Some(consume(&self.channel, &self.queue).await?);
        self.delivers = false;
        Ok(())
    }
}

async fn consume(channel: &Channel, queue: &ShortString) -> Result<Consumer, lapin::Error> {
    channel.basic_consume(queue.clone(), "".into(), BasicConsumeOptions::default(), FieldTable::default()).await
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
