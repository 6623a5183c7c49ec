//! The clock: from the first delivery until the last row, key and event is there. The same for every series, and seen from
//! outside alone.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::figures::Measured;
use crate::ground::{Ground, Progress};
use crate::process::Process;
use crate::services::ServicesTime;
use crate::store_ceiling;

/// How long a series may take.
const LIMIT: Duration = Duration::from_mins(15);
/// Asking costs the services something, so it is done seldom: the clock is wrong by no more than this.
const STEP: Duration = Duration::from_millis(10);

/// What has to be there in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Verdict, change, entry and event of each request, nothing owed, nothing left in the queue.
    Everything,
    /// Events, and an empty queue: database and cache were never asked.
    Events,
    /// Verdicts, changes and entries, and nothing owed: there is no broker.
    Stored,
}

/// Waits until every request lies in the queue, which is then full.
pub(crate) async fn until_full(ground: &Ground) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    while ground.waiting().await? < ground.members.len() {
        ensure!(Instant::now() < deadline, "the queue does not hold what it was sent");
        tokio::time::sleep(STEP).await;
    }
    Ok(())
}

/// Waits until no more than so many requests are left in the queue.
pub(crate) async fn until_left(ground: &Ground, process: &mut Process, left: usize) -> Result<Instant> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let asked = Instant::now();
        if ground.waiting().await? <= left {
            return Ok(asked);
        }
        ensure!(asked < deadline, "more than {left} requests are left after {LIMIT:?}");
        process.is_alive()?;
        tokio::time::sleep(STEP / 10).await;
    }
}

/// Waits until a process that was just started asks for requests.
pub(crate) async fn until_consuming(ground: &Ground, process: &mut Process) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    while ground.consumers().await? == 0 {
        ensure!(Instant::now() < deadline, "nobody consumes within {LIMIT:?}");
        process.is_alive()?;
        tokio::time::sleep(STEP).await;
    }
    Ok(())
}

/// Waits until a process that has just been started on a full queue has begun with it.
pub(crate) async fn until_begun(ground: &Ground, process: &mut Process, proof: Proof) -> Result<Instant> {
    match proof {
        Proof::Everything | Proof::Events => {
            let full = ground.members.len();
            ensure!(full > 0, "nothing is to be done");
            until_left(ground, process, full - 1).await
        }
        Proof::Stored => {
            process.until_said(store_ceiling::BEGINS).await?;
            Ok(Instant::now())
        }
    }
}

/// Measures a process that has just been started on a full queue.
pub(crate) async fn measure(ground: &mut Ground, process: &mut Process, proof: Proof) -> Result<Measured> {
    let began = until_begun(ground, process, proof).await?;
    let (cpu, services) = (process.cpu()?, ServicesTime::now()?);
    let ended = until_done(ground, process, proof).await?;
    let (cpu, services) = (process.cpu()? - cpu, ServicesTime::now()? - services);
    let (requests, seconds) = (ground.members.len(), (ended - began).as_secs_f64());
    Ok(Measured { requests, seconds, cpu, cpu_in_all: 0.0, services, peak: process.memory("VmHWM")? })
}

/// Answers the moment from which on all was there: that before the look which found it.
pub(crate) async fn until_done(ground: &mut Ground, process: &mut Process, proof: Proof) -> Result<Instant> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let looked = Instant::now();
        if is_complete(ground, proof).await? {
            return Ok(looked);
        }
        ensure!(looked < deadline, "not done within {LIMIT:?}: {:?}", ground.progress().await?);
        process.is_alive()?;
        tokio::time::sleep(STEP).await;
    }
}

/// Asks for what costs the least first.
async fn is_complete(ground: &mut Ground, proof: Proof) -> Result<bool> {
    let requests = ground.members.len();
    let published = match proof {
        Proof::Everything | Proof::Events => ground.events().await? >= requests && ground.waiting().await? == 0,
        Proof::Stored => true,
    };
    let stored = match proof {
        Proof::Everything | Proof::Stored if published => {
            // The database is asked whole tables only when this one is empty, which it rarely is under way.
            ground.owes_nothing().await?
                && ground.progress().await? == Progress { verdicts: requests, owed: 0, entries: requests }
        }
        Proof::Everything | Proof::Events | Proof::Stored => published,
    };
    Ok(published && stored)
}

/// Checks, once the process has ended, that the counts are right: nothing is missing, nothing was done twice.
pub(crate) async fn check(ground: &mut Ground, proof: Proof) -> Result<()> {
    let requests = ground.members.len();
    if proof != Proof::Events {
        let progress = ground.progress().await?;
        let joined = ground.joined().await?;
        let right = Progress { verdicts: requests, owed: 0, entries: requests };
        ensure!(progress == right && joined == requests, "{progress:?} and {joined} public members, not {right:?}");
    }
    if proof != Proof::Stored {
        let events = ground.events().await?;
        ensure!(events == requests, "{events} events for {requests} requests");
        // What was not acknowledged is back by now.
        let left = ground.waiting().await?;
        ensure!(left == 0, "{left} requests were not acknowledged");
    }
    Ok(())
}
