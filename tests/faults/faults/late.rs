//! A worker that stands still in the middle of a step for longer than its leases, wakes up, and goes on with what it had in
//! hand, while the others and the world have moved on.

use std::time::Duration;

use anyhow::Result;
use futures_util::FutureExt as _;
use futures_util::future::try_join_all;
use join_community::fail_point::Point;

use crate::ledger::Key;
use crate::load::Load;
use crate::stage::Stage;
use crate::trial::{Fault, Outcome, Trial};

/// Longer than a lease and a sweep, shorter than what makes the broker give the worker up.
const ASLEEP: Duration = Duration::from_secs(4);
/// Longer than that as well: the deliveries in hand go to somebody else, who is done with them when their old holder wakes.
const ASLEEP_FOR_LONG: Duration = Duration::from_secs(12);
/// Stages at once: nearly all of the time is sleep.
const SIDE_BY_SIDE: usize = 4;

pub(super) fn faults() -> Vec<Fault> {
    vec![
        Fault {
            name: "worker/asleep-at-points",
            what: "SIGSTOP at every step while others change the same members, and another worker, if any, takes over; then SIGCONT",
            quick: true,
            alone: false,
            workers: &[2, 1],
            run: |trial| asleep_at_points(trial, ASLEEP).boxed(),
        },
        Fault {
            name: "worker/asleep-for-long-at-points",
            what: "the same for so long that the broker gives what it had in hand to another worker",
            quick: false,
            alone: false,
            workers: &[2, 1],
            run: |trial| asleep_at_points(trial, ASLEEP_FOR_LONG).boxed(),
        },
    ]
}

async fn asleep_at_points(trial: Trial, asleep: Duration) -> Result<Outcome> {
    let quick = [Point::AfterLoad, Point::BeforeCache, Point::BeforeConfirm, Point::BeforeForget];
    let points: &[Point] = if trial.quick { &quick } else { &Point::ALL };
    let mut outcome = Outcome::default();
    for some in points.chunks(SIDE_BY_SIDE) {
        let trials = some.iter().map(|point| {
            let folder = trial.folder.join(point.name());
            asleep_at(Trial { folder, ..trial.clone() }, *point, asleep)
        });
        for (point, one) in some.iter().zip(try_join_all(trials).await?) {
            if !one.findings.is_empty() && outcome.findings.is_empty() {
                point.name().clone_into(&mut outcome.note);
            }
            outcome.add(one);
        }
        if !outcome.findings.is_empty() {
            return Ok(outcome);
        }
    }
    outcome.note = format!("{} points", points.len());
    Ok(outcome)
}

async fn asleep_at(trial: Trial, point: Point, asleep: Duration) -> Result<Outcome> {
    let mut stage = Stage::set(&trial).await?;
    stage.fleet.set("JOIN_COMMUNITY_FAIL_POINT", format!("{}:1:stop", point.name()));
    stage.fleet.start(1).await?;
    stage.fleet.unset("JOIN_COMMUNITY_FAIL_POINT");
    let load = Load::mixed(&stage.installation, trial.seed, 40).await?;
    let all: Vec<Key> = load.ledger.members.iter().map(|member| member.key).collect();
    let sender = stage.send(load, Duration::ZERO);
    // The sweep finds only what others did.
    stage.change_by_others(&all[..1]).await?;
    stage.fleet.until_stopped(0).await?;
    stage.change_by_others(&all).await?;
    for _ in 1..trial.workers {
        stage.fleet.launch()?;
    }
    tokio::time::sleep(asleep).await;
    stage.fleet.signal("CONT").await?;
    stage.healed();
    let mut ledger = sender.finish().await?;
    ledger.disturbed.extend(all);
    stage.compare(ledger).await
}
