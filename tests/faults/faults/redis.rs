//! Redis in trouble without being away: emptied, full, demoted, its scripts forgotten, its clients thrown out.

use std::time::Duration;

use anyhow::Result;
use futures_util::FutureExt as _;

use crate::stage::Stage;
use crate::suite::support::cache;
use crate::trial::{Fault, Outcome, Trial};

const WHILE: Duration = Duration::from_secs(2);

/// A command of Redis, in words.
type Words = &'static [&'static str];

pub(super) fn faults() -> Vec<Fault> {
    let fault = |name, what, run| Fault { name, what, quick: true, alone: true, workers: &[1, 3], run };
    vec![
        fault("redis/emptied", "`FLUSHALL` under load", |trial| again_and_again(trial, &["FLUSHALL"], true).boxed()),
        fault("redis/scripts-forgotten", "`SCRIPT FLUSH`, again and again", |trial| {
            again_and_again(trial, &["SCRIPT", "FLUSH"], false).boxed()
        }),
        fault("redis/clients-killed", "all clients disconnected, again and again", |trial| {
            again_and_again(trial, &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"], false).boxed()
        }),
        fault("redis/out-of-memory", "no memory for writes for a while", |trial| {
            state(trial, &["CONFIG", "SET", "maxmemory", "1"], &["CONFIG", "SET", "maxmemory", "0"]).boxed()
        }),
        fault(
            "redis/read-only-replica",
            "demoted to the replica of a server that is not there, for a while",
            |trial| state(trial, &["REPLICAOF", "127.0.0.1", "1"], &["REPLICAOF", "NO", "ONE"]).boxed(),
        ),
    ]
}

async fn tell(stage: &Stage, words: Words) -> Result<()> {
    let mut connection = cache::connection(&stage.place().cache).await?;
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    Ok(command.query_async::<redis::Value>(&mut connection).await.map(|_| ())?)
}

async fn again_and_again(trial: Trial, words: Words, forgets: bool) -> Result<Outcome> {
    let mut stage = Stage::with_workers(&trial).await?;
    let mut sender = stage.load(if trial.quick { 200 } else { 1000 }, Duration::from_millis(30)).await?;
    sender.until(10).await?;
    let times = 20;
    for _ in 0..times {
        tell(&stage, words).await?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stage.healed();
    let mut ledger = sender.finish().await?;
    ledger.allowed.forgotten_cache = forgets;
    Ok(Outcome { times, ..stage.compare(ledger).await? })
}

async fn state(trial: Trial, on: Words, off: Words) -> Result<Outcome> {
    let mut stage = Stage::with_workers(&trial).await?;
    let mut sender = stage.load(if trial.quick { 200 } else { 1000 }, Duration::from_millis(30)).await?;
    sender.until(10).await?;
    tell(&stage, on).await?;
    tokio::time::sleep(WHILE).await;
    tell(&stage, off).await?;
    stage.healed();
    stage.conclude(sender).await
}
