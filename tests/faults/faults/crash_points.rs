//! The process killed at each step of both halves: what was done before it stays done, what comes after it is done by the
//! next one.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures_util::{FutureExt as _, StreamExt as _, stream};
use join_community::fail_point::Point;

use crate::ledger::Key;
use crate::load::Load;
use crate::stage::Stage;
use crate::trial::{Fault, Outcome, Trial};

/// Points at a time, each on a stage of its own: most of a trial is waiting.
const AT_ONCE: usize = 2;
/// How long others go on to change members.
const LIMIT: Duration = Duration::from_mins(1);

pub(super) fn faults() -> Vec<Fault> {
    vec![Fault {
        name: "worker/crash-points",
        what: "`kill -9` after every step of both halves, at the first and at a later pass",
        quick: true,
        alone: false,
        workers: &[1, 3],
        run: |trial| crash_points(trial).boxed(),
    }]
}

async fn crash_points(trial: Trial) -> Result<Outcome> {
    let passes: &[u32] = if trial.quick { &[2] } else { &[1, 5] };
    let mut places = Vec::new();
    for point in Point::ALL {
        for pass in passes {
            let folder = trial.folder.join(point.name()).join(pass.to_string());
            places.push((Trial { folder, ..trial.clone() }, point, *pass));
        }
    }
    let mut made = stream::iter(places)
        .map(|(trial, point, pass)| async move { (point, at(&trial, point, pass).await) })
        .buffer_unordered(AT_ONCE);
    let mut outcome = Outcome::default();
    while let Some((point, one)) = made.next().await {
        outcome.add(one?);
        if !outcome.findings.is_empty() {
            point.name().clone_into(&mut outcome.note);
            return Ok(outcome);
        }
    }
    outcome.note = format!("{} points", Point::ALL.len());
    Ok(outcome)
}

/// The first worker dies at the point; the others, and the one in its place, do not.
async fn at(trial: &Trial, point: Point, pass: u32) -> Result<Outcome> {
    let mut stage = Stage::set(trial).await?;
    // The sweep finds something only where others write, and takes it all at once. Few messages leave as copies, and others
    // take their share of them.
    let is_copied = matches!(point, Point::BeforeCopy | Point::AfterCopyConfirmed);
    let (pass, joins) = if is_copied { (pass.min(2), 600) } else { (pass, 150) };
    let pass = if point == Point::Swept { 1 } else { pass };
    stage.fleet.set("JOIN_COMMUNITY_FAIL_POINT", format!("{}:{pass}", point.name()));
    stage.fleet.start(1).await?;
    stage.fleet.unset("JOIN_COMMUNITY_FAIL_POINT");
    stage.fleet.start(trial.workers - 1).await?;
    let load = Load::mixed(&stage.installation, trial.seed, if trial.quick { 40 } else { joins }).await?;
    let others: Vec<Key> = load.ledger.members.iter().rev().take(2).map(|member| member.key).collect();
    let sender = stage.send(load, Duration::ZERO);
    stage.change_by_others(&others).await?;
    // What is handled together passes a point once, and another worker may be first: so there is more until this one died.
    let began = Instant::now();
    while !stage.fleet.is_dead(0)? && began.elapsed() < LIMIT {
        stage.change_by_others(&others).await?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let died = stage
        .fleet
        .until_dead(0)
        .await
        .with_context(|| format!("at {}, if the program has fail points at all", point.name()))?;
    anyhow::ensure!(!died.success(), "the worker stopped in order at {}", point.name());
    stage.healed();
    stage.fleet.replace(0)?;
    let mut ledger = sender.finish().await?;
    ledger.disturbed.extend(others);
    stage.compare(ledger).await
}
