//! How long the worker takes until it works, and until it is gone under full load.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use join_community::config;

use crate::cli::Cli;
use crate::clock;
use crate::figures::Spread;
use crate::ground::{Ground, Size, Tables};
use crate::process::Process;
use crate::progress::Progress;
use crate::requests::{Manner, enqueue};
use crate::series::worker_command;
use crate::targets::{self, Bound, Target};

/// Enough for some seconds of full load.
const REQUESTS: usize = 60_000;
const QUICK: usize = 6_000;
/// What a worker begins with (`src/join/steering/cost.rs`).
const FIRST_LANES: usize = 4;
const FIRST_PREFETCH: u16 = 512;

/// Measures both, in one life of a worker each round.
pub(crate) async fn measure(cli: &Cli) -> Result<String> {
    let progress = Progress::of(cli.rounds());
    let (mut starts, mut stops) = (Vec::new(), Vec::new());
    for round in 1..=cli.rounds() {
        progress.begins(format!("round {round}"));
        let (start, stop) = Box::pin(life(cli)).await.with_context(|| format!("round {round}"))?;
        progress.done(&format!("round {round}  first ack after {start:.3} s, exit {stop:.3} s after SIGTERM"));
        starts.push(start);
        stops.push(stop);
    }
    let seconds = |figure: &str, bound, of| Target {
        figure: figure.to_owned(),
        bound: Bound::AtMost(bound),
        unit: "s",
        measured: Spread::of(of),
    };
    let targets = [
        seconds("start of the process to its first ack", 1.0, starts),
        seconds("SIGTERM under full load to its exit", 2.0, stops),
    ];
    Ok(targets::table(&targets))
}

/// Seconds from start to first ack, and from SIGTERM to exit.
async fn life(cli: &Cli) -> Result<(f64, f64)> {
    let requests = if cli.quick { QUICK } else { REQUESTS };
    let mut ground = Ground::lay(Tables::Ours, Size::of(requests)).await?;
    enqueue(&ground, &Manner::Producer).await?;
    clock::until_full(&ground).await?;

    // The broker hands out no more than this before something is acknowledged, so more than this proves an ack: a worker begins
    // with so few lanes and so little in advance, and changes neither within its first second.
    let config =
        config::load(None, Vec::<(String, String)>::new()).map_err(|findings| anyhow::anyhow!("{findings}"))?;
    let held = config.join.lanes.min(FIRST_LANES) * usize::from(config.join.prefetch.min(FIRST_PREFETCH));
    ensure!(requests > 2 * held, "too few requests for {held} that may be held");
    let started = Instant::now();
    let mut process = Process::start("worker", &mut worker_command(&cli.worker, &ground))?;
    let first_ack = clock::until_left(&ground, &mut process, requests - held - 1).await? - started;

    // Half of the work: the load is full, and far from its end.
    clock::until_left(&ground, &mut process, requests / 2).await?;
    let ended = process.stop().await?;
    let (verdicts, left) = (ground.progress().await?.verdicts, ground.waiting().await?);
    ensure!(left > 0, "all was done before SIGTERM");
    ensure!(verdicts + left == requests, "{verdicts} verdicts and {left} requests left, of {requests}");
    ground.clear().await?;
    Ok((first_ack.as_secs_f64(), ended.after.as_secs_f64()))
}
