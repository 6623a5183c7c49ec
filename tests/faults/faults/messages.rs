//! Messages that no good producer sends, or that the broker hands over oddly: again, in another order, broken in every
//! way, too large.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures_util::FutureExt as _;
use lapin::options::{BasicGetOptions, BasicNackOptions, BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{Connection, ConnectionProperties};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::poison;
use crate::dice::Dice;
use crate::ledger::{Expected, Key, Rejection, Request};
use crate::load::Load;
use crate::stage::Stage;
use crate::suite::support::JOINABLE;
use crate::suite::support::services::LargeMessages;
use crate::trial::{Fault, Outcome, Trial};

/// What `config/rabbitmq` lets through.
const LIMIT: usize = 1024 * 1024;
/// Nearly all that fits into one frame, and so more than fits beside anything that a copy adds.
const HUGE_HEADER: usize = 130_000;
/// Rounds of taking and giving back: each may meet the same message, and the broker lets go of one after 200.
const ROUNDS: usize = 60;

pub(super) fn faults() -> Vec<Fault> {
    // Whoever has the services to itself costs the quick run most.
    let fault = |name, what, alone: bool, run| Fault { name, what, quick: !alone, alone, workers: &[1, 3], run };
    vec![
        fault("messages/tripled", "every message three times, in any order", false, |trial| tripled(trial).boxed()),
        fault(
            "messages/given-back-by-another",
            "another consumer takes messages and gives them back in another order, again and again",
            false,
            |trial| given_back_by_another(trial).boxed(),
        ),
        fault(
            "messages/reused-ids",
            "ids of requests used again for other members, the worker killed meanwhile",
            false,
            |trial| reused_ids(trial).boxed(),
        ),
        fault("messages/poison", "a tenth of all messages broken, in every way that there is", false, |trial| {
            poisoned(trial).boxed()
        }),
        fault("messages/huge-headers", "headers of 130 kB, too large for any copy", false, |trial| {
            huge_headers(trial).boxed()
        }),
        fault("messages/above-the-limit", "bodies above the broker's limit, which ends the channel", false, |trial| {
            above_the_limit(trial).boxed()
        }),
        fault("messages/16-mib", "bodies of 16 MiB, the broker's limit lifted", true, |trial| {
            huge_bodies(trial).boxed()
        }),
    ]
}

async fn mixed(stage: &Stage, trial: &Trial) -> Result<Load> {
    Load::mixed(&stage.installation, trial.seed, if trial.quick { 100 } else { 1000 }).await
}

async fn tripled(trial: Trial) -> Result<Outcome> {
    let stage = Stage::with_workers(&trial).await?;
    let mut load = mixed(&stage, &trial).await?;
    load.messages = [load.messages.clone(), load.messages.clone(), load.messages].concat();
    Dice::new(trial.seed).shuffle(&mut load.messages);
    let sender = stage.send(load, Duration::ZERO);
    stage.conclude(sender).await
}

async fn given_back_by_another(trial: Trial) -> Result<Outcome> {
    let mut stage = Stage::set(&trial).await?;
    let load = mixed(&stage, &trial).await?;
    let ledger = stage.send(load, Duration::ZERO).finish().await?;
    let meddler = meddle(&stage, trial.seed).await;
    stage.fleet.start(trial.workers).await?;
    let given_back = meddler.await??;
    stage.healed();
    let mut outcome = stage.compare(ledger).await?;
    outcome.note = format!("{given_back} given back");
    Ok(outcome)
}

/// The first request under an id has its verdict, or a place before the second in the queue.
async fn reused_ids(trial: Trial) -> Result<Outcome> {
    let mut stage = Stage::with_workers(&trial).await?;
    let load = mixed(&stage, &trial).await?;
    let mut load = Load { ledger: stage.send(load, Duration::ZERO).finish().await?, messages: Vec::new() };
    let joining = |request: &&Request| request.expected == Expected::Joined && request.confirmed > 0;
    let ids: Vec<String> = load.ledger.requests.iter().filter(joining).map(|request| request.id.clone()).collect();
    let site = load.ledger.members.first().context("no members")?.key.0;
    let others = load.members(&stage.installation, site, JOINABLE, ids.len()).await;
    for (id, other) in ids.into_iter().zip(others) {
        load.join(id, other, Expected::Conflict);
    }
    let mut sender = stage.send(load, Duration::from_millis(10));
    sender.until(30).await?;
    stage.fleet.kill_and_replace(0).await?;
    stage.healed();
    let mut ledger = sender.finish().await?;
    ledger.allowed.crash_loops = true;
    stage.compare(ledger).await
}

/// Takes what comes next and gives it back in another order.
async fn meddle(stage: &Stage, seed: u64) -> JoinHandle<Result<usize>> {
    let channel = stage.installation.channel().await;
    let mut dice = Dice::new(seed);
    tokio::spawn(async move {
        let mut given_back = 0;
        for _ in 0..ROUNDS {
            let mut taken = Vec::new();
            for _ in 0..20 {
                let queue = "join-community.requests".into();
                taken.extend(channel.basic_get(queue, BasicGetOptions::default()).await?);
            }
            dice.shuffle(&mut taken);
            for message in &taken {
                message.nack(BasicNackOptions { requeue: true, multiple: false }).await?;
            }
            given_back += taken.len();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        channel.close(200, "done".into()).await?;
        Ok(given_back)
    })
}

async fn poisoned(trial: Trial) -> Result<Outcome> {
    let stage = Stage::with_workers(&trial).await?;
    let mut load = mixed(&stage, &trial).await?;
    let mut dice = Dice::new(trial.seed.wrapping_add(1));
    let site = load.ledger.members.first().context("no members")?.key.0;
    // Every kind at least once.
    let wanted = (load.messages.len() / 10).max(poison::KINDS);
    for kind in 0..wanted {
        poison::add(&mut load, kind, &mut dice, site);
    }
    dice.shuffle(&mut load.messages);
    let sender = stage.send(load, Duration::from_millis(10));
    let mut outcome = stage.conclude(sender).await?;
    outcome.note = format!("{wanted} of {} kinds", poison::KINDS);
    Ok(outcome)
}

async fn huge_headers(trial: Trial) -> Result<Outcome> {
    let stage = Stage::with_workers(&trial).await?;
    let mut load = mixed(&stage, &trial).await?;
    let mut dice = Dice::new(trial.seed.wrapping_add(1));
    let site = load.ledger.members.first().context("no members")?.key.0;
    for member in load.members(&stage.installation, site, JOINABLE, 10).await {
        load.join(dice.id().to_string(), member, Expected::Joined);
        add_header(&mut load, "x-whatever");
        // Goes on the ladder.
        load.join(dice.id().to_string(), (site, dice.id()), Expected::Rejected(Rejection::NotFound));
        add_header(&mut load, "x-whatever");
        for read in ["authorization", "traceparent", "tracestate"] {
            load.join(dice.id().to_string(), (site, dice.id()), Expected::Malformed);
            add_header(&mut load, read);
        }
        load.add(dice.id().to_string(), (site, dice.id()), b"{".to_vec(), Expected::Malformed);
        add_header(&mut load, "x-whatever");
    }
    dice.shuffle(&mut load.messages);
    let sender = stage.send(load, Duration::from_millis(10));
    stage.conclude(sender).await
}

fn add_header(load: &mut Load, name: &str) {
    let Some(message) = load.messages.last_mut() else { return };
    let mut headers = FieldTable::default();
    headers.insert(name.into(), AMQPValue::LongString(LongString::from(vec![b'x'; HUGE_HEADER])));
    message.properties = message.properties.clone().with_headers(headers);
}

/// Nothing of these messages is in the ledger: whatever comes of one is a finding.
async fn above_the_limit(trial: Trial) -> Result<Outcome> {
    let mut stage = Stage::with_workers(&trial).await?;
    let load = mixed(&stage, &trial).await?;
    let key = load.ledger.members.first().context("no members")?.key;
    let sender = stage.send(load, Duration::from_millis(20));
    let mut dice = Dice::new(trial.seed.wrapping_add(1));
    let url = &stage.installation.vhost().producer_url;
    let producer = Connection::connect(url, ConnectionProperties::default()).await?;
    let times = 10;
    for _ in 0..times {
        let (_, message) = oversized(&mut dice, key, LIMIT + 1);
        let channel = producer.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let (exchange, key, options) =
            ("join-community".into(), "request".into(), BasicPublishOptions { mandatory: true, ..Default::default() });
        let sent = channel.basic_publish(exchange, key, options, &message.body, message.properties).await;
        let confirmed = match sent {
            Ok(confirm) => confirm.await.is_ok(),
            Err(_) => false,
        };
        ensure!(!confirmed && !channel.status().connected(), "the broker takes {} bytes", LIMIT + 1);
    }
    ensure!(producer.status().connected(), "the broker ended the connection, too");
    stage.healed();
    Ok(Outcome { times, ..stage.conclude(sender).await? })
}

/// A request that only its size makes malformed.
fn oversized(dice: &mut Dice, (site, member): Key, bytes: usize) -> (Load, crate::load::Message) {
    let mut load = Load::default();
    let id: Uuid = dice.id();
    let start = format!(
        r#"{{"siteId":"{site}","memberId":"{member}","identity":{{"identityType":"MEMBER","memberId":"{member}"}},"x":""#
    );
    let mut body = start.into_bytes();
    body.resize(bytes - 2, b'x');
    body.extend_from_slice(b"\"}");
    load.add(id.to_string(), (site, member), body, Expected::Malformed);
    let message = load.messages.remove(0);
    (load, message)
}

async fn huge_bodies(trial: Trial) -> Result<Outcome> {
    let lifted = tokio::task::spawn_blocking(LargeMessages::allow).await?;
    let mut stage = Stage::with_workers(&trial).await?;
    let mut load = mixed(&stage, &trial).await?;
    let mut dice = Dice::new(trial.seed.wrapping_add(1));
    let key = load.ledger.members.first().context("no members")?.key;
    let every = load.messages.len() / 4;
    for place in 0..4 {
        let (huge, message) = oversized(&mut dice, key, 16 * LIMIT);
        let request = load.ledger.requests.len();
        load.ledger.requests.extend(huge.ledger.requests);
        load.messages.insert(place * every, crate::load::Message { request, ..message });
    }
    let ledger = stage.send(load, Duration::from_millis(20)).finish().await?;
    tokio::task::spawn_blocking(move || drop(lifted)).await?;
    stage.healed();
    stage.compare(ledger).await
}
