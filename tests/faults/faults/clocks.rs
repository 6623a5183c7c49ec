//! The worker's clock an hour from everybody else's, by libfaketime. Durations go on as they are: a machine whose clock is
//! set wrong does not count seconds wrong.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures_util::FutureExt as _;
use redis::AsyncCommands as _;
use serde_json::Value;
use time::OffsetDateTime;

use crate::dice::Dice;
use crate::issuer::{Issuer, LEEWAY, trust};
use crate::ledger::{Expected, Rejection};
use crate::load::Load;
use crate::stage::Stage;
use crate::suite::support::{JOINABLE, cache, left_out};
use crate::trial::{Fault, Outcome, Trial};

/// Debian's package `faketime`.
const LIBRARIES: [&str; 2] =
    ["/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1", "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1"];
const HOUR: Duration = Duration::from_hours(1);
const MINUTE: Duration = Duration::from_mins(1);
/// `cache.ttl`, with the tenth that it is given or taken.
const TTL: std::ops::Range<i64> = 21 * 3600..27 * 3600;

pub(super) fn faults() -> Vec<Fault> {
    let fault = |name, what, workers, run| {
        // One way of being wrong is enough for a short run.
        let quick = name == "clocks/an-hour-ahead";
        Fault { name, what, quick, alone: false, workers, run }
    };
    vec![
        fault("clocks/an-hour-ahead", "the worker's clock an hour ahead", &[1], |trial| alone(trial, "+1h").boxed()),
        fault("clocks/an-hour-behind", "the worker's clock an hour behind", &[1], |trial| alone(trial, "-1h").boxed()),
        fault(
            "clocks/apart",
            "three workers, one an hour ahead, one an hour behind, all killed now and then",
            &[3],
            |trial| apart(trial).boxed(),
        ),
        fault(
            "clocks/jumping",
            "the clock of running workers set an hour ahead, two hours back, and right again",
            &[1, 3],
            |trial| jumping(trial).boxed(),
        ),
    ]
}

fn library() -> Option<&'static str> {
    LIBRARIES.into_iter().find(|path| Path::new(path).exists())
}

fn untried() -> Outcome {
    left_out("workers with wrong clocks were not tried: Debian's package faketime is not installed");
    Outcome { note: "not tried: Debian's package faketime is not installed".to_owned(), ..Outcome::default() }
}

/// A worker with a wrong clock takes requests all the same, and says that it is not ready, and why.
async fn start_wrong(stage: &mut Stage, place: usize) -> Result<()> {
    stage.fleet.launch()?;
    says_of_its_clock(stage, place, true).await
}

/// Waits until a worker says that its clock is wrong, and nothing else is; or that nothing is.
async fn says_of_its_clock(stage: &Stage, place: usize, apart: bool) -> Result<()> {
    let deadline = tokio::time::Instant::now() + MINUTE;
    loop {
        let (code, body) = stage.fleet.ask(place, "readyz").await.unwrap_or_default();
        let report: Value = serde_json::from_str(&body).unwrap_or_default();
        let of: Vec<_> = report["dependencies"].as_object().into_iter().flatten().collect();
        let down: Vec<_> = of.iter().filter(|(_, told)| told["up"] == false).collect();
        match down.as_slice() {
            [] if !apart && code == 200 => return Ok(()),
            // Before it has asked the database for the first time, it says that its clock is starting.
            [(name, told)]
                if apart && *name == "clock" && told["reason"].as_str().unwrap_or_default().contains("apart") =>
            {
                ensure!(code == 503, "{code}: {report}");
                return Ok(());
            }
            _ => {}
        }
        ensure!(tokio::time::Instant::now() < deadline, "{report} of a worker whose clock is wrong: {apart}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Workers that start from now on have a wrong clock, or the right one.
fn set_clock(stage: &mut Stage, library: &str, wrong_by: &str) {
    stage.fleet.set("LD_PRELOAD", library);
    stage.fleet.set("FAKETIME", wrong_by);
    stage.fleet.set("FAKETIME_DONT_FAKE_MONOTONIC", "1");
}

async fn alone(trial: Trial, wrong_by: &'static str) -> Result<Outcome> {
    let Some(library) = library() else { return Ok(untried()) };
    let mut stage = Stage::set(&trial).await?;
    let issuer = Issuer::new(&trial.folder.join("keys"))?;
    trust(&mut stage.fleet, &issuer.keys.jwks_path().display().to_string());
    set_clock(&mut stage, library, wrong_by);
    for place in 0..trial.workers {
        start_wrong(&mut stage, place).await?;
    }
    let mut load = Load::mixed(&stage.installation, trial.seed, if trial.quick { 100 } else { 1000 }).await?;
    add_tokens(&mut load, &stage, &issuer, wrong_by).await?;
    Dice::new(trial.seed).shuffle(&mut load.messages);
    let before = latest_change(&stage).await?;
    let ledger = stage.send(load, Duration::from_millis(20)).finish().await?;
    stage.rest(&ledger).await;
    times_are_sound(&stage, before, wrong_by).await?;
    stage.compare(ledger).await
}

/// Tokens are held against the worker's clock, and nothing else is.
async fn add_tokens(load: &mut Load, stage: &Stage, issuer: &Issuer, wrong_by: &str) -> Result<()> {
    let now = OffsetDateTime::now_utc();
    let workers = if wrong_by == "+1h" { now + HOUR } else { now - HOUR };
    let mut dice = Dice::new(load.ledger.seed.wrapping_add(1));
    let site = dice.id();
    let expired = Expected::Rejected(Rejection::Expired);
    // Expiry and start, from the worker's point of view. The load takes a while to be sent.
    for (expires_at, not_before, expected) in [
        (workers + MINUTE * 10, None, Expected::Joined),
        (workers + MINUTE * 10, Some(workers - MINUTE), Expected::Joined),
        (workers + MINUTE * 10, Some(workers + LEEWAY - Duration::from_secs(1)), Expected::Joined),
        (workers + MINUTE * 10, Some(workers + MINUTE * 10), Expected::Refused),
        (workers - MINUTE, None, expired),
        (workers - LEEWAY - Duration::from_secs(1), None, expired),
    ] {
        for member in load.members(&stage.installation, site, JOINABLE, 5).await {
            let mut claims = Issuer::claims(member);
            (claims.expires_at, claims.not_before) = (expires_at, not_before);
            issuer.join(load, dice.id().to_string(), &claims, expected)?;
        }
    }
    Ok(())
}

async fn latest_change(stage: &Stage) -> Result<OffsetDateTime> {
    let mut other = stage.installation.stranger().await;
    Ok(sqlx::query_scalar("SELECT max(updated_date) FROM members").fetch_one(&mut other).await?)
}

/// A record's date never goes back, events tell of that date, entries live as long as always.
async fn times_are_sound(stage: &Stage, before: OffsetDateTime, wrong_by: &str) -> Result<()> {
    let mut other = stage.installation.stranger().await;
    let changed = "FROM members m JOIN join_requests r ON r.site_id = m.site_id AND r.member_id = m.id
                   WHERE r.verdict IN ('joined', 'left')";
    let (first, last): (OffsetDateTime, OffsetDateTime) =
        sqlx::query_as(sqlx::AssertSqlSafe(format!("SELECT min(updated_date), max(updated_date) {changed}")))
            .fetch_one(&mut other)
            .await?;
    if wrong_by == "+1h" {
        ensure!(first > before + MINUTE * 50, "changed at {first} by a clock that is an hour ahead of {before}");
    } else {
        ensure!(last <= before, "changed at {last}, after {before}, by a clock that is an hour behind");
    }
    let place = stage.place();
    let mut cache = cache::connection(&place.cache).await?;
    let keys: Vec<String> = cache.keys(format!("{}:*", place.cache_prefix)).await?;
    ensure!(keys.len() > 1, "no entries");
    for key in keys.iter().filter(|key| !key.ends_with(":probe")) {
        let left: i64 = cache.ttl(key).await.context("ttl")?;
        ensure!(TTL.contains(&left), "the entry {key} lives for {left} s");
    }
    Ok(())
}

/// What runs goes by a clock that does not jump; what is written down goes by the database's.
async fn jumping(trial: Trial) -> Result<Outcome> {
    let Some(library) = library() else { return Ok(untried()) };
    let mut stage = Stage::set(&trial).await?;
    fs::create_dir_all(&trial.folder)?;
    let clock = trial.folder.join("clock");
    fs::write(&clock, "+0")?;
    set_clock(&mut stage, library, "+0");
    stage.fleet.unset("FAKETIME");
    stage.fleet.set("FAKETIME_TIMESTAMP_FILE", clock.display().to_string());
    // Read at every look at the clock.
    stage.fleet.set("FAKETIME_NO_CACHE", "1");
    stage.fleet.start(trial.workers).await?;
    let mut sender = stage.load(if trial.quick { 200 } else { 1000 }, Duration::from_millis(50)).await?;
    for (hundredths, wrong_by, apart) in [(20, "+1h", true), (40, "-1h", true), (60, "+0", false)] {
        sender.until(hundredths).await?;
        fs::write(&clock, wrong_by)?;
        for place in 0..trial.workers {
            says_of_its_clock(&stage, place, apart).await?;
        }
    }
    stage.healed();
    Ok(Outcome { times: 3, ..stage.conclude(sender).await? })
}

/// Leases are by the database's clock: nobody takes another's work away for being ahead, or waits for being behind.
async fn apart(trial: Trial) -> Result<Outcome> {
    let Some(library) = library() else { return Ok(untried()) };
    let mut stage = Stage::set(&trial).await?;
    for (place, wrong_by) in ["+1h", "-1h"].into_iter().enumerate() {
        set_clock(&mut stage, library, wrong_by);
        start_wrong(&mut stage, place).await?;
    }
    set_clock(&mut stage, library, "+0");
    stage.fleet.launch()?;
    let mut sender = stage.load(if trial.quick { 200 } else { 1000 }, Duration::from_millis(50)).await?;
    for (place, wrong_by) in ["+1h", "-1h", "+0"].into_iter().enumerate() {
        sender.until(20 * (place + 1)).await?;
        set_clock(&mut stage, library, wrong_by);
        stage.fleet.kill_and_replace(place).await?;
    }
    stage.healed();
    let mut ledger = sender.finish().await?;
    ledger.allowed.crash_loops = true;
    Ok(Outcome { times: 3, ..stage.compare(ledger).await? })
}
