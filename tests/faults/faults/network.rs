//! The network between the worker and each service: refusing, slow, narrow, one-way, cut at any byte.

use std::time::Duration;

use anyhow::Result;
use futures_util::FutureExt as _;

use crate::dice::Dice;
use crate::load::Load;
use crate::proxy::{Network, Proxy, Way};
use crate::sender::Sender;
use crate::stage::Stage;
use crate::trial::{Fault, Outcome, Trial};

const BROKER: &str = "JOIN_COMMUNITY__BROKER__URL";
const DATABASE: &str = "JOIN_COMMUNITY__DATABASE__URL";
const CACHE: &str = "JOIN_COMMUNITY__CACHE__URL";

/// How long a state lasts: longer than every limit of a stage but the lost heartbeat's double.
const WHILE: Duration = Duration::from_secs(5);

/// Each kind of network once.
const QUICK: [&str; 5] = ["rabbitmq-slow", "rabbitmq-deaf", "postgres-refuses", "postgres-mute", "redis-narrow"];

macro_rules! networks {
    ($($name:literal, $what:literal, $variable:expr, $network:expr;)*) => {
        vec![$(Fault {
            name: concat!("network/", $name),
            what: $what,
            quick: QUICK.contains(&$name),
            alone: false,
            workers: &[1, 3],
            run: |trial| state(trial, $variable, $network).boxed(),
        }),*]
    };
}

pub(super) fn faults() -> Vec<Fault> {
    let mut faults = networks![
        "rabbitmq-refuses", "connections to RabbitMQ cut and refused", BROKER, Network::Refusing;
        "rabbitmq-slow", "2 s between worker and RabbitMQ", BROKER, Network::Slow(Duration::from_secs(1));
        "rabbitmq-narrow", "10 kB/s between worker and RabbitMQ", BROKER, Network::Narrow(10_000);
        "rabbitmq-deaf", "nothing arrives at RabbitMQ", BROKER, Network::DeafService;
        "rabbitmq-mute", "nothing arrives from RabbitMQ", BROKER, Network::DeafClient;
        "postgres-refuses", "connections to PostgreSQL cut and refused", DATABASE, Network::Refusing;
        "postgres-slow", "2 s between worker and PostgreSQL", DATABASE, Network::Slow(Duration::from_secs(1));
        "postgres-narrow", "10 kB/s between worker and PostgreSQL", DATABASE, Network::Narrow(10_000);
        "postgres-deaf", "nothing arrives at PostgreSQL", DATABASE, Network::DeafService;
        "postgres-mute", "nothing arrives from PostgreSQL: answers of commits are lost", DATABASE, Network::DeafClient;
        "redis-refuses", "connections to Redis cut and refused", CACHE, Network::Refusing;
        "redis-slow", "2 s between worker and Redis", CACHE, Network::Slow(Duration::from_secs(1));
        "redis-narrow", "10 kB/s between worker and Redis", CACHE, Network::Narrow(10_000);
        "redis-deaf", "nothing arrives at Redis", CACHE, Network::DeafService;
        "redis-mute", "nothing arrives from Redis", CACHE, Network::DeafClient;
    ];
    let cut = |name, what, run| Fault { name, what, quick: true, alone: false, workers: &[1], run };
    faults.push(cut("network/rabbitmq-cut-at-bytes", "connections to RabbitMQ cut at the k-th byte", |trial| {
        cut_at_bytes(trial, BROKER).boxed()
    }));
    faults.push(cut("network/postgres-cut-at-bytes", "connections to PostgreSQL cut at the k-th byte", |trial| {
        cut_at_bytes(trial, DATABASE).boxed()
    }));
    faults.push(cut("network/redis-cut-at-bytes", "connections to Redis cut at the k-th byte", |trial| {
        cut_at_bytes(trial, CACHE).boxed()
    }));
    faults
}

/// Workers that reach one service through a proxy, and a load on its way.
async fn begin(trial: &Trial, variable: &'static str, joins: usize) -> Result<(Stage, Proxy, Sender)> {
    let mut stage = Stage::set(trial).await?;
    let (proxy, through) = Proxy::before(&stage.fleet.setting(variable)?)?;
    stage.fleet.set(variable, through);
    stage.fleet.start(trial.workers).await?;
    let load = Load::mixed(&stage.installation, trial.seed, joins).await?;
    let sender = stage.send(load, Duration::from_millis(100));
    Ok((stage, proxy, sender))
}

async fn state(trial: Trial, variable: &'static str, network: Network) -> Result<Outcome> {
    let (mut stage, proxy, mut sender) = begin(&trial, variable, if trial.quick { 200 } else { 1000 }).await?;
    sender.until(10).await?;
    proxy.set(network);
    tokio::time::sleep(WHILE).await;
    proxy.set(Network::Good);
    stage.healed();
    stage.conclude(sender).await
}

/// Each connection that is made is cut at another byte, until all places were tried: at every byte of what follows the
/// handshakes of these protocols, and at every 32nd of these; in the short run at some, chosen by chance.
async fn cut_at_bytes(trial: Trial, variable: &'static str) -> Result<Outcome> {
    let (mut stage, proxy, sender) = begin(&trial, variable, if trial.quick { 200 } else { 3000 }).await?;
    let mut places: Vec<(Way, u64)> = Vec::new();
    for way in [Way::Up, Way::Down] {
        places
            .extend((1..1024).step_by(32).chain(1024..if variable == CACHE { 2048 } else { 4096 }).map(|at| (way, at)));
    }
    Dice::new(trial.seed).shuffle(&mut places);
    places.truncate(if trial.quick { 12 } else { places.len() });
    for (way, at) in &places {
        let before = proxy.cuts();
        proxy.set(Network::CutAt(*way, *at));
        // Whoever is connected already is cut as well, once so much has passed.
        for _ in 0..200 {
            if proxy.cuts() > before {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    proxy.set(Network::Good);
    stage.healed();
    let times = proxy.cuts();
    let mut outcome = stage.conclude(sender).await?;
    outcome.note = format!("{} places", places.len());
    Ok(Outcome { times, ..outcome })
}
