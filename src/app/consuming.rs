//! The consuming connection: topology first, then the lanes, side by side, until one of them fails or all stop.

use std::sync::Arc;
use std::time::Duration;

use lapin::Connection;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{App, StartError};
use crate::config::Config;
use crate::join::Desk;
use crate::join::lane::{Gone, Lane};
use crate::operations::{Dependency, Health, Meters};
use crate::postgres::{Role, Session, StoreError};
use crate::rabbitmq::clock_proof::{self, ProofError};
use crate::rabbitmq::supervisor::{Sessions, Supervised};
use crate::rabbitmq::topology::{self, Declared, Names, TopologyError};

/// What the consuming side needs.
pub(super) struct Consuming {
    config: Config,
    health: Health,
    meters: Meters,
    names: Names,
    desk: Arc<Desk>,
    stop: CancellationToken,
    timestamps_forgeable: bool,
}

/// Why a consuming session ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConsumingEnd {
    #[error("the topology is not as it must be")]
    Topology(#[from] TopologyError),
    #[error("the broker's clock could not be proven")]
    Clock(#[from] ProofError),
    #[error("a lane lost its channel")]
    Lane(#[from] Gone),
    #[error("a lane has no database session")]
    Store(#[from] StoreError),
    #[error("a lane broke down")]
    Panic(#[source] tokio::task::JoinError),
}

/// A quorum queue whose broker is killed right after its declaration can be lost for good, confirmed messages included.
const SETTLING_OF_NEW_QUEUES: Duration = Duration::from_secs(2);

impl Consuming {
    pub(super) fn new(app: &App, stop: CancellationToken) -> Self {
        let (config, health, meters) = (app.config.clone(), app.health.clone(), app.meters.clone());
        Self { config, health, meters, names: app.names.clone(), desk: app.desk(), stop, timestamps_forgeable: false }
    }

    /// Consumes until `stop`, over as many connections as that takes.
    pub(super) async fn run(self) -> Result<(), StartError> {
        let (config, health, stop) = (self.config.clone(), self.health.clone(), self.stop.clone());
        let supervised = Supervised {
            url: &config.broker.url,
            name: "join-community consuming",
            broker: &config.broker,
            longest_pause: config.outage.max_pause,
            dependency: Some(Dependency::Consuming),
            health: &health,
        };
        let mut sessions = self;
        supervised.run(&stop, &mut sessions).await;
        if sessions.timestamps_forgeable { Err(StartError::TimestampsForgeable) } else { Ok(()) }
    }

    /// Runs the lanes. The first that fails stops the others: the connection is started over as a whole.
    async fn lanes(&self, connection: Arc<Connection>) -> Result<(), ConsumingEnd> {
        let stop = self.stop.child_token();
        let mut running = JoinSet::new();
        for place in 0..self.config.join.lanes {
            let store = Session::new(&self.config.database, Role::Lane)?;
            let store = store.counted(self.meters.connections.of("database").clone());
            let mut lane = Lane::new(place, Arc::clone(&self.desk), store);
            let (connection, stop) = (Arc::clone(&connection), stop.clone());
            running.spawn(async move { lane.run(&connection, &stop).await });
        }
        let ended = async {
            let mut end = Ok(());
            while let Some(ended) = running.join_next().await {
                if let Err(error) = ended.map_err(ConsumingEnd::Panic).and_then(|ended| Ok(ended?)) {
                    stop.cancel();
                    end = Err(error);
                }
            }
            end
        };
        tokio::select! {
            end = ended => end,
            never = self.desk.watch_queue(&connection) => match never {},
            never = self.desk.look_ahead(&connection) => match never {},
            never = self.desk.follow_bounds() => match never {},
        }
    }
}

impl Sessions for Consuming {
    type End = ConsumingEnd;

    async fn session(&mut self, connection: Arc<Connection>) -> Result<(), ConsumingEnd> {
        self.meters.connections.of(Dependency::Consuming.as_str()).increment(1);
        if self.config.broker.declare {
            let Declared { created_queues } = topology::declare(&connection, &self.names).await?;
            if created_queues {
                self.stop.run_until_cancelled(tokio::time::sleep(SETTLING_OF_NEW_QUEUES)).await;
            }
        }
        self.desk.shards.found(topology::highest_shard(&connection, &self.names).await?);
        // Proven with every connection: a broker may come back with another configuration.
        if self.config.auth.trust_broker_timestamps {
            self.timestamps_forgeable = !clock_proof::overwrites_timestamps(&self.config.broker).await?;
            if self.timestamps_forgeable {
                return Ok(());
            }
        }
        self.lanes(connection).await
    }
}
