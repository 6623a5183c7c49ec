//! The lane: a channel, a consumer with its own prefetch, a database session, and this loop. Lanes run side by side and
//! share nothing on the join path.

use std::sync::Arc;

use lapin::Connection;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::Desk;
use super::arrival::Item;
pub use super::settle::Gone;
use super::settle::Settle;
use crate::operations::Dependency;
use crate::postgres::{Session, StoreError};
use crate::rabbitmq::consumer::{Deliveries, Tag};
use crate::retry::Pauses;
use crate::telemetry::chain;
use crate::wire::Incoming;

/// One lane.
pub struct Lane {
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
}

impl Lane {
    /// Makes a lane with a session of its own.
    #[must_use]
    pub fn new(desk: Arc<Desk>, store: Session) -> Self {
        let store = store.standing_for(desk.id);
        Self { desk, store }
    }

    /// Serves until `stop`. An outage of `PostgreSQL` closes the channel, which returns its deliveries, and opens another
    /// once `PostgreSQL` answers.
    ///
    /// # Errors
    /// If the channel is gone: the connection is to be started over.
    pub async fn run(&mut self, connection: &Connection, stop: &CancellationToken) -> Result<(), Gone> {
        // After an outage one delivery is tried first: a database that answers may still refuse every write, and each
        // delivery that comes and goes uses up its delivery limit.
        let mut careful = false;
        let mut pauses = Pauses::up_to(self.desk.outage.max_pause);
        while stop.run_until_cancelled(self.until_ready()).await.is_some() {
            let desk = Arc::clone(&self.desk);
            let (queue, prefetch) = (desk.names.requests(), if careful { 1 } else { desk.join.prefetch });
            let deliveries = Deliveries::open(connection, &queue, prefetch, desk.broker_timeout).await?;
            desk.health.up(Dependency::Consuming);
            match self.serve(deliveries, careful, stop).await? {
                Pause::Stop => break,
                Pause::Recovered => {
                    careful = false;
                    pauses.reset();
                }
                Pause::Outage => {
                    careful = true;
                    stop.run_until_cancelled(tokio::time::sleep(pauses.next_pause())).await;
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
        let desk = Arc::clone(&self.desk);
        let mut settle = desk.settle(deliveries.settlements());
        let pause = loop {
            // Enough for all lanes: each of them sees the same room.
            desk.hand_over.room(desk.join.lanes * desk.join.batch_max).await;
            let batch = tokio::select! {
                biased;
                () = stop.cancelled() => break Pause::Stop,
                (tag, copied) = settle.next_copy() => {
                    settle.copied(tag, copied).await?;
                    continue;
                }
                batch = deliveries.next_batch(desk.join.batch_max) => batch.ok_or(Gone::Ended)?,
            };
            // What came back may be what a process died of, or may only have been near it.
            let (suspects, fresh): (Vec<_>, Vec<_>) = batch.into_iter().partition(|(_, incoming)| incoming.redelivered);
            for (tag, _) in &suspects {
                settle.taken(*tag);
            }
            if let Some(pause) = self.together(fresh, &mut settle, stop).await? {
                break pause;
            }
            if let Some(pause) = self.one_by_one(suspects, &mut settle, stop).await? {
                break pause;
            }
            if careful {
                break Pause::Recovered;
            }
        };
        self.leave(deliveries, settle, pause).await?;
        Ok(pause)
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
        let items: Vec<Item> =
            fresh.into_iter().filter_map(|(tag, incoming)| desk.take_in(tag, incoming, settle)).collect();
        let pause = self.join(items, settle, stop, desk.outage.hold).await?;
        if pause.is_none() {
            settle.acknowledge().await?;
        }
        Ok(pause)
    }

    /// Settles what can be settled; the rest goes back with the channel.
    async fn leave(&self, deliveries: Deliveries, mut settle: Settle, pause: Pause) -> Result<(), Gone> {
        settle.acknowledge().await?;
        // A copy under way is confirmed in milliseconds, or not at all: then its delivery goes back, too.
        let limit = self.desk.confirm_timeout;
        if let Ok(settled) = tokio::time::timeout(limit, settle.all_copies()).await {
            settled?;
        }
        deliveries.close(self.desk.broker_timeout).await?;
        debug!(?pause, "lane closed its channel");
        Ok(())
    }

    /// Whether `PostgreSQL` answers. A process that asks lives, and so died of no suspect that it left marked when an outage
    /// or the loss of its connection cut the try; only none must be in hand meanwhile.
    async fn serves(&mut self) -> Result<(), StoreError> {
        self.store.probe().await?;
        let _alone = self.desk.floor.write().await;
        self.store.unmark_process(self.desk.id).await
    }

    /// Waits until `PostgreSQL` answers and the keys, if any are configured, were read once.
    async fn until_ready(&mut self) {
        let mut pauses = Pauses::up_to(self.desk.outage.max_pause);
        while let Err(error) = self.serves().await {
            self.desk.health.down(Dependency::Database, chain(&error));
            tokio::time::sleep(pauses.next_pause()).await;
        }
        self.desk.health.up(Dependency::Database);
        if let Some(reason) = self.desk.authenticator.keys_missing() {
            self.desk.health.down(Dependency::Keys, reason);
            info!("waiting for the keys that session tokens are checked with");
            self.desk.authenticator.wait_for_keys().await;
        }
        self.desk.health.up(Dependency::Keys);
    }
}
