//! Rounds: every series once, then all of them again, so that what changes on the machine meanwhile meets all alike. Before
//! them a pilot tells how many requests each needs.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::cli::Cli;
use crate::clock;
use crate::figures::{Measured, count};
use crate::ground::{Ground, Size};
use crate::peers::{self, Installed};
use crate::process::Process;
use crate::progress::Progress;
use crate::requests::enqueue;
use crate::series::{Kind, Series, WORKER, worker_command};

/// The pilot is slower than what comes later, and a run shall rather be too long.
const RESERVE: f64 = 1.3;
/// A pilot that took less says little: it is made again with more.
const TOO_SHORT: f64 = 1.0;

/// What RabbitMQ was sent, it goes on sorting into its files for a moment.
const SETTLING: Duration = Duration::from_secs(1);

/// What came of a series.
pub(crate) struct Outcome {
    /// The series.
    pub(crate) series: Series,
    /// Each round of it.
    pub(crate) rounds: Vec<Measured>,
    /// Why there is none.
    pub(crate) missing: Option<String>,
}

/// A series that can be run.
struct Ready {
    peer: Option<Installed>,
    requests: usize,
}

/// Measures these series.
pub(crate) async fn measure(series: &[Series], cli: &Cli) -> Result<Vec<Outcome>> {
    let pilots = usize::from(cli.requests().is_none());
    let progress = Progress::of(series.len() * (cli.rounds() + pilots));
    let mut results = Vec::with_capacity(series.len());
    let mut ready = Vec::with_capacity(series.len());
    for one in series {
        let prepared = prepare(one, cli, &progress).await.with_context(|| one.name.to_owned())?;
        let missing = prepared.as_ref().err().cloned();
        results.push(Outcome { series: *one, rounds: Vec::new(), missing });
        ready.push(prepared.ok());
    }
    for round in 1..=cli.rounds() {
        for (result, ready) in results.iter_mut().zip(&mut ready) {
            let Some(ready) = ready else { continue };
            let measured = one_round(round, &result.series, ready, cli, &progress).await;
            result.rounds.push(measured.with_context(|| format!("{}, round {round}", result.series.name))?);
        }
    }
    Ok(results)
}

/// Measures a series once. What was over too soon does not count, and is made again with more.
async fn one_round(
    round: usize,
    series: &Series,
    ready: &mut Ready,
    cli: &Cli,
    progress: &Progress,
) -> Result<Measured> {
    loop {
        progress.begins(format!("round {round}: {}, {} requests", series.name, ready.requests));
        let measured = once(series, Size::of(ready.requests), ready.peer.as_ref(), cli).await?;
        if cli.requests().is_none() && measured.seconds < cli.seconds {
            ready.requests = enough(&measured, cli.seconds);
            continue;
        }
        progress.done(&format!("round {round}  {:<18} {}", series.name, told(&measured)));
        return Ok(measured);
    }
}

fn told(measured: &Measured) -> String {
    format!(
        "{:>9.0} joins/s  {:>7} requests in {:>6.2} s  {:>5.0} µs of its own CPU a request; services {:.0?}",
        measured.rate(),
        measured.requests,
        measured.seconds,
        measured.micros(),
        measured.services_micros()
    )
}

/// Installs what has to be, and finds out how many requests the series needs.
async fn prepare(series: &Series, cli: &Cli, progress: &Progress) -> Result<Result<Ready, String>> {
    let peer = match series.kind {
        Kind::Worker(_)
        | Kind::Other
        | Kind::Spread(_)
        | Kind::BrokerCeiling
        | Kind::StoreCeiling
        | Kind::OneAtATime(_) => None,
        Kind::Peer(name, _) => {
            progress.begins(format!("installing {name}"));
            match tokio::task::spawn_blocking(|| peers::install(name)).await?? {
                Ok(installed) => Some(installed),
                Err(reason) => {
                    progress.done(&format!("{name} is missing: {reason}"));
                    return Ok(Err(reason));
                }
            }
        }
    };
    let mut ready = Ready { peer, requests: cli.requests().unwrap_or(series.first_guess()) };
    if cli.requests().is_none() {
        progress.begins(format!("pilot: {}", series.name));
        let peer = ready.peer.as_ref();
        let mut measured = once(series, Size::of(ready.requests), peer, cli).await?;
        if measured.seconds < TOO_SHORT {
            measured = once(series, Size::of(enough(&measured, TOO_SHORT)), peer, cli).await?;
        }
        ready.requests = enough(&measured, cli.seconds);
        progress.done(&format!("pilot    {:<18} {}", series.name, told(&measured)));
    }
    Ok(Ok(ready))
}

/// As many requests as take so many seconds, in whole hundreds.
pub(crate) fn enough(pilot: &Measured, seconds: f64) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "far below 2^53, and never negative")]
    let hundreds = (pilot.rate() * seconds * RESERVE / 100.0).ceil() as usize;
    hundreds.max(1) * 100
}

/// Runs the worker once where there is so much, and checks what came of it: of what stands recorded some has to be pruned.
/// Answers how much of it.
pub(crate) async fn worker_once(size: Size, cli: &Cli) -> Result<(Measured, usize)> {
    let mut ground = Ground::lay(WORKER.tables(), size).await?;
    let command = worker_command(&cli.worker, &ground);
    let measured = run(&WORKER, &mut ground, None, command).await?;
    let left = if size.recorded > 0 { ground.recorded().await? } else { 0 };
    ensure!(size.recorded == 0 || left < size.recorded, "nothing was pruned while the clock ran");
    ground.clear().await?;
    Ok((measured, size.recorded - left))
}

/// As many requests as the worker needs to be measured with, and how many a second it so joins. What was over too soon is made
/// again: it says little of what comes after the start.
pub(crate) async fn worker_pilot(cli: &Cli) -> Result<(usize, f64)> {
    let mut requests = cli.requests().unwrap_or(WORKER.first_guess());
    loop {
        let (measured, _) = worker_once(Size::of(requests), cli).await?;
        if cli.requests().is_some() || measured.seconds >= cli.seconds {
            return Ok((cli.requests().unwrap_or(enough(&measured, cli.seconds)), measured.rate()));
        }
        requests = enough(&measured, cli.seconds);
    }
}

/// Runs a series once, on ground of its own, and checks what came of it.
async fn once(series: &Series, size: Size, peer: Option<&Installed>, cli: &Cli) -> Result<Measured> {
    let ground = series.lay(size, cli).await?;
    let command = series.command(&ground, cli, peer)?;
    once_by(series, ground, peer, command).await
}

/// Runs a series by this command, checks what came of it, and takes the ground away.
pub(crate) async fn once_by(
    series: &Series,
    mut ground: Ground,
    peer: Option<&Installed>,
    command: Command,
) -> Result<Measured> {
    let measured = run(series, &mut ground, peer, command).await?;
    ground.clear().await?;
    Ok(measured)
}

async fn run(series: &Series, ground: &mut Ground, peer: Option<&Installed>, mut command: Command) -> Result<Measured> {
    enqueue(ground, &series.manner(peer)).await?;
    let proof = series.proof();
    if proof != clock::Proof::Stored {
        clock::until_full(ground).await?;
        tokio::time::sleep(SETTLING).await;
    }
    let mut process = Process::start(series.name, &mut command)?;
    let mut measured = clock::measure(ground, &mut process, proof).await?;
    measured.cpu_in_all = process.stop().await?.cpu;
    clock::check(ground, proof).await?;
    Ok(measured)
}

/// The shortest run of all, in seconds.
pub(crate) fn shortest(results: &[Outcome]) -> f64 {
    results.iter().flat_map(|result| &result.rounds).map(|round| round.seconds).fold(f64::INFINITY, f64::min)
}

/// How many rounds there were.
pub(crate) fn made_rounds(results: &[Outcome]) -> f64 {
    count(results.iter().map(|result| result.rounds.len()).max().unwrap_or_default())
}
