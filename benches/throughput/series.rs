//! What is held against each other, and how each of it is started.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use join_community::auth::mint::Algorithm;

use crate::cli::Cli;
use crate::clock::Proof;
use crate::ground::{Ground, Size, Tables};
use crate::peers::Installed;
use crate::requests::Manner;

/// One way to do the work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Series {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// What it is.
    pub(crate) what: &'static str,
    /// How it is made.
    pub(crate) kind: Kind,
}

/// How a series is made.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// The worker, on requests that prove themselves by a token, or for which a producer vouches.
    Worker(Option<Algorithm>),
    /// Another build of it, or the same with other settings, as the command line says.
    Other,
    /// The worker with requests spread over so many shards by a header that each carries.
    Spread(u16),
    /// The worker with database and cache answered from nothing.
    BrokerCeiling,
    /// The worker's batches without a broker.
    StoreCeiling,
    /// One task a message, so many at once.
    OneAtATime(u16),
    /// A program under `benches/peers/`, and the pool that it shall use.
    Peer(&'static str, Option<&'static str>),
}

/// The worker as most use it.
pub(crate) const WORKER: Series =
    Series { name: "worker", what: "the release binary with its defaults", kind: Kind::Worker(None) };

/// What is compared with it in an experiment.
pub(crate) const OTHER: Series =
    Series { name: "other", what: "another build, or with other settings", kind: Kind::Other };

/// The first comparison: the worker, what its services allow, and what others would write.
pub(crate) const THROUGHPUT: &[Series] = &[
    WORKER,
    Series {
        name: "broker-ceiling",
        what: "the same lanes and announcer, database and cache answered from nothing",
        kind: Kind::BrokerCeiling,
    },
    Series {
        name: "store-ceiling",
        what: "the same batches straight into PostgreSQL and Redis, no broker",
        kind: Kind::StoreCeiling,
    },
    Series {
        name: "one-at-a-time-32",
        what: "plain `lapin`, `sqlx`, `redis`: a task for each message, 32 in flight",
        kind: Kind::OneAtATime(32),
    },
    Series { name: "one-at-a-time-200", what: "the same, 200 in flight", kind: Kind::OneAtATime(200) },
    Series {
        name: "faststream",
        what: "FastStream, asyncpg, redis-py, uvloop; 2 processes",
        kind: Kind::Peer("faststream", None),
    },
    Series { name: "node", what: "amqplib, pg, ioredis; 2 processes", kind: Kind::Peer("node", None) },
    Series {
        name: "celery-prefork",
        what: "Celery, psycopg, redis-py; 8 processes",
        kind: Kind::Peer("celery", Some("prefork")),
    },
    Series {
        name: "celery-gevent",
        what: "the same; 2 processes of 200 greenlets",
        kind: Kind::Peer("celery", Some("gevent")),
    },
    Series { name: "go", what: "amqp091-go, pgx, redigo; 2 cores", kind: Kind::Peer("go", None) },
];

/// The second: what it costs to believe the members themselves.
pub(crate) const TOKENS: &[Series] = &[
    Series { name: "worker", what: "a trusted producer vouches", kind: Kind::Worker(None) },
    Series { name: "worker-rs256", what: "a token each, RS256", kind: Kind::Worker(Some(Algorithm::Rs256)) },
    Series { name: "worker-es256", what: "a token each, ES256", kind: Kind::Worker(Some(Algorithm::Es256)) },
];

/// The third: what several request queues cost.
pub(crate) const SHARDS: &[Series] = &[
    Series { name: "worker", what: "one queue", kind: Kind::Spread(1) },
    Series { name: "shards-2", what: "2 shards", kind: Kind::Spread(2) },
    Series { name: "shards-4", what: "4 shards", kind: Kind::Spread(4) },
];

impl Series {
    /// Over how many queues its requests are spread.
    pub(crate) const fn shards(&self) -> u16 {
        match self.kind {
            Kind::Spread(shards) => shards,
            Kind::Worker(_)
            | Kind::Other
            | Kind::BrokerCeiling
            | Kind::StoreCeiling
            | Kind::OneAtATime(_)
            | Kind::Peer(..) => 1,
        }
    }

    /// Whose tables it works on.
    pub(crate) const fn tables(&self) -> Tables {
        match self.kind {
            Kind::Worker(_) | Kind::Other | Kind::Spread(_) | Kind::BrokerCeiling | Kind::StoreCeiling => Tables::Ours,
            Kind::OneAtATime(_) | Kind::Peer(..) => Tables::Plain,
        }
    }

    /// Lays the ground that it works on.
    pub(crate) async fn lay(&self, size: Size, cli: &Cli) -> Result<Ground> {
        match self.kind {
            Kind::Other => Box::pin(cli.other.lay(&cli.worker, size)).await,
            Kind::Worker(_)
            | Kind::Spread(_)
            | Kind::BrokerCeiling
            | Kind::StoreCeiling
            | Kind::OneAtATime(_)
            | Kind::Peer(..) => Box::pin(Ground::lay_spread(self.tables(), size, self.shards())).await,
        }
    }

    /// What has to be there in the end.
    pub(crate) const fn proof(&self) -> Proof {
        match self.kind {
            Kind::Worker(_) | Kind::Other | Kind::Spread(_) | Kind::OneAtATime(_) | Kind::Peer(..) => Proof::Everything,
            Kind::BrokerCeiling => Proof::Events,
            Kind::StoreCeiling => Proof::Stored,
        }
    }

    /// How many requests tell roughly how fast it is.
    pub(crate) fn first_guess(&self) -> usize {
        match self.kind {
            Kind::Worker(_) | Kind::Other | Kind::Spread(_) | Kind::BrokerCeiling | Kind::StoreCeiling => 20_000,
            Kind::OneAtATime(_) | Kind::Peer("go" | "node", _) => 3_000,
            Kind::Peer(..) => 1_000,
        }
    }

    /// How its requests are sent.
    pub(crate) fn manner(&self, peer: Option<&Installed>) -> Manner {
        match (self.kind, peer) {
            (Kind::Worker(Some(algorithm)), _) => Manner::Token(algorithm),
            (Kind::Worker(None) | Kind::Other | Kind::BrokerCeiling, _) => Manner::Producer,
            (Kind::Spread(_), _) => Manner::Spread,
            (Kind::StoreCeiling, _) => Manner::None,
            (Kind::Peer(..), Some(peer)) if peer.folder.join("produce").exists() => Manner::Own(peer.clone()),
            (Kind::OneAtATime(_) | Kind::Peer(..), _) => Manner::Plain,
        }
    }

    /// The command that does the work on this ground.
    pub(crate) fn command(&self, ground: &Ground, cli: &Cli, peer: Option<&Installed>) -> Result<Command> {
        Ok(match (self.kind, peer) {
            (Kind::Worker(_) | Kind::Spread(_), _) => worker_command(&cli.worker, ground),
            (Kind::Other, _) => cli.other.command(&cli.worker, ground),
            (Kind::BrokerCeiling, _) => ourselves(&["broker-ceiling"], ground)?,
            (Kind::StoreCeiling, _) => ourselves(&["store-ceiling"], ground)?,
            (Kind::OneAtATime(in_flight), _) => ourselves(&["one-at-a-time", &in_flight.to_string()], ground)?,
            (Kind::Peer(name, pool), peer) => {
                let mut command = peer.map(Installed::run).ok_or_else(|| anyhow::anyhow!("{name} is not installed"))?;
                ground.place.tell_peer(&mut command);
                if let Some(pool) = pool {
                    command.env("PEER_POOL", pool);
                }
                command
            }
        })
    }
}

/// The worker as a user starts it.
pub(crate) fn worker_command(worker: &Path, ground: &Ground) -> Command {
    let mut command = Command::new(worker);
    command.arg("run");
    ground.place.tell_worker(&mut command);
    command.env("JOIN_COMMUNITY__BROKER__SHARDS", ground.shards.to_string());
    command
}

/// This program again, as one of its hidden commands.
pub(crate) fn ourselves(arguments: &[&str], ground: &Ground) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments);
    ground.place.tell_worker(&mut command);
    ground.place.tell_peer(&mut command);
    Ok(command)
}
