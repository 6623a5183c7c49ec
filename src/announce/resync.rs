//! Announces members once more, as they are: the same event with the same id and sequence, so that only those take it who
//! have not seen it. Apart from the two sides, because nothing is owed and nothing is forgotten here.

mod recall;

use std::collections::VecDeque;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use self::recall::Recall;
use super::pace::Pace;
use crate::domain::{Change, MemberId, SiteId};
use crate::postgres::{ResyncPage, Session, StoreError};
use crate::rabbitmq::convoy::{Convoy, ConvoyError};
use crate::rabbitmq::window::Fate;
use crate::wire::{Outgoing, event};

/// What is to be announced, and where.
#[derive(Clone, Debug)]
pub struct Order {
    /// The site whose members.
    pub site: SiteId,
    /// Only those whose record changed at this time or later.
    pub since: Option<OffsetDateTime>,
    /// The first member.
    pub from: MemberId,
    /// Full name of the events exchange.
    pub exchange: String,
    /// A queue that the events go to instead, past every exchange.
    pub to: Option<String>,
    /// So many events a second at most; as fast as the broker confirms without it.
    pub rate: Option<u32>,
    /// How long what is on its way is waited for after a stop.
    pub patience: Duration,
}

/// What was done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Members that were looked at, deleted ones included.
    pub members: u64,
    /// Events that are confirmed.
    pub announced: u64,
    /// Events that are larger than the broker takes.
    pub too_large: u64,
    /// Members whose record this version cannot read.
    pub unreadable: u64,
}

/// Why it did not go on.
#[derive(Debug, thiserror::Error)]
pub enum ResyncError {
    /// The records could not be read.
    #[error("the records cannot be read")]
    Store(#[from] StoreError),
    /// It is not known what became of events.
    #[error("the events cannot be published")]
    Publish(#[from] ConvoyError),
    /// The queue that was named does not exist.
    #[error("there is no queue `{0}`; events for a queue that nobody declared would be lost")]
    NoQueue(String),
    /// The exchange leads nowhere.
    #[error(
        "exchange `{0}` leads to no queue, not even to the one for what nobody is bound for; see `topology verify`"
    )]
    Unrouted(String),
    /// A queue refuses events.
    #[error("{0} refuses events: it is full, or cannot take any now")]
    Refused(String),
}

/// A resync on its way.
pub struct Resync {
    store: Session,
    order: Order,
    recall: Recall,
    pace: Pace,
    stop: CancellationToken,
    tally: Tally,
    next: Option<MemberId>,
    under_way: VecDeque<Batch>,
}

/// A page whose events are on their way.
struct Batch {
    members: Vec<MemberId>,
    tally: Tally,
    next: Option<MemberId>,
}

impl Resync {
    /// Prepares it; nothing is read or sent yet. It ends early, and in order, once it is told to `stop`.
    #[must_use]
    pub fn new(store: Session, order: Order, stop: CancellationToken) -> Self {
        // Nobody announces as many as that in a second.
        let pace = Pace::new(order.rate.unwrap_or(u32::MAX), Duration::ZERO, Instant::now());
        let recall = Recall::new(order.site, stop.clone());
        let next = Some(order.from);
        Self { store, order, recall, pace, stop, tally: Tally::default(), next, under_way: VecDeque::new() }
    }

    /// What was done so far.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.tally
    }

    /// The first member who is not done: where another one goes on; `None` once all are.
    #[must_use]
    pub fn next(&self) -> Option<MemberId> {
        self.next
    }

    /// Announces until all are, or until it is told to stop. Without a convoy it only counts. Tells after each page.
    ///
    /// # Errors
    /// What kept it from going on. [`Resync::next`] is then a place from which nobody is left out.
    pub async fn run(
        &mut self,
        mut convoy: Option<&mut Convoy>,
        mut told: impl FnMut(Tally),
    ) -> Result<(), ResyncError> {
        let walked = self.walk(convoy.as_deref_mut(), &mut told).await;
        match &walked {
            // What is on its way is waited for all the same: the place to go on from is then exact.
            Ok(()) | Err(ResyncError::Store(_)) => {
                if let Some(convoy) = convoy {
                    while self.settle_oldest(convoy).await? {
                        told(self.tally);
                    }
                }
            }
            Err(
                ResyncError::Publish(_) | ResyncError::NoQueue(_) | ResyncError::Unrouted(_) | ResyncError::Refused(_),
            ) => {}
        }
        walked
    }

    async fn walk(&mut self, mut convoy: Option<&mut Convoy>, told: &mut impl FnMut(Tally)) -> Result<(), ResyncError> {
        let mut reading = self.next;
        while let Some(from) = reading {
            let turn = tokio::time::sleep_until(self.pace.next());
            if self.stop.run_until_cancelled(turn).await.is_none() || self.stop.is_cancelled() {
                break;
            }
            let began = Instant::now();
            let Order { site, since, .. } = self.order;
            let mut page = self.store.resync_page(site, from, since, self.pace.slice()).await?;
            if convoy.is_some() && !self.recall.complete(&mut self.store, from, &mut page.changes).await? {
                break;
            }
            if let Some(convoy) = convoy.as_deref_mut() {
                while convoy.is_full() {
                    if !self.settle_oldest(convoy).await? {
                        return Ok(());
                    }
                }
            }
            self.pace.spent(page.changes.len(), began);
            reading = page.next;
            let events: Vec<Outgoing> = page.changes.iter().filter_map(|change| self.event(change)).collect();
            self.under_way.push_back(Batch::of(&page));
            match convoy.as_deref_mut() {
                Some(convoy) => convoy.send(events),
                None => self.settle(&vec![Fate::Confirmed; events.len()])?,
            }
            told(self.tally);
        }
        Ok(())
    }

    fn event(&self, change: &Change) -> Option<Outgoing> {
        let mut event = event::event(change, &self.order.exchange)?;
        if let Some(queue) = &self.order.to {
            // The default exchange routes by the name of a queue.
            event.exchange = "".into();
            event.routing_key = queue.clone().into();
        }
        Some(event)
    }

    /// Waits for the oldest page; answers whether one was settled.
    async fn settle_oldest(&mut self, convoy: &mut Convoy) -> Result<bool, ResyncError> {
        let given_up = async {
            self.stop.cancelled().await;
            // A broker that blocks publishers confirms nothing, and nobody knows for how long.
            tokio::time::sleep(self.order.patience).await;
        };
        let fates = tokio::select! {
            fates = convoy.answer() => fates?,
            () = given_up => return Ok(false),
        };
        let Some(fates) = fates else { return Ok(false) };
        self.settle(&fates)?;
        Ok(true)
    }

    fn settle(&mut self, fates: &[Fate]) -> Result<(), ResyncError> {
        let Some(batch) = self.under_way.front_mut() else { return Ok(()) };
        for (member, fate) in batch.members.iter().zip(fates) {
            match fate {
                Fate::Confirmed => batch.tally.announced += 1,
                Fate::TooLarge => {
                    warn!(site.id = %self.order.site, member.id = %member, "an event is larger than the broker takes");
                    batch.tally.too_large += 1;
                }
                Fate::Returned => {
                    let nowhere = || ResyncError::Unrouted(self.order.exchange.clone());
                    return Err(self.order.to.clone().map_or_else(nowhere, ResyncError::NoQueue));
                }
                Fate::Refused => {
                    let queue = self.order.to.as_ref().map(|queue| format!("queue `{queue}`"));
                    return Err(ResyncError::Refused(queue.unwrap_or_else(|| "a queue of a consumer".to_owned())));
                }
            }
        }
        self.tally += batch.tally;
        self.next = batch.next;
        self.under_way.pop_front();
        Ok(())
    }
}

impl Batch {
    fn of(page: &ResyncPage) -> Self {
        let members = page.changes.iter().map(|change| change.member_id).collect();
        let tally = Tally { members: page.members, unreadable: page.unreadable, ..Tally::default() };
        Self { members, tally, next: page.next }
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.members += other.members;
        self.announced += other.announced;
        self.too_large += other.too_large;
        self.unreadable += other.unreadable;
    }
}
