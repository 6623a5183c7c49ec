//! Workers killed at random moments under load.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use futures_util::FutureExt as _;
use serde::{Deserialize, Serialize};

use crate::checker::Counts;
use crate::dice::Dice;
use crate::stage::Stage;
use crate::trial::{Fault, Outcome, Trial};

/// Kills of one installation; then it is checked, and another one made.
const ROUND: u64 = 20;

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

/// What was done in rounds before, so that a run of hours can be stopped and resumed.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Done {
    rounds: u64,
    sent: u64,
    counts: Counts,
    recovery: Duration,
}

async fn killed_at_random(trial: Trial) -> Result<Outcome> {
    let rounds = if trial.quick { 1 } else { 250_u64.div_ceil(ROUND) };
    let file = trial.folder.join("done.json");
    let done = read(&file);
    let (sent, counts, recovery) = (done.sent, done.counts, done.recovery);
    let mut outcome = Outcome { times: done.rounds * ROUND, sent, counts, recovery, ..Outcome::default() };
    for number in done.rounds..rounds {
        let seed = trial.seed.wrapping_mul(1000).wrapping_add(number);
        outcome.add(round(&Trial { seed, ..trial.clone() }).await?);
        if !outcome.findings.is_empty() {
            break;
        }
        let Outcome { sent, counts, recovery, .. } = outcome;
        fs::write(&file, serde_json::to_vec(&Done { rounds: number + 1, sent, counts, recovery })?)?;
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

fn read(file: &Path) -> Done {
    fs::read(file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}
