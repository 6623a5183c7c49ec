//! One connection's worth of webhooks: the spreader and a carrier for each target, side by side, until one of them fails or
//! all stop.

use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use lapin::Connection;
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;

use super::SetupError;
use super::carrier::{Carrier, Outage};
use super::losses::{Hush, Losses};
use super::sender::Sender;
use super::signer::Signer;
use super::spreader::{Channels, MOST, Spreader};
use crate::config::Config;
use crate::operations::Meters;
use crate::rabbitmq::call::CallError;
use crate::rabbitmq::depth;
use crate::rabbitmq::subscription::Subscription;
use crate::rabbitmq::topology::{self, Names, TopologyError};
use crate::rabbitmq::window::{Window, WindowError};

/// Everything that sends webhooks.
pub struct Webhooks {
    spreader: Spreader,
    carriers: Vec<Carrier>,
    names: Names,
    meters: Meters,
    concurrency: u16,
    limit: Duration,
    confirm_limit: Duration,
}

/// Why a session ended. Whatever it had in hand comes again.
#[derive(Debug, thiserror::Error)]
pub enum SessionEnd {
    /// The queues cannot be looked at.
    #[error("the queues of webhooks cannot be looked at")]
    Topology(#[from] TopologyError),
    /// A queue is missing.
    #[error("queue `{0}` is missing: `topology declare` creates it")]
    Missing(String),
    /// A call to the broker failed.
    #[error("webhooks cannot be taken from their queues")]
    Call(#[from] CallError),
    /// A channel ended.
    #[error("the broker ended a channel of the webhooks")]
    Gone,
    /// Something was not confirmed.
    #[error("webhooks cannot be put into their queues")]
    Window(#[from] WindowError),
    /// A dead letter was not confirmed.
    #[error("the dead letters of webhooks are not there, or take no more")]
    DeadLetters,
    /// The key does not sign any more.
    #[error("an event could not be signed")]
    Unsigned(#[from] jsonwebtoken::errors::Error),
    /// A fault of ours.
    #[error("signing broke down")]
    BrokeDown(#[source] JoinError),
}

impl Webhooks {
    /// Puts them together; nothing if they are off. `names` are those with the webhooks in them.
    ///
    /// # Errors
    /// If the configuration cannot be used.
    pub fn new(config: &Config, names: &Names, meters: &Meters, worker_user: &str) -> Result<Option<Self>, SetupError> {
        let webhooks = &config.webhooks;
        if !webhooks.are_on() {
            return Ok(None);
        }
        let limit = config.broker.timeout;
        let mut carriers = Vec::with_capacity(webhooks.targets.len());
        for target in &webhooks.targets {
            let series = meters.webhook(&target.name);
            let losses = Arc::new(Losses::new(&target.name, series.dead.clone()));
            carriers.push(Carrier {
                target: target.name.as_str().into(),
                sender: Sender::new(webhooks, target, series.seconds.clone())?,
                ladder: webhooks.ladder.clone(),
                names: names.clone(),
                worker_user: worker_user.into(),
                series,
                losses,
                limit,
                outage: Outage::default(),
            });
        }
        let spreader = Spreader {
            signer: Arc::new(Signer::new(webhooks)?),
            losses: carriers.iter().map(|carrier| Arc::clone(&carrier.losses)).collect(),
            names: names.clone(),
            worker_user: worker_user.into(),
            processors: std::thread::available_parallelism().map_or(1, NonZero::get),
            limit,
            hush: Hush::default(),
        };
        let (names, meters, confirm_limit) = (names.clone(), meters.clone(), config.broker.confirm_timeout);
        Ok(Some(Self { spreader, carriers, names, meters, concurrency: webhooks.concurrency, limit, confirm_limit }))
    }

    /// Sends webhooks by this connection until it, or anything on it, fails, or until `stop`.
    ///
    /// # Errors
    /// Whatever ended the session; the connection is to be dropped.
    pub async fn session(&self, connection: &Connection, stop: &CancellationToken) -> Result<(), SessionEnd> {
        self.meters.connections.of("broker_webhooks").increment(1);
        // Asked first: a queue without the others would take events and lead them nowhere.
        if let Some(queue) = topology::missing_webhooks(connection, &self.names).await? {
            return Err(SessionEnd::Missing(queue));
        }
        let mut carried = Vec::with_capacity(self.carriers.len());
        for carrier in &self.carriers {
            let queue = self.names.webhook(&carrier.target);
            let (deliveries, window) = self.open(connection, &queue, self.concurrency).await?;
            carried.push(carrier.run(deliveries, window, stop));
        }
        let mut targets = Vec::with_capacity(self.carriers.len());
        for _ in &self.carriers {
            targets.push(Window::open(connection, self.confirm_limit).await?);
        }
        let (events, dead_letters) = self.open(connection, &self.names.webhooks(), MOST).await?;
        let spread = self.spreader.run(events, Channels { targets, dead_letters }, stop);
        let work = async { tokio::try_join!(spread, try_join_all(carried)) };
        tokio::select! {
            done = work => done.map(|_| ()),
            never = self.watch(connection) => match never {},
        }
    }

    async fn open(
        &self,
        connection: &Connection,
        queue: &str,
        prefetch: u16,
    ) -> Result<(Subscription, Window), SessionEnd> {
        let window = Window::open(connection, self.confirm_limit).await?;
        Ok((Subscription::open(connection, queue, prefetch, self.limit).await?, window))
    }

    /// Tells how many wait, as long as it is polled.
    async fn watch(&self, connection: &Connection) -> std::convert::Infallible {
        let queues = || -> Vec<Vec<String>> {
            let own = [vec![self.names.webhooks()], self.names.all_webhook_dead_letters()];
            own.into_iter().chain(self.names.targets().map(|target| self.names.webhook_way(target))).collect()
        };
        let seen = |place: usize, ready: depth::Ready| match place {
            0 => self.meters.queue_messages.of("webhooks").set(ready.messages),
            1 => self.meters.queue_messages.of("webhook_dead_letters").set(ready.messages),
            // In the order of the targets.
            _ => {
                if let Some(carrier) = self.carriers.get(place - 2) {
                    carrier.series.waiting.set(ready.messages);
                }
            }
        };
        depth::watch(connection, queues, seen).await
    }
}
