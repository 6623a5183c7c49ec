//! Connections torn at random bytes, and answers that are lost after PostgreSQL has done what was asked: the worker cannot
//! know whether it was. Apart from the other faults of the network, because these last until so many connections broke.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures_util::FutureExt as _;

use super::network::{BROKER, CACHE, DATABASE, begin};
use crate::proxy::Network;
use crate::trial::{Fault, Outcome, Trial};

/// No trial of these breaks off connections for longer.
const LIMIT: Duration = Duration::from_mins(1);
/// Long enough for most handshakes, short enough for few batches.
const TORN: Network = Network::Torn(8_000);
/// Only a commit says so.
const COMMIT: Network = Network::Unanswered("INSERT INTO join_requests");

pub(super) fn faults() -> Vec<Fault> {
    let fault = |name, what, quick, run| Fault { name, what, quick, alone: false, workers: &[3, 1], run };
    vec![
        fault("network/rabbitmq-torn", "connections to RabbitMQ reset at random bytes", false, |trial| {
            until(trial, BROKER, TORN).boxed()
        }),
        fault("network/postgres-torn", "connections to PostgreSQL reset at random bytes", true, |trial| {
            until(trial, DATABASE, TORN).boxed()
        }),
        fault("network/redis-torn", "connections to Redis reset at random bytes", false, |trial| {
            until(trial, CACHE, TORN).boxed()
        }),
        fault("postgres/commit-unanswered", "a commit is done and its answer lost, again and again", true, |trial| {
            until(trial, DATABASE, COMMIT).boxed()
        }),
    ]
}

/// A network in trouble until that has cost so many connections.
async fn until(trial: Trial, variable: &'static str, network: Network) -> Result<Outcome> {
    let wanted = if trial.quick { 20 } else { 200 };
    let (mut stage, proxy, mut sender) = begin(&trial, variable, wanted * 10).await?;
    sender.until(20).await?;
    // Statements are heard of when they are prepared, once on a connection: so all are made anew.
    proxy.interrupt().await;
    let before = proxy.broken();
    proxy.set(network);
    let began = tokio::time::Instant::now();
    while proxy.broken() < before + u64::try_from(wanted)? && began.elapsed() < LIMIT {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    proxy.set(Network::Good);
    let times = proxy.broken() - before;
    ensure!(times > 0, "nothing was broken off within {LIMIT:?}");
    stage.healed();
    Ok(Outcome { times, ..stage.conclude(sender).await? })
}
