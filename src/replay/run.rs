//! The replay itself: step by step, each larger than the last and only if that one went well. Letters are out of their queue
//! only while a step is read; each goes when its replacement is confirmed, and the rest lies where it lay.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::order::{Order, Pace};
use super::sending::{ReplayError, send};
use super::tally::{Failure, Tally};
use super::way_back::{Ready, WayBack};
use crate::config::Broker;
use crate::postgres::{RequestKey, Session};
use crate::rabbitmq::courier::Courier;
use crate::rabbitmq::dead_letters::{DeadLetters, Letter, shown_id};

/// RabbitMQ takes back what is held for half an hour; a slow step ends well before that.
const LONGEST_STEP: Duration = Duration::from_mins(10);

/// What is told while it goes on.
pub enum Told<'a> {
    /// A letter is not replayed; why.
    Refused(&'a Letter, &'a str),
    /// The counts changed.
    Counted(&'a Tally),
}

/// What a replay needs.
pub struct Parts {
    /// Where the letters lie.
    pub broker: Broker,
    /// Makes requests of them.
    pub way_back: WayBack,
    /// Publishes those, as the worker's user.
    pub courier: Courier,
    /// Tells what became of them.
    pub store: Session,
}

/// A replay.
pub struct Replay {
    pub(super) broker: Broker,
    pub(super) way_back: WayBack,
    pub(super) courier: Courier,
    pub(super) store: Session,
    pub(super) order: Order,
    pub(super) stop: CancellationToken,
    pub(super) tally: Tally,
    /// Chosen ids that no letter has.
    missing: Vec<String>,
    /// Letters at the head of the queue that were looked at and stay.
    judged: u32,
    /// Letters whose replacement is confirmed, and which may lie there still.
    confirmed: BTreeSet<String>,
    pace: Pace,
}

/// What was sent, until its outcome is known.
pub(super) struct Sent {
    pub(super) letter: String,
    pub(super) key: RequestKey,
}

impl Replay {
    /// Prepares it.
    #[must_use]
    pub fn new(parts: Parts, order: Order, stop: CancellationToken) -> Self {
        let Parts { broker, way_back, courier, store } = parts;
        let (tally, missing, pace) = (Tally::default(), Vec::new(), Pace::new(order.rate, Instant::now()));
        let confirmed = BTreeSet::new();
        Self { broker, way_back, courier, store, order, stop, tally, missing, judged: 0, confirmed, pace }
    }

    /// Goes on with a replay that ended early: the replacements of these letters are confirmed. Nothing else has to be
    /// known of it, because whatever else it sent is gone, or came back with its mark.
    #[must_use]
    pub fn knowing(self, confirmed: BTreeSet<String>) -> Self {
        Self { confirmed, ..self }
    }

    /// What somebody has to know who goes on with it.
    #[must_use]
    pub const fn confirmed(&self) -> &BTreeSet<String> {
        &self.confirmed
    }

    /// What it came to so far.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The chosen ids that no letter has.
    #[must_use]
    pub fn missing(&self) -> &[String] {
        &self.missing
    }

    /// Takes leave of the broker.
    pub async fn close(self) {
        self.courier.close().await;
    }

    /// Replays what was ordered, until it is done, stopped, or fails too often.
    ///
    /// # Errors
    /// If a service fails on the way; the tally holds what was done before.
    pub async fn run(&mut self, told: &mut (impl FnMut(Told<'_>) + Send)) -> Result<(), ReplayError> {
        self.tally.chosen = self.look(true).await?;
        loop {
            told(Told::Counted(&self.tally));
            let (sent, done) = self.step(told).await?;
            let count = u32::try_from(sent.len()).unwrap_or(u32::MAX);
            if count > 0 {
                self.tally.steps += 1;
            }
            let mut why = None;
            if !self.order.at_once {
                let (failures, most) = (self.await_outcomes(sent).await?, self.order.max_failures);
                let too_many = self.order.is_too_many(failures, count);
                why = too_many.then(|| format!("{failures} of {count} in the last step failed, more than {most} %"));
            }
            let why = why.or_else(|| self.stop.is_cancelled().then(|| "it was told to stop".to_owned()));
            if why.is_some() && !done {
                self.tally.left = self.look(false).await?;
                self.tally.stopped = why.clone().filter(|_| self.tally.left > 0);
            }
            told(Told::Counted(&self.tally));
            if why.is_some() || done {
                return Ok(());
            }
        }
    }

    /// Counts those that are meant and were not looked at yet.
    async fn look(&mut self, first: bool) -> Result<u32, ReplayError> {
        let mut unmet = if first { self.order.selection.ids.clone() } else { BTreeSet::new() };
        let mut letters = DeadLetters::open(&self.broker).await?;
        let counted = async {
            let (mut place, mut count) = (0_u32, 0_u32);
            while let Some(letter) = letters.next().await? {
                place += 1;
                unmet.remove(&letter.id);
                if place > self.judged && self.order.selection.takes(&letter) && !self.way_back.sent(&letter) {
                    count += 1;
                }
            }
            Ok::<_, ReplayError>(count)
        }
        .await;
        let closed = letters.close().await;
        let count = counted?;
        closed?;
        if first {
            self.missing = unmet.into_iter().collect();
        }
        Ok(count)
    }

    /// One step: what it sent, and whether nothing is left after it.
    async fn step(&mut self, told: &mut (impl FnMut(Told<'_>) + Send)) -> Result<(Vec<Sent>, bool), ReplayError> {
        let mut letters = DeadLetters::open(&self.broker).await?;
        let stepped = self.read(&mut letters, told).await;
        let closed = letters.close().await;
        let stepped = stepped?;
        closed?;
        Ok(stepped)
    }

    async fn read(
        &mut self,
        letters: &mut DeadLetters,
        told: &mut (impl FnMut(Told<'_>) + Send),
    ) -> Result<(Vec<Sent>, bool), ReplayError> {
        let (began, most) = (Instant::now(), self.order.size_of(self.tally.steps));
        let (mut known, mut sent, before) = (self.judged, Vec::new(), self.tally.replayed);
        loop {
            let count = self.tally.replayed - before;
            let full = count >= most || (count > 0 && began.elapsed() > LONGEST_STEP);
            if full || self.stop.is_cancelled() {
                return Ok((sent, letters.unread() == 0));
            }
            let Some(letter) = letters.next().await? else { return Ok((sent, true)) };
            if known > 0 {
                known -= 1;
                continue;
            }
            if !self.order.selection.takes(&letter) || self.way_back.sent(&letter) {
                self.judged += 1;
                continue;
            }
            match self.replay(letters, &letter).await? {
                Ok(of_letter) => {
                    self.tally.replayed += 1;
                    if !self.order.at_once {
                        sent.push(of_letter);
                    }
                }
                Err(why) => {
                    self.judged += 1;
                    self.tally.refused += 1;
                    told(Told::Refused(&letter, &why));
                }
            }
            told(Told::Counted(&self.tally));
        }
    }

    /// Publishes the replacement of a letter and removes the letter, or says why there is no replacement.
    async fn replay(
        &mut self,
        letters: &mut DeadLetters,
        letter: &Letter,
    ) -> Result<Result<Sent, String>, ReplayError> {
        let Ready { message, request } = match self.way_back.replacement(letter) {
            Ok(ready) => ready,
            Err(why) => return Ok(Err(why)),
        };
        if !self.confirmed.contains(&letter.id) {
            self.pace().await;
            if let Err(why) = send(&mut self.courier, &self.broker, &letter.id, message).await? {
                return Ok(Err(why));
            }
            self.confirmed.insert(letter.id.clone());
        }
        letters.remove(letter).await?;
        self.confirmed.remove(&letter.id);
        Ok(Ok(Sent { letter: letter.id.clone(), key: RequestKey::of(&request) }))
    }

    /// Waits until the next letter may go; not once it was told to stop.
    async fn pace(&mut self) {
        tokio::select! {
            () = tokio::time::sleep_until(self.pace.next()) => {}
            () = self.stop.cancelled() => {}
        }
        self.pace.spent(Instant::now());
    }

    pub(super) fn failed(&mut self, sent: &Sent, why: impl Into<String>) {
        let request_id = shown_id(sent.key.id.as_str());
        self.tally.tell(|| Failure { id: sent.letter.clone(), request_id, why: why.into() });
    }
}
