//! How much memory the worker needs: with a long backlog before it, after that, and with nothing to do.

use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::cli::Cli;
use crate::clock;
use crate::figures::{Measured, Spread};
use crate::ground::{Ground, Size, Tables};
use crate::process::Process;
use crate::progress::Progress;
use crate::requests::{Manner, enqueue};
use crate::series::{WORKER, worker_command};
use crate::targets::{self, Bound, Target};

const REQUESTS: usize = 1_000_000;
const QUICK: usize = 1_000;
/// How long it has nothing to do.
const IDLE: Duration = Duration::from_secs(30);

/// Measures each once: the backlog takes minutes.
pub(crate) async fn measure(cli: &Cli) -> Result<String> {
    let progress = Progress::of(2);
    progress.begins("idle");
    let resident = idle(cli).await.context("idle")?;
    progress.done(&format!("idle: {resident:.1} MiB"));
    let requests = if cli.quick { QUICK } else { REQUESTS };
    progress.begins(format!("draining {requests} requests"));
    let (drained, left) = Box::pin(drain(requests, cli)).await.context("draining")?;
    let most = mebibytes(drained.peak);
    progress.done(&format!("draining: {most:.1} MiB at most, {left:.1} MiB after, {:.0} joins/s", drained.rate()));
    let memory =
        |figure: String, bound, measured| Target { figure, bound, unit: "MiB", measured: Spread::of([measured]) };
    let targets = [
        memory(format!("most memory resident while {requests} requests are drained"), Bound::AtMost(64.0), most),
        memory(format!("memory resident after {IDLE:?} with nothing to do"), Bound::AtMost(24.0), resident),
        memory(format!("idle after work: the same {IDLE:?} after these {requests}"), Bound::Open, left),
    ];
    Ok(targets::table(&targets))
}

/// Drains a backlog. Answers what is resident after it as well, once there has been nothing to do for a while.
async fn drain(requests: usize, cli: &Cli) -> Result<(Measured, f64)> {
    let mut ground = Ground::lay(WORKER.tables(), Size::of(requests)).await?;
    enqueue(&ground, &Manner::Producer).await?;
    clock::until_full(&ground).await?;
    let mut process = Process::start(WORKER.name, &mut worker_command(&cli.worker, &ground))?;
    let measured = clock::measure(&mut ground, &mut process, WORKER.proof()).await?;
    tokio::time::sleep(pause(cli)).await;
    let left = mebibytes(process.memory("VmRSS")?);
    process.stop().await?;
    clock::check(&mut ground, WORKER.proof()).await?;
    ground.clear().await?;
    Ok((measured, left))
}

/// What is resident in the end.
async fn idle(cli: &Cli) -> Result<f64> {
    let ground = Ground::lay(Tables::Ours, Size::of(0)).await?;
    let mut process = Process::start("worker", &mut worker_command(&cli.worker, &ground))?;
    clock::until_consuming(&ground, &mut process).await?;
    tokio::time::sleep(pause(cli)).await;
    let resident = mebibytes(process.memory("VmRSS")?);
    process.stop().await?;
    ground.clear().await?;
    Ok(resident)
}

fn pause(cli: &Cli) -> Duration {
    if cli.quick { Duration::from_secs(1) } else { IDLE }
}

/// Bytes in MiB.
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "memory is far below 2^53 bytes")]
    let bytes = bytes as f64;
    bytes / f64::from(1024 * 1024)
}
