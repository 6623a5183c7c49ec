//! How fast the worker is: as a user runs it, beside what its services allow and what others would write instead, in one
//! run, on the same services, durable everywhere.
//!
//! `make bench`, or `make bench BENCH='--series worker,go --rounds 3'`; `BENCH=--help` tells what can be chosen. Needs the
//! private services of this checkout. `docs/performance.md` says what the figures mean.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program, and this is its output")]

mod batches;
mod broker_ceiling;
mod cli;
mod clock;
mod document;
mod fairness;
mod figures;
mod ground;
mod latency;
mod machine;
mod memory;
mod one_at_a_time;
mod other;
mod peers;
mod place;
mod process;
mod profile;
mod progress;
mod queues;
mod records;
mod relay;
mod report;
mod requests;
mod rounds;
mod series;
mod services;
mod sizes;
mod start_stop;
mod steady;
mod steering;
mod store_ceiling;
mod targets;

#[path = "../../tests/suite"]
#[expect(dead_code, unused_imports, reason = "what all tests share is more than this one uses")]
#[expect(clippy::unwrap_used, clippy::expect_used, reason = "a bench that cannot go on ends with the reason")]
mod suite {
    pub(crate) mod support;
}

#[path = "../../tests/faults"]
#[expect(dead_code, reason = "of all that the proxy can do, the bench only wants it slow")]
mod faults {
    pub(crate) mod dice;
    pub(crate) mod proxy;
    pub(crate) mod superuser;
    pub(crate) mod versions;
}

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};

use cli::{Cli, Command, Part};
// Where each of them looks for the other.
use faults::{dice, proxy, superuser, versions};
use series::{Kind, Series};

/// The worker's, so that the ceilings are no lower for another one. Who is held against it as `one-at-a-time` has it for nothing.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ended = tokio::runtime::Runtime::new().map_err(anyhow::Error::from).and_then(|runtime| {
        runtime.block_on(async {
            match cli.command {
                // What is measured runs in a process of its own, so that its time is told apart from the clock's.
                Some(Command::BrokerCeiling) => Box::pin(broker_ceiling::serve()).await,
                Some(Command::StoreCeiling) => store_ceiling::serve().await,
                Some(Command::OneAtATime { in_flight }) => one_at_a_time::serve(in_flight).await,
                Some(Command::Relay) => relay::serve().await,
                None => tokio::select! {
                    ended = run(&cli) => ended,
                    // Children are in groups of their own, and would go on by themselves.
                    stopped = stopped() => stopped.and_then(|()| anyhow::bail!("stopped")),
                },
            }
        })
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Ends with the first signal that asks for it.
async fn stopped() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    Ok(())
}

async fn run(cli: &Cli) -> Result<()> {
    if cli.list {
        list(cli);
        return Ok(());
    }
    ensure!(
        !cli.other.is_given() || cli.only.iter().copied().any(Part::has_other),
        "another build is measured by the parts throughput and latency alone"
    );
    let machine = machine::describe(&cli.worker).await?;
    for part in Part::ALL.into_iter().filter(|part| cli.only.contains(part)) {
        let table = Box::pin(measured(part, cli)).await.with_context(|| part.name())?;
        let table = format!("{table}\n{}", machine.told(part == Part::Throughput && has_peers(cli)));
        println!("{table}");
        match &cli.record {
            Some(document) if cli.is_whole() => record(document, part.name(), &table)?,
            Some(document) => eprintln!("not written into {}: this was not a whole run", document.display()),
            None => {}
        }
    }
    Ok(())
}

/// Measures a part, and answers its table.
async fn measured(part: Part, cli: &Cli) -> Result<String> {
    match part {
        Part::Throughput => {
            let results = rounds::measure(&chosen(&compared(cli), cli)?, cli).await?;
            Ok(report::throughput(&results) + &cli.other.told(&cli.worker))
        }
        Part::Profile => Box::pin(profile::measure(cli)).await,
        Part::Tokens => {
            let results = rounds::measure(&chosen(series::TOKENS, cli)?, cli).await?;
            Ok(report::tokens(&results))
        }
        Part::Steering => steering::measure(cli).await,
        Part::Shards => {
            let results = rounds::measure(&chosen(series::SHARDS, cli)?, cli).await?;
            Ok(report::shards(&results))
        }
        Part::StartStop => Box::pin(start_stop::measure(cli)).await,
        Part::Latency => Box::pin(latency::measure(cli)).await,
        Part::Memory => Box::pin(memory::measure(cli)).await,
        Part::Fairness => Box::pin(fairness::measure(cli)).await,
        Part::Sizes => sizes::measure(cli).await,
    }
}

/// The series of the first comparison, with another build right behind the worker, if that was asked for.
fn compared(cli: &Cli) -> Vec<Series> {
    let mut all = series::THROUGHPUT.to_vec();
    if cli.other.is_given() {
        all.insert(1, series::OTHER);
    }
    all
}

/// Those that were named, and always what was asked for by an option of its own.
fn chosen(all: &[Series], cli: &Cli) -> Result<Vec<Series>> {
    let is_named = |name: &str| cli.series.is_empty() || cli.series.iter().any(|word| name.contains(word.as_str()));
    let is_meant = |series: &Series| matches!(series.kind, Kind::Other) || is_named(series.name);
    let chosen: Vec<Series> = all.iter().copied().filter(is_meant).collect();
    ensure!(!chosen.is_empty(), "no series is named like {}; --list names them", cli.series.join(", "));
    Ok(chosen)
}

/// Whether anybody's work is measured that is not ours.
fn has_peers(cli: &Cli) -> bool {
    chosen(&compared(cli), cli).is_ok_and(|chosen| chosen.iter().any(|series| matches!(series.kind, Kind::Peer(..))))
}

fn list(cli: &Cli) {
    let compared = compared(cli);
    for (part, all) in
        [(Part::Throughput, compared.as_slice()), (Part::Tokens, series::TOKENS), (Part::Shards, series::SHARDS)]
    {
        for series in all {
            println!("{:<11} {:<18} {}", part.name(), series.name, series.what);
        }
    }
}

/// Writes a table between the document's marks of that name, and into the table of all targets.
fn record(path: &Path, name: &str, table: &str) -> Result<()> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let text = document::with(&text, name, table)
        .with_context(|| format!("{}: no marks for {name}, or for all targets", path.display()))?;
    Ok(fs::write(path, text)?)
}
