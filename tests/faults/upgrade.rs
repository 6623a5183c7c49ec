//! An upgrade under load, as the runbook has it: workers of an earlier build and of this one side by side on one queue, topology
//! and schema brought up to date while they run. Not among the faults, because it needs another build; proven like each of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::cli::Cli;
use crate::load::Load;
use crate::report::Line;
use crate::stage::Stage;
use crate::trial::{Outcome, Trial};
use crate::{FOLDER, REST};

/// Workers of each build.
const WORKERS: usize = 2;
/// Enough, and slowly enough, for every step to meet some of it: a minute, of which the steps take a third.
const JOINS: usize = 3000;
const PAUSE: Duration = Duration::from_millis(250);
/// So many messages are sent while old and new workers run side by side: enough for each of them to get some.
const TOGETHER: usize = JOINS / 10;

/// Makes the upgrade and says what came of it.
///
/// # Errors
/// If a promise was broken, or the upgrade could not be made.
pub(crate) async fn from(old: &Path, cli: &Cli) -> Result<()> {
    let folder = PathBuf::from(FOLDER).join("upgrade");
    fs::remove_dir_all(&folder).ok();
    let old = fs::canonicalize(old).with_context(|| old.display().to_string())?;
    let (seed, build, began) = (cli.seed, String::new(), Instant::now());
    let trial =
        Trial { seed, quick: true, workers: WORKERS, patience: REST, program: old, build, folder: folder.clone() };
    let outcome = Box::pin(upgrade(&trial, &cli.program)).await?;
    let what = "workers of an earlier build replaced under load, topology and schema brought up to date meanwhile";
    let line = Line { name: "upgrade", what, workers: WORKERS, outcome, took: began.elapsed(), folder };
    println!("{line}");
    ensure!(!line.is_broken(), "the upgrade broke a promise");
    Ok(())
}

async fn upgrade(trial: &Trial, new: &Path) -> Result<Outcome> {
    let mut stage = Stage::set_up_by_its_program(trial).await?;
    stage.fleet.start(WORKERS).await?;
    let load = Load::joining(&stage.installation, trial.seed, JOINS).await?;
    let mut sender = stage.send(load, PAUSE);
    sender.until(15).await?;

    stage.fleet.become_of(new.to_owned());
    stage.fleet.command(&["topology", "declare"]).await?;
    stage.fleet.command(&["migrate"]).await?;
    // Whoever dies now is started as it was: of the old program, on the new schema.
    stage.fleet.become_of(trial.program.clone());
    stage.fleet.stop_and_replace(0).await?;
    stage.fleet.until_ready().await?;
    sender.until(35).await?;

    stage.fleet.become_of(new.to_owned());
    stage.fleet.start(WORKERS).await?;
    let before = settled(&stage).await?;
    ensure!(
        sender.left() > TOGETHER,
        "all was sent before old and new workers ran side by side: this machine is too slow"
    );
    sender.until_sent(sender.confirmed() + TOGETHER).await?;
    for (place, (before, now)) in before.into_iter().zip(settled(&stage).await?).enumerate() {
        ensure!(now > before, "worker {place} settled nothing while old and new ones ran side by side");
    }
    for place in 0..WORKERS {
        stage.fleet.stop_and_replace(place).await?;
    }
    stage.fleet.until_ready().await?;
    stage.healed();
    stage.conclude(sender).await
}

/// How many requests each worker has answered.
async fn settled(stage: &Stage) -> Result<Vec<u64>> {
    let mut settled = Vec::new();
    for place in 0..stage.fleet.len() {
        let (status, text) = stage.fleet.ask(place, "metrics").await?;
        ensure!(status == 200, "/metrics of worker {place} answers {status}");
        let series = text.lines().filter(|line| line.starts_with("join_community_requests_total"));
        let values = series.filter_map(|line| line.rsplit(' ').next());
        settled.push(values.map(str::parse::<u64>).sum::<Result<u64, _>>().context("a count")?);
    }
    Ok(settled)
}
