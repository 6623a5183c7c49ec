//! Workers killed at random moments under load.

use std::time::Duration;

use anyhow::Result;
use futures_util::FutureExt as _;

use crate::dice::Dice;
use crate::kept;
use crate::stage::Stage;
use crate::trial::{Fault, Outcome, Trial};

/// Kills of one installation; then it is checked, and another one made.
const ROUND: u64 = 20;
/// Where the rounds that are done are noted, so that a run of hours can be stopped and gone on with.
const DONE: &str = "rounds.json";

pub(super) fn faults() -> Vec<Fault> {
    vec![
        Fault {
            name: "worker/killed-at-random",
            what: "`kill -9` of a worker at a random moment under load",
            quick: true,
            alone: false,
            workers: &[1, 3],
            run: |trial| killed_at_random(trial).boxed(),
        },
        Fault {
            name: "worker/stopped-at-random",
            what: "SIGTERM at a random moment under load: each drains and ends with 0",
            quick: true,
            alone: false,
            workers: &[1, 3],
            run: |trial| stopped_at_random(trial).boxed(),
        },
    ]
}

async fn killed_at_random(trial: Trial) -> Result<Outcome> {
    let rounds = if trial.quick { 1 } else { 250_u64.div_ceil(ROUND) };
    let (mut outcome, _) = kept::noted(&trial, DONE).unwrap_or_default();
    for number in outcome.times / ROUND..rounds {
        let seed = trial.seed.wrapping_mul(1000).wrapping_add(number);
        outcome.add(round(&Trial { seed, ..trial.clone() }).await?);
        if !outcome.findings.is_empty() {
            break;
        }
        kept::note(&trial, &outcome, Duration::ZERO, DONE)?;
    }
    outcome.note = format!("{} crash loops, handled", outcome.counts.crash_loops);
    Ok(outcome)
}

async fn round(trial: &Trial) -> Result<Outcome> {
    let mut stage = Stage::with_workers(trial).await?;
    let mut dice = Dice::new(trial.seed);
    let sender = stage.load(600, Duration::from_millis(100)).await?;
    for _ in 0..ROUND {
        let moment = u64::try_from(dice.below(150))?;
        tokio::time::sleep(Duration::from_millis(moment)).await;
        let victim = dice.below(stage.fleet.len());
        stage.fleet.kill_and_replace(victim).await?;
        if dice.once_in(3) {
            stage.fleet.until_ready().await?;
        }
    }
    stage.healed();
    let mut ledger = sender.finish().await?;
    ledger.allowed.crash_loops = true;
    Ok(Outcome { times: ROUND, ..stage.compare(ledger).await? })
}

async fn stopped_at_random(trial: Trial) -> Result<Outcome> {
    let times = if trial.quick { 10 } else { 100 };
    let mut stage = Stage::with_workers(&trial).await?;
    let mut dice = Dice::new(trial.seed);
    let sender = stage.load(if trial.quick { 300 } else { 3000 }, Duration::from_millis(100)).await?;
    for _ in 0..times {
        // One that has hardly begun has nothing to drain, and does not listen yet.
        stage.fleet.until_ready().await?;
        tokio::time::sleep(Duration::from_millis(u64::try_from(dice.below(150))?)).await;
        let victim = dice.below(stage.fleet.len());
        stage.fleet.stop_and_replace(victim).await?;
    }
    stage.healed();
    Ok(Outcome { times, ..stage.conclude(sender).await? })
}
