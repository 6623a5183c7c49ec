//! Settling: every delivery is acknowledged once its verdict is recorded or its copy confirmed, or given back; exactly once.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;
use tracing::{error, warn};

use super::Desk;
use super::open::Open;
use crate::fail_point::{self, Point};
use crate::operations::{Meters, Step};
use crate::rabbitmq::blocked::within_unblocked;
use crate::rabbitmq::call::CallError;
use crate::rabbitmq::consumer::{Settlements, Tag};
use crate::rabbitmq::publisher::Publisher;
use crate::rabbitmq::window::Fate;
use crate::retry::Pauses;
use crate::wire::Outgoing;

/// The channel is gone: its deliveries are the broker's again, and nothing here counts any more.
#[derive(Debug, thiserror::Error)]
pub enum Gone {
    /// A call on it failed.
    #[error("the channel failed")]
    Failed(#[from] lapin::Error),
    /// It could not be opened or closed.
    #[error("the channel cannot be used")]
    Unusable(#[from] CallError),
    /// The broker ended it, or cancelled its consumer.
    #[error("the broker ended the channel or its consumer")]
    Ended,
}

/// What became of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Copied {
    /// Its queue has it.
    Confirmed,
    /// Not confirmed in time.
    Late,
    /// It is too large to be sent, now and always.
    Impossible,
}

/// The deliveries of one lane that are not settled yet.
pub(super) struct Settle {
    channel: Settlements,
    publisher: Publisher,
    limit: Duration,
    meters: Meters,
    open: Open,
    /// What is done is not acknowledged for now.
    held: bool,
    /// So many of them are in the gauge.
    shown: usize,
    /// On their way to another queue. Bounded by what is prefetched, as every copy is of an open delivery.
    copies: FuturesUnordered<BoxFuture<'static, (Tag, Copied)>>,
}

impl Settle {
    pub(super) fn new(channel: Settlements, desk: &Desk) -> Self {
        let (publisher, meters) = (desk.publisher.clone(), desk.meters.clone());
        let (open, copies) = (Open::default(), FuturesUnordered::new());
        Self { channel, publisher, limit: desk.settle_timeout, meters, open, held: false, shown: 0, copies }
    }

    /// Acknowledges nothing until it is released: so the broker gives no more than it may give in advance.
    pub(super) fn hold(&mut self) {
        self.held = true;
    }

    /// Lets what is done be acknowledged again.
    pub(super) fn release(&mut self) {
        self.held = false;
    }

    /// Deliveries of a source that were taken and are not settled.
    pub(super) fn open_of(&self, source: usize) -> usize {
        self.open.of(source)
    }

    /// Notes that deliveries were taken.
    pub(super) fn taken(&mut self, tags: impl IntoIterator<Item = Tag>) {
        self.open.taken(tags);
        self.show();
    }

    /// Notes that a delivery's outcome is durable.
    pub(super) fn done(&mut self, tag: Tag) {
        self.open.done(tag);
    }

    /// Sends a copy to another queue; the delivery is done once that is confirmed.
    pub(super) fn move_on(&mut self, tag: Tag, copy: Outgoing) {
        let (publisher, limit, meters) = (self.publisher.clone(), self.limit, self.meters.clone());
        self.copies.push(Box::pin(async move {
            fail_point::pass(Point::BeforeCopy);
            let began = Instant::now();
            let copied = sent(&publisher, limit, copy).await;
            if copied == Copied::Confirmed {
                meters.confirm.of("copy").record(began.elapsed().as_secs_f64());
            }
            (tag, copied)
        }));
    }

    /// Waits until the next copy is confirmed or out of time; safe to be dropped. Never ends while there is none.
    pub(super) async fn next_copy(&mut self) -> (Tag, Copied) {
        match self.copies.next().await {
            Some(copied) => copied,
            None => std::future::pending().await,
        }
    }

    /// Settles the delivery of a copy.
    pub(super) async fn copied(&mut self, tag: Tag, copied: Copied) -> Result<(), Gone> {
        match copied {
            Copied::Confirmed => {
                fail_point::pass(Point::AfterCopyConfirmed);
                self.done(tag);
                return self.acknowledge().await;
            }
            Copied::Late => {
                warn!("a copy was not confirmed in time, its delivery goes back to the queue");
                self.meters.returned.increment(1);
                self.open.settled(tag);
                self.show();
                self.channel.give_back(tag).await?;
            }
            Copied::Impossible => {
                // Given back it would come again, with the same copy, up to its delivery limit.
                error!("a copy is too large to be sent, the broker makes a dead letter of its delivery as it came");
                self.meters.dead_letters.of("rejected").increment(1);
                self.open.settled(tag);
                self.show();
                self.channel.reject(tag).await?;
            }
        }
        Ok(())
    }

    /// Waits for all copies on their way.
    pub(super) async fn all_copies(&mut self) -> Result<(), Gone> {
        while let Some((tag, copied)) = self.copies.next().await {
            self.copied(tag, copied).await?;
        }
        Ok(())
    }

    /// Acknowledges what is done: all at once up to the first delivery that is not, one by one above it.
    pub(super) async fn acknowledge(&mut self) -> Result<(), Gone> {
        if self.held || !self.open.has_done() {
            return Ok(());
        }
        fail_point::pass(Point::BeforeAck);
        let began = Instant::now();
        for ack in self.open.acknowledged() {
            self.channel.ack(ack.tag, ack.multiple).await?;
        }
        fail_point::pass(Point::AfterAck);
        self.meters.step(Step::Ack).record(began.elapsed().as_secs_f64());
        self.show();
        Ok(())
    }

    /// Brings the gauge of all lanes up to what is open here.
    fn show(&mut self) {
        // As one difference: what each delivery adds and takes away would be shared by all lanes.
        let [before, now] =
            [self.shown, self.open.len()].map(|count| f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
        self.meters.in_flight.increment(now - before);
        self.shown = self.open.len();
    }

    /// Whether the channel still lives.
    pub(super) fn is_possible(&self) -> bool {
        self.channel.are_possible()
    }
}

impl Drop for Settle {
    fn drop(&mut self) {
        // What is open still is the broker's again.
        self.open = Open::default();
        self.show();
    }
}

/// Sends until it is confirmed, or `limit` is over. A copy may so arrive twice, and counts once.
///
/// While the broker blocks publishers the time does not count: a delivery that is given back then comes again at once, to
/// whomever, and each time uses up one of the few that the broker grants it.
async fn sent(publisher: &Publisher, limit: Duration, copy: Outgoing) -> Copied {
    let tries = async {
        let mut pauses = Pauses::up_to(Duration::from_secs(1));
        loop {
            match publisher.copy(copy.clone()).await {
                Ok(Fate::Confirmed) => return Copied::Confirmed,
                // No copy is, and a test of `window` holds that.
                Ok(Fate::TooLarge) => return Copied::Impossible,
                Ok(Fate::Refused | Fate::Returned) | Err(_) => tokio::time::sleep(pauses.next_pause()).await,
            }
        }
    };
    within_unblocked(limit, || publisher.is_blocked(), tries).await.unwrap_or(Copied::Late)
}
