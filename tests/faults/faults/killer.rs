//! A message that kills whoever handles it, among hundreds that do not.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures_util::FutureExt as _;

use crate::dice::Dice;
use crate::ledger::{Expected, Ledger};
use crate::load::Load;
use crate::stage::Stage;
use crate::suite::support::JOINABLE;
use crate::trial::{Fault, Outcome, Trial};

/// Once in the crowd, twice alone.
const CRASHES: usize = 3;

pub(super) fn faults() -> Vec<Fault> {
    vec![Fault {
        name: "worker/killed-by-a-message",
        what: "one message among 500 that kills the process each time it is touched; the others are handled",
        quick: true,
        alone: false,
        workers: &[1, 3],
        run: |trial| killed_by_a_message(trial).boxed(),
    }]
}

async fn killed_by_a_message(trial: Trial) -> Result<Outcome> {
    let mut stage = Stage::set(&trial).await?;
    let mut dice = Dice::new(trial.seed);
    let site = dice.id();
    let mut load = Load { ledger: Ledger { seed: trial.seed, ..Ledger::default() }, messages: Vec::new() };
    for member in load.members(&stage.installation, site, JOINABLE, 499).await {
        load.join(dice.id().to_string(), member, Expected::Joined);
    }
    let (id, member) = (dice.id().to_string(), (site, dice.id()));
    load.join(id.clone(), member, Expected::CrashLoop);
    dice.shuffle(&mut load.messages);
    let ledger = stage.send(load, Duration::ZERO).finish().await?;

    stage.fleet.set("JOIN_COMMUNITY_KILLED_BY", id);
    for _ in 0..trial.workers {
        stage.fleet.launch()?;
    }
    let mut crashes = 0;
    loop {
        // Asked first: whoever died of it did so before it became a dead letter.
        let is_over = crashes > CRASHES || stage.has_dead_letters(1).await?;
        for place in 0..stage.fleet.len() {
            if stage.fleet.is_dead(place)? {
                crashes += 1;
                stage.fleet.replace(place)?;
            }
        }
        if is_over {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    ensure!(crashes <= CRASHES, "the message killed a {crashes}th time");
    stage.healed();
    let mut outcome = stage.compare(ledger).await?;
    outcome.note = format!("{crashes} crashes, 499 bystanders handled");
    Ok(outcome)
}
