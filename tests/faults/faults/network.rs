//! The network between the worker and each service: refusing, slow, narrow, one-way.

use std::time::Duration;

use anyhow::Result;
use futures_util::FutureExt as _;

use crate::load::Load;
use crate::proxy::{Network, Proxy, Way};
use crate::sender::Sender;
use crate::stage::Stage;
use crate::trial::{Fault, Outcome, Trial};

pub(super) const BROKER: &str = "JOIN_COMMUNITY__BROKER__URL";
pub(super) const DATABASE: &str = "JOIN_COMMUNITY__DATABASE__URL";
pub(super) const CACHE: &str = "JOIN_COMMUNITY__CACHE__URL";

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
    networks![
        "rabbitmq-refuses", "connections to RabbitMQ cut and refused", BROKER, Network::Refusing;
        "rabbitmq-slow", "2 s between worker and RabbitMQ", BROKER, Network::Slow(Duration::from_secs(1));
        "rabbitmq-narrow", "10 kB/s between worker and RabbitMQ", BROKER, Network::Narrow(10_000);
        "rabbitmq-deaf", "nothing arrives at RabbitMQ", BROKER, Network::Hung(Way::Up);
        "rabbitmq-mute", "nothing arrives from RabbitMQ", BROKER, Network::Hung(Way::Down);
        "postgres-refuses", "connections to PostgreSQL cut and refused", DATABASE, Network::Refusing;
        "postgres-slow", "2 s between worker and PostgreSQL", DATABASE, Network::Slow(Duration::from_secs(1));
        "postgres-narrow", "10 kB/s between worker and PostgreSQL", DATABASE, Network::Narrow(10_000);
        "postgres-deaf", "nothing arrives at PostgreSQL", DATABASE, Network::Hung(Way::Up);
        "postgres-mute", "nothing arrives from PostgreSQL: answers of commits are lost", DATABASE, Network::Hung(Way::Down);
        "redis-refuses", "connections to Redis cut and refused", CACHE, Network::Refusing;
        "redis-slow", "2 s between worker and Redis", CACHE, Network::Slow(Duration::from_secs(1));
        "redis-narrow", "10 kB/s between worker and Redis", CACHE, Network::Narrow(10_000);
        "redis-deaf", "nothing arrives at Redis", CACHE, Network::Hung(Way::Up);
        "redis-mute", "nothing arrives from Redis", CACHE, Network::Hung(Way::Down);
    ]
}

/// Workers that reach one service through a proxy, and a load on its way.
pub(super) async fn begin(trial: &Trial, variable: &'static str, joins: usize) -> Result<(Stage, Proxy, Sender)> {
    let mut stage = Stage::set(trial).await?;
    let (proxy, through) = Proxy::before(&stage.fleet.setting(variable)?, trial.seed)?;
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
