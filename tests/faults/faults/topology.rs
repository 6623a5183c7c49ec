//! Exchanges, queues and bindings taken away under load, and made again: what leads nowhere meanwhile is sent again by
//! whoever sent it. What lay in a deleted queue is nobody's fault, so each is emptied first, and the check stays strict.

use std::time::Duration;

use anyhow::{Context as _, Result};
use futures_util::FutureExt as _;
use join_community::rabbitmq::topology::{Names, declare};
use lapin::options::{ExchangeDeleteOptions, QueueBindOptions, QueueDeleteOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Connection, ConnectionProperties};
use tokio::time::{Instant, sleep};

use crate::checker::EVENTS;
use crate::dice::Dice;
use crate::ledger::{Expected, Rejection};
use crate::load::Load;
use crate::sender::Sender;
use crate::stage::Stage;
use crate::trial::{Fault, Outcome, Trial};

const WHILE: Duration = Duration::from_secs(2);
/// How long a queue may take to run empty.
const PATIENCE: Duration = Duration::from_secs(30);
/// RabbitMQ holds what dead-letters nowhere, and tries again only after three minutes.
const HELD: Duration = Duration::from_mins(4);

const INTAKE: &str = "join-community";
const INTERNAL: &str = "join-community.internal";
const REQUESTS: &str = "join-community.requests";
const RUNG: &str = "join-community.retry.1s";
const EXCHANGE: &str = "members.events";
const UNROUTED: &str = "members.events.unrouted";

pub(super) fn faults() -> Vec<Fault> {
    // The others take longer, and are of the same kind.
    let quick = ["topology/request-binding-removed", "topology/exchanges-removed"];
    let fault =
        |name, what, run| Fault { name, what, quick: quick.contains(&name), alone: false, workers: &[1, 3], run };
    vec![
        fault("topology/request-binding-removed", "the binding of the request queue removed for a while", |trial| {
            request_binding_removed(trial).boxed()
        }),
        fault("topology/request-queue-removed", "the request queue, empty, deleted for a while", |trial| {
            request_queue_removed(trial).boxed()
        }),
        fault(
            "topology/retry-queue-removed",
            "the first rung of the ladder unbound, run empty, deleted for a while",
            |trial| retry_queue_removed(trial).boxed(),
        ),
        fault(
            "topology/alternate-exchange-removed",
            "no queue bound for events, and the alternate exchange deleted, for a while",
            |trial| alternate_exchange_removed(trial).boxed(),
        ),
        fault(
            "topology/exchanges-removed",
            "the exchanges of events and of copies deleted for a while: each publish ends its channel",
            |trial| exchanges_removed(trial).boxed(),
        ),
    ]
}

/// Workers, a load that is on its way, and a channel of somebody who may do anything.
async fn begin(trial: &Trial, has_ladder: bool) -> Result<(Stage, Sender, Channel)> {
    let stage = Stage::with_workers(trial).await?;
    let load = load(&stage, trial, has_ladder).await?;
    let mut sender = stage.send(load, Duration::from_millis(30));
    sender.until(10).await?;
    let channel = stage.installation.channel().await;
    Ok((stage, sender, channel))
}

/// A mixed load, with many who are unknown, or none: these alone are put on the ladder.
async fn load(stage: &Stage, trial: &Trial, has_ladder: bool) -> Result<Load> {
    let mut load = Load::mixed(&stage.installation, trial.seed, if trial.quick { 200 } else { 1000 }).await?;
    if has_ladder {
        let mut dice = Dice::new(trial.seed.wrapping_add(1));
        let site = load.ledger.members.first().context("no members")?.key.0;
        for _ in 0..load.messages.len() / 4 {
            let nobody = (site, dice.id());
            load.join(dice.id().to_string(), nobody, Expected::Rejected(Rejection::NotFound));
        }
        dice.shuffle(&mut load.messages);
    } else {
        let expected: Vec<Expected> = load.ledger.requests.iter().map(|request| request.expected).collect();
        load.messages.retain(|message| expected[message.request] != Expected::Rejected(Rejection::NotFound));
    }
    Ok(load)
}

async fn request_binding_removed(trial: Trial) -> Result<Outcome> {
    let patience = if trial.quick { trial.patience } else { HELD };
    let (mut stage, sender, channel) = begin(&Trial { patience, ..trial.clone() }, !trial.quick).await?;
    unbind(&channel, REQUESTS, INTAKE, "request").await?;
    sleep(WHILE).await;
    bind(&channel, REQUESTS, INTAKE, "request").await?;
    stage.healed();
    stage.conclude(sender).await
}

async fn request_queue_removed(trial: Trial) -> Result<Outcome> {
    let mut stage = Stage::with_workers(&trial).await?;
    let mut load = load(&stage, &trial, false).await?;
    let second = load.messages.split_off(load.messages.len() / 2);
    let first = stage.send(load, Duration::ZERO).finish().await?;
    stage.rest(&first.so_far()).await;

    let channel = stage.installation.channel().await;
    channel.queue_delete(REQUESTS.into(), QueueDeleteOptions::default()).await?;
    let sender = stage.send(Load { ledger: first, messages: second }, Duration::from_millis(30));
    sleep(WHILE).await;
    redeclare(&stage).await?;
    stage.healed();
    stage.conclude(sender).await
}

async fn retry_queue_removed(trial: Trial) -> Result<Outcome> {
    let (mut stage, sender, channel) = begin(&trial, true).await?;
    unbind(&channel, RUNG, INTERNAL, "retry.1s").await?;
    let deadline = Instant::now() + PATIENCE;
    while stage.installation.depth(RUNG).await > 0 {
        anyhow::ensure!(Instant::now() < deadline, "{RUNG} does not run empty");
        sleep(Duration::from_millis(50)).await;
    }
    // What has left the queue may still be on its way to the other.
    sleep(Duration::from_millis(500)).await;
    channel.queue_delete(RUNG.into(), QueueDeleteOptions::default()).await?;
    sleep(WHILE).await;
    redeclare(&stage).await?;
    stage.healed();
    stage.conclude(sender).await
}

async fn alternate_exchange_removed(trial: Trial) -> Result<Outcome> {
    let (mut stage, sender, channel) = begin(&trial, true).await?;
    // In this order nothing goes where the checker does not look.
    channel.exchange_delete(UNROUTED.into(), ExchangeDeleteOptions::default()).await?;
    unbind(&channel, EVENTS, EXCHANGE, "#").await?;
    sleep(WHILE).await;
    bind(&channel, EVENTS, EXCHANGE, "#").await?;
    redeclare(&stage).await?;
    stage.healed();
    stage.conclude(sender).await
}

async fn exchanges_removed(trial: Trial) -> Result<Outcome> {
    let (mut stage, sender, channel) = begin(&trial, true).await?;
    // Between the new exchange and its binding the events go this way.
    bind(&channel, EVENTS, UNROUTED, "").await?;
    for exchange in [EXCHANGE, INTERNAL] {
        channel.exchange_delete(exchange.into(), ExchangeDeleteOptions::default()).await?;
    }
    sleep(WHILE).await;
    redeclare(&stage).await?;
    bind(&channel, EVENTS, EXCHANGE, "#").await?;
    stage.healed();
    stage.conclude(sender).await
}

/// Makes what is missing, as a deployment does.
async fn redeclare(stage: &Stage) -> Result<()> {
    let url = stage.installation.administrator_url();
    let deployer = Connection::connect(&url, ConnectionProperties::default()).await?;
    declare(&deployer, &Names::new("")).await?;
    deployer.close(200, "declared".into()).await?;
    Ok(())
}

async fn bind(channel: &Channel, queue: &str, exchange: &str, key: &str) -> Result<()> {
    let (queue, exchange, key) = (ShortString::from(queue), ShortString::from(exchange), ShortString::from(key));
    Ok(channel.queue_bind(queue, exchange, key, QueueBindOptions::default(), FieldTable::default()).await?)
}

async fn unbind(channel: &Channel, queue: &str, exchange: &str, key: &str) -> Result<()> {
    let (queue, exchange, key) = (ShortString::from(queue), ShortString::from(exchange), ShortString::from(key));
    Ok(channel.queue_unbind(queue, exchange, key, FieldTable::default()).await?)
}
