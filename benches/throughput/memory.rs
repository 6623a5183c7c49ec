//! How much memory the worker needs: with a long backlog behind it, and with nothing to do.

use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::cli::Cli;
use crate::clock;
use crate::figures::{Measured, Spread};
use crate::ground::{Ground, Size, Tables};
use crate::process::Process;
use crate::progress::Progress;
use crate::rounds::worker_once;
use crate::series::worker_command;
use crate::targets::{self, Bound, Target};

const REQUESTS: usize = 1_000_000;
const QUICK: usize = 1_000;
/// How long it has nothing to do.
const IDLE: Duration = Duration::from_secs(30);

/// Measures both, once each: the backlog takes minutes.
pub(crate) async fn measure(cli: &Cli) -> Result<String> {
    let progress = Progress::of(2);
    progress.begins("idle");
    let resident = idle(cli).await.context("idle")?;
    progress.done(&format!("idle: {resident:.1} MiB"));
    let requests = if cli.quick { QUICK } else { REQUESTS };
    progress.begins(format!("draining {requests} requests"));
    let (drained, _) = worker_once(Size::of(requests), cli).await.context("draining")?;
    progress.done(&format!("draining: {:.1} MiB at most, {:.0} joins/s", mebibytes(drained.peak), drained.rate()));
    let memory = |figure: String, bound, measured| Target {
        figure,
        bound: Bound::AtMost(bound),
        unit: "MiB",
        measured: Spread::of([measured]),
    };
    let Measured { requests, peak: most, .. } = drained;
    let targets = [
        memory(format!("most memory resident while {requests} requests are drained"), 64.0, mebibytes(most)),
        memory(format!("memory resident after {IDLE:?} with nothing to do"), 24.0, resident),
    ];
    Ok(targets::table(&targets))
}

/// What is resident in the end.
async fn idle(cli: &Cli) -> Result<f64> {
    let ground = Ground::lay(Tables::Ours, Size::of(0)).await?;
    let mut process = Process::start("worker", &mut worker_command(&cli.worker, &ground))?;
    clock::until_consuming(&ground, &mut process).await?;
    tokio::time::sleep(if cli.quick { Duration::from_secs(1) } else { IDLE }).await;
    let resident = mebibytes(process.memory("VmRSS")?);
    process.stop().await?;
    ground.clear().await?;
    Ok(resident)
}

/// Bytes in MiB.
pub(crate) fn mebibytes(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "memory is far below 2^53 bytes")]
    let bytes = bytes as f64;
    bytes / f64::from(1024 * 1024)
}
