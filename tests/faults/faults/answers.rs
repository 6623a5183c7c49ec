//! Connections torn at random bytes, and answers that are lost after PostgreSQL has done what was asked: the worker cannot
//! know whether it was. Apart from the other faults of the network, because these last until so many connections broke.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures_util::FutureExt as _;
use lapin::options::{BasicGetOptions, BasicNackOptions};

use super::network::{BROKER, CACHE, DATABASE, begin};
use crate::dice::Dice;
use crate::ledger::{Expected, Ledger};
use crate::load::Load;
use crate::proxy::{Network, Proxy};
use crate::stage::Stage;
use crate::suite::support::JOINABLE;
use crate::trial::{Fault, Outcome, Trial};

/// No trial of these breaks off connections for longer.
const LIMIT: Duration = Duration::from_mins(1);
/// Long enough for most handshakes, short enough for few batches.
const TORN: Network = Network::Torn(8_000);
/// Only a commit says so.
const COMMIT: Network = Network::Unanswered("INSERT INTO join_requests");
/// Only the mark of a suspect says so.
const MARK: Network = Network::Unanswered("INSERT INTO suspects");
/// How long a worker may take to get as far as that.
const SOON: Duration = Duration::from_secs(5);

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
        Fault {
            name: "postgres/mark-unanswered",
            what: "a request that came back is marked, the answer lost, PostgreSQL away, for one worker after the other; \
                   nobody dies of it",
            quick: true,
            alone: false,
            workers: &[3],
            run: |trial| mark_unanswered(trial).boxed(),
        },
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

/// Whoever comes upon two marks of others takes the request for one that kills. Here both others live.
async fn mark_unanswered(trial: Trial) -> Result<Outcome> {
    let mut stage = Stage::set(&trial).await?;
    let mut dice = Dice::new(trial.seed);
    let mut load = Load { ledger: Ledger { seed: trial.seed, ..Ledger::default() }, messages: Vec::new() };
    let site = dice.id();
    for member in load.members(&stage.installation, site, JOINABLE, 1).await {
        load.join(dice.id().to_string(), member, Expected::Joined);
    }
    let ledger = stage.send(load, Duration::ZERO).finish().await?;
    give_back(&stage).await?;

    // It is held all the while, if the worker knows what it does not know.
    stage.fleet.set("JOIN_COMMUNITY__OUTAGE__HOLD", "30s");
    let direct = stage.fleet.setting(DATABASE)?;
    let mut proxies = Vec::new();
    let mut unheard = 0;
    for number in 1..trial.workers {
        let (proxy, through) = Proxy::before(&direct, trial.seed)?;
        proxy.set(MARK);
        stage.fleet.set(DATABASE, through);
        stage.fleet.launch()?;
        soon(|| proxy.broken() > 0).await;
        unheard += u64::from(proxy.broken() > 0);
        ensure!(number > 1 || unheard > 0, "the first worker did not mark what came back");
        proxy.set(Network::Refusing);
        proxies.push(proxy);
    }
    stage.fleet.set(DATABASE, direct);
    stage.fleet.launch()?;
    let began = tokio::time::Instant::now();
    while began.elapsed() < SOON && !stage.has_dead_letters(1).await? {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for proxy in &proxies {
        proxy.set(Network::Good);
    }
    stage.healed();
    Ok(Outcome { times: unheard, ..stage.compare(ledger).await? })
}

/// Takes the first request from its queue and gives it back, as the loss of a connection does.
async fn give_back(stage: &Stage) -> Result<()> {
    let channel = stage.installation.channel().await;
    let request = channel.basic_get("join-community.requests".into(), BasicGetOptions::default()).await?;
    let delivery = request.context("the request lies in its queue")?.delivery;
    delivery.acker.nack(BasicNackOptions { requeue: true, ..BasicNackOptions::default() }).await?;
    channel.close(200, "given back".into()).await?;
    Ok(())
}

/// Waits for something that may as well not happen.
async fn soon(has_happened: impl Fn() -> bool) {
    let began = tokio::time::Instant::now();
    while !has_happened() && began.elapsed() < SOON {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
