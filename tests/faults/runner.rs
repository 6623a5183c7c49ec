//! Makes the trials of a run: those that leave the services alone side by side, the others one after the other, and stops
//! at the first broken promise.

use std::time::{Duration, Instant};

use anyhow::Result;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use crate::checker::{Finding, Kind};
use crate::kept;
use crate::progress::Progress;
use crate::report::Line;
use crate::trial::{Fault, Outcome, Trial};

/// Trials side by side that leave the services alone.
const SIDE_BY_SIDE: usize = 6;
/// No trial takes longer; the longest is the one that kills at random.
const LIMIT: Duration = Duration::from_hours(2);

/// Where it is noted that a trial kept every promise.
const KEPT: &str = "kept.json";

/// A fault, and how it is to be tried.
pub(crate) struct Planned {
    /// The fault.
    pub(crate) fault: Fault,
    /// What it is given.
    pub(crate) trial: Trial,
}

/// Runs them all. Ends early, with what was seen, at the first broken promise.
pub(crate) async fn run(planned: Vec<Planned>, progress: &mut Progress) -> Vec<Line> {
    let (alone, together): (Vec<_>, Vec<_>) = planned.into_iter().partition(|planned| planned.fault.alone);
    let mut lines = Vec::new();
    let mut waiting = together.into_iter();
    let mut running: FuturesUnordered<_> =
        waiting.by_ref().take(SIDE_BY_SIDE).map(|next| one(next, progress)).collect();
    while let Some(line) = running.next().await {
        progress.done(&line);
        let is_broken = line.is_broken();
        lines.push(line);
        if is_broken {
            return lines;
        }
        running.extend(waiting.next().map(|next| one(next, progress)));
    }
    for next in alone {
        let line = one(next, progress).await;
        progress.done(&line);
        let is_broken = line.is_broken();
        lines.push(line);
        if is_broken {
            break;
        }
    }
    lines
}

fn one(planned: Planned, progress: &Progress) -> impl Future<Output = Line> + use<> {
    let Planned { fault, trial } = planned;
    progress.begins(fault.name);
    let (run, workers, folder) = (fault.run, trial.workers, trial.folder.clone());
    async move {
        if let Some((outcome, took)) = kept::noted(&trial, KEPT) {
            return Line { name: fault.name, what: fault.what, workers, outcome, took, folder };
        }
        let began = Instant::now();
        // A task of its own: what panics there ends the trial, not the run.
        let outcome = tokio::time::timeout(LIMIT, tokio::spawn(run(trial.clone()))).await;
        let outcome = match outcome {
            Ok(Ok(Ok(outcome))) => outcome,
            Ok(Ok(Err(error))) => broken(format!("{error:#}")),
            Ok(Err(panic)) => broken(panic.to_string()),
            Err(_) => broken(format!("not over within {LIMIT:?}")),
        };
        let took = began.elapsed();
        if outcome.findings.is_empty()
            && let Err(error) = kept::note(&trial, &outcome, took, KEPT)
        {
            println!("{}: cannot be noted as kept: {error:#}", fault.name);
        }
        Line { name: fault.name, what: fault.what, workers, outcome, took, folder }
    }
}

/// The outcome of a trial that could not be made to its end.
fn broken(what: String) -> Outcome {
    Outcome { findings: vec![Finding { kind: Kind::Unexpected, what }], ..Outcome::default() }
}

/// Whether every trial of a run kept every promise.
pub(crate) fn all_kept(lines: &[Line]) -> Result<()> {
    let broken = lines.iter().filter(|line| line.is_broken()).count();
    anyhow::ensure!(broken == 0, "{broken} of {} trials broke a promise", lines.len());
    Ok(())
}
