//! The world around: others write to the same members, and a site is closed, while requests are on their way.

use std::time::Duration;

use anyhow::Result;
use futures_util::FutureExt as _;

use crate::dice::Dice;
use crate::ledger::{Expected, Key, Rejection};
use crate::load::Load;
use crate::stage::Stage;
use crate::trial::{Fault, Outcome, Trial};

/// What others do to a member, `$1` its site and `$2` its id.
const CHANGES: [&str; 6] = [
    "UPDATE members SET profile = profile || jsonb_build_object('nickname', 'Jo' || event_sequence) WHERE site_id = $1 AND id = $2",
    "UPDATE members SET status = 'BLOCKED' WHERE site_id = $1 AND id = $2",
    "UPDATE members SET status = 'APPROVED' WHERE site_id = $1 AND id = $2",
    "UPDATE members SET privacy_status = 'PRIVATE' WHERE site_id = $1 AND id = $2",
    "UPDATE members SET privacy_status = 'PUBLIC' WHERE site_id = $1 AND id = $2",
    "DELETE FROM members WHERE site_id = $1 AND id = $2",
];

pub(super) fn faults() -> Vec<Fault> {
    let fault = |name, what, run| Fault { name, what, quick: true, alone: false, workers: &[1, 3], run };
    vec![
        fault("world/other-writers", "others change, block, delete the same members meanwhile", |trial| {
            other_writers(trial).boxed()
        }),
        fault(
            "world/site-closed-meanwhile",
            "a site closed while the workers stand still with requests in hand",
            |trial| site_closed(trial).boxed(),
        ),
    ]
}

async fn other_writers(trial: Trial) -> Result<Outcome> {
    let mut stage = Stage::with_workers(&trial).await?;
    let mut load = Load::mixed(&stage.installation, trial.seed, if trial.quick { 200 } else { 1000 }).await?;
    let mut dice = Dice::new(trial.seed);
    let keys: Vec<Key> = load.ledger.members.iter().map(|member| member.key).collect();
    for request in &mut load.ledger.requests {
        if matches!(request.expected, Expected::Joined | Expected::Rejected(_)) {
            request.expected = Expected::Any;
        }
    }
    let sender = stage.send(load, Duration::from_millis(20));
    let mut other = stage.installation.stranger().await;
    let changes = keys.len() * 3;
    for _ in 0..changes {
        let (site, member) = keys[dice.below(keys.len())];
        let change = CHANGES[dice.below(CHANGES.len())];
        sqlx::query(change).bind(site).bind(member).execute(&mut other).await?;
    }
    stage.healed();
    let mut ledger = sender.finish().await?;
    ledger.disturbed.extend(keys);
    Ok(Outcome { times: u64::try_from(changes)?, ..stage.compare(ledger).await? })
}

/// Rights and states are those at processing time: what the workers had loaded before they stood still does not count.
async fn site_closed(trial: Trial) -> Result<Outcome> {
    let mut stage = Stage::with_workers(&trial).await?;
    let mut load = Load::mixed(&stage.installation, trial.seed, 100).await?;
    for request in &mut load.ledger.requests {
        if matches!(request.expected, Expected::Joined | Expected::Rejected(Rejection::Blocked)) {
            request.expected = Expected::Any;
        }
    }
    let keys: Vec<Key> = load.ledger.members.iter().map(|member| member.key).collect();
    let site = keys[0].0;
    let mut sender = stage.send(load, Duration::from_millis(10));
    sender.until(40).await?;
    stage.fleet.signal("STOP").await?;
    stage.installation.gate(site, "NO_ONE").await;
    // Statements that PostgreSQL has got already still count.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let before = joined(&stage).await?;
    stage.fleet.signal("CONT").await?;
    stage.healed();
    let mut ledger = sender.finish().await?;
    ledger.disturbed.extend(keys);
    stage.rest(&ledger).await;
    let late = joined(&stage).await? - before;
    anyhow::ensure!(late == 0, "{late} members joined after their site was closed");
    stage.compare(ledger).await
}

async fn joined(stage: &Stage) -> Result<i64> {
    let mut other = stage.installation.stranger().await;
    Ok(sqlx::query_scalar("SELECT count(*) FROM join_requests WHERE verdict = 'joined'").fetch_one(&mut other).await?)
}
