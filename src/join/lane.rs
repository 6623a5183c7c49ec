//! The lane: a channel for each of its queues, a database session, and this loop. Lanes run side by side and
//! share nothing on the join path.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use lapin::Connection;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::Desk;
use super::arrival::Item;
pub use super::settle::Gone;
use super::settle::Settle;
use super::shards::TURN;
use super::sources::order;
use crate::operations::{Dependency, Laps, Step};
use crate::postgres::Session;
use crate::rabbitmq::consumer::{Deliveries, Tag};
use crate::wire::Incoming;

/// A batch that takes longer waits for something: a lock, an outage, a suspect.
const LONG: Duration = Duration::from_millis(100);

/// One lane.
pub struct Lane {
    pub(super) place: usize,
    /// Batches, so that each queue comes first in its turn.
    turn: usize,
    /// When it last looked whether it is to leave a shard to another worker.
    pub(super) looked: Instant,
    /// Deliveries that it has in advance, as last chosen.
    pub(super) prefetch: u16,
    pub(super) desk: Arc<Desk>,
    pub(super) store: Session,
}

/// Why a lane stopped serving a channel that still lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pause {
    /// The worker stops.
    Stop,
    /// `PostgreSQL` is out for longer than deliveries may be held.
    Outage,
    /// It serves again: what was tried with care can go on in full.
    Recovered,
    /// Another number of lanes, or of deliveries for each, was chosen, or somebody has paused intake or database.
    Resteered,
}

/// What a lane does next.
enum Next {
    /// It handles what came.
    Batch(Vec<(Tag, Incoming)>),
    /// Nothing: a copy was settled.
    Settled,
    /// It looks whether it is to leave a shard to another worker.
    Share,
    /// It ends here.
    End(Pause),
}

impl Lane {
    /// Makes a lane with a session of its own. Its place among the lanes tells whether it works or rests.
    #[must_use]
    pub fn new(place: usize, desk: Arc<Desk>, store: Session) -> Self {
        let store = store.standing_for(desk.id);
        Self { place, turn: 0, looked: Instant::now(), prefetch: 0, desk, store }
    }

    /// Serves until `stop`. An outage of `PostgreSQL` closes the channel, which returns its deliveries, and opens another
    /// once `PostgreSQL` answers.
    ///
    /// # Errors
    /// If the channel is gone: the connection is to be started over.
    pub async fn run(&mut self, connection: &Connection, stop: &CancellationToken) -> Result<(), Gone> {
        // After an outage one delivery of each queue is tried first: a database that answers may still refuse every write,
        // and each delivery that comes and goes uses up its delivery limit.
        let mut careful = false;
        let mut tries = self.desk.tries_of_database();
        while stop.run_until_cancelled(self.until_ready()).await.is_some() {
            let desk = Arc::clone(&self.desk);
            let sources = self.sources(careful);
            // On a connection that is just being lost the answer may never come.
            let opening = Deliveries::open(connection, &sources, desk.broker_timeout);
            let Some(deliveries) = stop.run_until_cancelled(opening).await.transpose()? else { break };
            desk.health.up(Dependency::Consuming);
            match self.serve(deliveries, careful, stop).await? {
                Pause::Stop => break,
                Pause::Resteered => {}
                Pause::Recovered => {
                    careful = false;
                    tries.reset();
                }
                Pause::Outage => {
                    careful = true;
                    stop.run_until_cancelled(tries.pause()).await;
                }
            }
        }
        Ok(())
    }

    /// Takes what is ready, brings it to its outcome, settles it; again and again.
    async fn serve(
        &mut self,
        mut deliveries: Deliveries,
        careful: bool,
        stop: &CancellationToken,
    ) -> Result<Pause, Gone> {
        let _serving = self.desk.meters.serving();
        let mut settle = self.desk.settle(deliveries.settlements());
        self.desk.shards.holds(self.place, 0);
        let (mut earliest, mut last) = (Instant::now(), Instant::now());
        if careful {
            settle.hold();
        }
        let pause = loop {
            let most = self.desk.steering.next_batch();
            let batch = match self.next(&mut deliveries, (earliest, most), &mut settle, stop).await? {
                Next::Batch(batch) => batch,
                Next::Settled => continue,
                Next::Share => {
                    if let Some(pause) = self.share(&mut deliveries, &mut settle, stop).await? {
                        break pause;
                    }
                    continue;
                }
                Next::End(pause) => break self.finish(&mut deliveries, &mut settle, (pause, last)).await?,
            };
            self.turn = self.turn.wrapping_add(1);
            let (began, requests) = (Instant::now(), batch.len());
            earliest = began + self.desk.steering.chosen().pace;
            if let Some(pause) = self.in_time(batch, &mut settle, stop).await? {
                break pause;
            }
            last = Instant::now();
            self.desk.steering.learn(most, requests, began.elapsed());
            if careful {
                break self.finish(&mut deliveries, &mut settle, (Pause::Recovered, last)).await?;
            }
        };
        self.leave(deliveries, settle, pause).await?;
        self.desk.shards.holds(self.place, 0);
        Ok(pause)
    }

    /// Waits for whatever comes first; for a batch not before it may begin.
    async fn next(
        &self,
        deliveries: &mut Deliveries,
        (earliest, most): (Instant, usize),
        settle: &mut Settle,
        stop: &CancellationToken,
    ) -> Result<Next, Gone> {
        self.until_room().await;
        deliveries.serve(|sources| order(sources, self.turn));
        Ok(tokio::select! {
            biased;
            () = stop.cancelled() => Next::End(Pause::Stop),
            () = self.desk.steering.until_unwanted(self.place, self.prefetch) => Next::End(Pause::Resteered),
            () = self.desk.controls.until_paused() => Next::End(Pause::Resteered),
            () = sleep_until(self.looked + TURN), if self.desk.shards.are_there() => Next::Share,
            (tag, copied) = settle.next_copy() => {
                settle.copied(tag, copied).await?;
                Next::Settled
            }
            batch = async {
                sleep_until(earliest).await;
                deliveries.next_batch(most).await
            } => Next::Batch(batch.ok_or(Gone::Ended)?),
        })
    }

    /// Waits a moment where the announcer is behind: for enough room for all lanes, since each of them sees the same.
    pub(super) async fn until_room(&self) {
        let chosen = self.desk.steering.chosen();
        self.desk.hand_over.room(chosen.lanes * chosen.batch).await;
    }

    /// Handles a batch. If that takes long, all lanes are called to work: the one that gathers shall not keep all others waiting.
    async fn in_time(
        &mut self,
        batch: Vec<(Tag, Incoming)>,
        settle: &mut Settle,
        stop: &CancellationToken,
    ) -> Result<Option<Pause>, Gone> {
        let desk = Arc::clone(&self.desk);
        let mut handling = pin!(self.handle(batch, settle, stop));
        if let Ok(handled) = timeout(LONG, &mut handling).await {
            return handled;
        }
        desk.steering.call_all();
        handling.await
    }

    /// Brings a batch to its outcomes and settles it. What came back may be what a process died of, or may only have been
    /// near it.
    pub(super) async fn handle(
        &mut self,
        batch: Vec<(Tag, Incoming)>,
        settle: &mut Settle,
        stop: &CancellationToken,
    ) -> Result<Option<Pause>, Gone> {
        settle.taken(batch.iter().map(|(tag, _)| *tag));
        self.desk.crowding.took(batch.len() as u64);
        let (suspects, fresh): (Vec<_>, Vec<_>) = batch.into_iter().partition(|(_, incoming)| incoming.redelivered);
        match self.together(fresh, settle, stop).await? {
            Some(pause) => Ok(Some(pause)),
            None => self.one_by_one(suspects, settle, stop).await,
        }
    }

    /// Joins a batch, side by side with those of other lanes.
    async fn together(
        &mut self,
        fresh: Vec<(Tag, Incoming)>,
        settle: &mut Settle,
        stop: &CancellationToken,
    ) -> Result<Option<Pause>, Gone> {
        if fresh.is_empty() {
            return Ok(None);
        }
        let desk = Arc::clone(&self.desk);
        // A suspect may keep the floor for as long as an outage is sat out.
        let Some(_shared) = stop.run_until_cancelled(desk.floor.read()).await else {
            return Ok(Some(Pause::Stop));
        };
        let mut reading = Laps::begin();
        let mut items: Vec<Item> =
            fresh.into_iter().filter_map(|(tag, incoming)| desk.take_in(tag, incoming, settle)).collect();
        desk.take_ahead(&mut items);
        reading.done(Step::Read);
        desk.meters.step(Step::Read).record(reading.total().as_secs_f64());
        let pause = self.join(items, settle, stop, desk.outage.hold).await?;
        if pause.is_none() {
            settle.acknowledge().await?;
        }
        Ok(pause)
    }
}
