//! The world around: others write to the same members, and a site is closed, while requests are on their way.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures_util::FutureExt as _;
use join_community::fail_point::Point;
use tokio::time::Instant;

use crate::dice::Dice;
use crate::ledger::{Expected, Key, Ledger, Rejection};
use crate::load::Load;
use crate::stage::Stage;
use crate::suite::support::JOINABLE;
use crate::trial::{Fault, Outcome, Trial};

const FAIL_POINT: &str = "JOIN_COMMUNITY_FAIL_POINT";
/// A producer that is listed, and vouches for nobody here.
const ELSEWHERE: &str = "[{ user = \"member-gateway\", identity_types = [\"MEMBER\"], \
     sites = [\"6b0e7f1a-0000-4000-8000-000000000000\"], may_elevate = false }]";

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
    let fault = |name, what, run| {
        // As the other one, but for the verdict.
        let quick = name != "world/producer-restricted-meanwhile";
        Fault { name, what, quick, alone: false, workers: &[1, 3], run }
    };
    vec![
        fault("world/other-writers", "others change, block, delete the same members meanwhile", |trial| {
            other_writers(trial).boxed()
        }),
        fault(
            "world/site-closed-meanwhile",
            "a site closed while the workers stand still with requests in hand",
            |trial| site_closed(trial).boxed(),
        ),
        fault(
            "world/producer-withdrawn-meanwhile",
            "a producer struck off the list while its requests lie in the queue and on the ladder",
            |trial| producer_withdrawn(trial, "[]", Expected::Refused).boxed(),
        ),
        fault(
            "world/producer-restricted-meanwhile",
            "a producer trusted for other sites only while its requests lie in the queue and on the ladder",
            |trial| producer_withdrawn(trial, ELSEWHERE, Expected::Rejected(Rejection::NotPermitted)).boxed(),
        ),
        fault(
            "world/members-too-large",
            "members grown by others beyond what any broker takes, for a while",
            |trial| members_too_large(trial).boxed(),
        ),
    ]
}

async fn other_writers(trial: Trial) -> Result<Outcome> {
    let mut stage = Stage::with_workers(&trial).await?;
    let mut load = Load::mixed(&stage.installation, trial.seed, if trial.quick { 200 } else { 1000 }).await?;
    let mut dice = Dice::new(trial.seed);
    let keys: Vec<Key> = load.ledger.members.iter().map(|member| member.key).collect();
    for request in &mut load.ledger.requests {
        if matches!(request.expected, Expected::Joined | Expected::Left | Expected::Rejected(_)) {
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
    ensure!(late == 0, "{late} members joined after their site was closed");
    stage.compare(ledger).await
}

/// Who may vouch is looked up when a request is handled, for what comes from the ladder as well.
async fn producer_withdrawn(trial: Trial, trusted: &'static str, expected: Expected) -> Result<Outcome> {
    let mut stage = Stage::set(&trial).await?;
    let mut dice = Dice::new(trial.seed);
    let (site, count) = (dice.id(), if trial.quick { 50 } else { 500 });
    let mut load = Load { ledger: Ledger { seed: trial.seed, ..Ledger::default() }, messages: Vec::new() };
    // Their member is unknown: the first copy on the ladder is there before any of them is decided.
    for _ in 0..count {
        load.join(dice.id().to_string(), (site, dice.id()), expected);
    }
    let ledger = stage.send(load, Duration::ZERO).finish().await?;
    stage.fleet.set(FAIL_POINT, format!("{}:1", Point::AfterCopyConfirmed.name()));
    stage.fleet.launch()?;
    stage.fleet.until_dead(0).await?;
    stage.fleet.unset(FAIL_POINT);

    let mut load = Load { ledger, messages: Vec::new() };
    for member in load.members(&stage.installation, site, JOINABLE, count).await {
        load.join(dice.id().to_string(), member, expected);
    }
    let ledger = stage.send(load, Duration::ZERO).finish().await?;
    stage.fleet.set("JOIN_COMMUNITY__AUTH__PRODUCERS", trusted);
    stage.fleet.replace(0)?;
    stage.fleet.start(trial.workers - 1).await?;
    stage.healed();
    stage.compare(ledger).await
}

async fn joined(stage: &Stage) -> Result<i64> {
    let mut other = stage.installation.stranger().await;
    Ok(sqlx::query_scalar("SELECT count(*) FROM join_requests WHERE verdict = 'joined'").fetch_one(&mut other).await?)
}

/// Events that no broker takes stand in nobody's way, and go out once they can.
async fn members_too_large(trial: Trial) -> Result<Outcome> {
    let mut stage = Stage::with_workers(&trial).await?;
    let load = Load::mixed(&stage.installation, trial.seed, if trial.quick { 100 } else { 1000 }).await?;
    let grown: Vec<Key> = load.ledger.members.iter().take(5).map(|member| member.key).collect();
    let mut other = stage.installation.stranger().await;
    let grow =
        "UPDATE members SET extra = jsonb_build_object('x', repeat('x', 2000000)) WHERE site_id = $1 AND id = $2";
    for (site, member) in &grown {
        sqlx::query(grow).bind(site).bind(member).execute(&mut other).await?;
    }
    let mut ledger = stage.send(load, Duration::ZERO).finish().await?;
    ledger.disturbed.extend(&grown);

    let owed = "SELECT (site_id, member_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[])) FROM outbox";
    let (sites, ids): (Vec<_>, Vec<_>) = grown.iter().copied().unzip();
    let deadline = Instant::now() + trial.patience;
    loop {
        let left: Vec<bool> = sqlx::query_scalar(owed).bind(&sites).bind(&ids).fetch_all(&mut other).await?;
        let requests = stage.installation.depth("join-community.requests").await;
        if requests == 0 && left.len() == grown.len() && left.iter().all(|is_grown| *is_grown) {
            break;
        }
        ensure!(
            Instant::now() < deadline,
            "{requests} requests and {} debts left beside too large members",
            left.len()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let shrink = "UPDATE members SET extra = NULL WHERE site_id = $1 AND id = $2";
    for (site, member) in &grown {
        sqlx::query(shrink).bind(site).bind(member).execute(&mut other).await?;
    }
    stage.healed();
    stage.compare(ledger).await
}
