//! The fault matrix: breaks everything that can break around a working installation, on real services, and lets an
//! independent checker prove after each fault that nothing was lost and nothing took effect twice.
//!
//! `make faults`, or `make faults-quick` for every kind of fault once. Needs the private services of this checkout and
//! the feature `fail-points`.

#![expect(clippy::print_stdout, reason = "a program, and this is its output")]

mod checker;
mod cli;
mod cluster;
mod dice;
mod faults;
mod fleet;
mod in_turn;
mod issuer;
mod kept;
mod ledger;
mod load;
mod logs;
mod mutants;
mod progress;
mod proxy;
mod report;
mod runner;
mod sender;
mod stage;
mod superuser;
mod trial;
mod upgrade;
mod versions;

#[path = "../suite"]
#[expect(dead_code, unused_imports, reason = "what all tests share is more than these few use")]
#[expect(clippy::unwrap_used, clippy::expect_used, reason = "a trial that cannot go on ends with the reason")]
mod suite {
    pub(crate) mod support;
}

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Parser as _;

use checker::check;
use cli::{Cli, Command};
use progress::Progress;
use runner::Planned;
use trial::Trial;

/// Where traces go.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/faults");
/// How long everything may take to come to rest after a fault.
const REST: Duration = Duration::from_secs(90);

#[tokio::main]
async fn main() -> ExitCode {
    let ended = tokio::select! {
        ended = run(Cli::parse()) => ended,
        _ = tokio::signal::ctrl_c() => {
            cluster::end_at_once();
            std::process::exit(130);
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("faults: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<()> {
    if let Some(Command::Check { folder }) = &cli.command {
        return check_again(folder).await;
    }
    if let Some(Command::Mutants { names }) = &cli.command {
        let caught = mutants::all_are_caught(names, cli.seed).await;
        // Whatever a mutant left of it.
        cluster::end(&[]).await?;
        return caught;
    }
    if let Some(Command::Upgrade { old }) = &cli.command {
        return upgrade::from(old, &cli).await;
    }
    let planned = plan(&cli, &kept::build(&cli.program)?);
    if planned.is_empty() {
        // Not a failure: `cargo test WORD` hands the word to every test program.
        println!("no fault is named like {}; --list names them", cli.names.join(", "));
        return Ok(());
    }
    if cli.list {
        for Planned { fault, trial } in planned {
            println!("{:<44} {} workers  {}", fault.name, trial.workers, fault.what);
        }
        return Ok(());
    }
    for Planned { trial, .. } in planned.iter().filter(|_| !cli.resume) {
        fs::remove_dir_all(&trial.folder).ok();
    }
    let versions = versions::of_services().await?;
    let mut progress = Progress::of(planned.len());
    let lines = runner::run(planned, &mut progress).await;
    progress.end();
    cluster::end(&lines).await?;
    println!("{}", report::sums(&lines, cli.seed, &versions));
    runner::all_kept(&lines)?;
    match &cli.record {
        Some(document) => record(document, &cli.table, &report::table(&lines, cli.seed, &versions)),
        None => Ok(()),
    }
}

/// Which faults are made, and how.
fn plan(cli: &Cli, build: &str) -> Vec<Planned> {
    let is_meant = |name: &str| cli.names.is_empty() || cli.names.iter().any(|word| name.contains(word.as_str()));
    let mut planned = Vec::new();
    for fault in faults::all().into_iter().filter(|fault| is_meant(fault.name) && (fault.quick || cli.whole)) {
        let sizes = if cli.whole { fault.workers } else { &fault.workers[..1] };
        for workers in sizes {
            let folder = PathBuf::from(FOLDER).join(fault.name).join(format!("{workers}-workers"));
            let (seed, quick, program, build) = (cli.seed, !cli.whole, cli.program.clone(), build.to_owned());
            planned.push(Planned {
                fault: fault.clone(),
                trial: Trial { seed, quick, workers: *workers, patience: REST, program, build, folder },
            });
        }
    }
    planned
}

async fn check_again(folder: &Path) -> Result<()> {
    let read = |name: &str| fs::read(folder.join(name)).with_context(|| format!("{name} in {}", folder.display()));
    let (place, ledger) =
        (serde_json::from_slice(&read("place.json")?)?, serde_json::from_slice(&read("ledger.json")?)?);
    let checked = check(&place, &ledger).await?;
    println!("{:#?}", checked.counts);
    for finding in &checked.findings {
        println!("{finding}");
    }
    ensure!(checked.findings.is_empty(), "{} broken promises", checked.findings.len());
    Ok(())
}

/// Writes the table between the document's marks of that name.
fn record(document: &Path, name: &str, table: &str) -> Result<()> {
    let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->\n"));
    let text = fs::read_to_string(document).with_context(|| document.display().to_string())?;
    let (before, rest) = text.split_once(&begin).with_context(|| format!("no mark {begin:?}"))?;
    let (_, after) = rest.split_once(&end).with_context(|| format!("no mark {end:?}"))?;
    fs::write(document, [before, &begin, table, &end, after].concat())?;
    Ok(())
}
