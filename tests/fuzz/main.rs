//! Fuzzing on stable Rust: everything that reads bytes from outside is given millions of inputs that nobody thought of.
//!
//! `cargo test --test fuzz -- [TARGET…] [--inputs N] [--seed S]`; `make fuzz` runs it for long. Each target runs in a
//! process of its own, so that even one whose stack overflows is told of with the input that did it.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it is a program, and this is how it tells what it found"
)]
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a check that cannot go on ends with the reason")]

mod alone;
mod amqp;
mod failure;
mod gauge;
mod json;
mod mutate;
mod strict;
mod targets;
mod watchdog;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::Parser;

use alone::Job;
use targets::Entry;

/// Inputs that nobody thought of, for everything that reads bytes from outside.
#[derive(Debug, Parser)]
struct Args {
    /// The targets whose names contain one of these words; all, if there is none.
    targets: Vec<String>,
    /// Inputs for each target [default: as many as take a few seconds].
    #[arg(long, value_name = "N")]
    inputs: Option<u64>,
    /// As many inputs as `make fuzz` uses: ten million requests, a million of all else.
    #[arg(long, conflicts_with = "inputs")]
    long: bool,
    /// What all inputs follow from.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// The number of the first input.
    #[arg(long, value_name = "N", default_value_t = 0)]
    from: u64,
    /// Checks the input in this file and no other.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Runs the target in this process.
    #[arg(long, hide = true)]
    alone: bool,
    /// What other test programs are told by the same command line.
    #[arg(long, hide = true, alias = "show-output", alias = "list", alias = "quiet")]
    nocapture: bool,
}

impl Args {
    fn job(&self, entry: &Entry) -> Job {
        let inputs = if self.long { entry.long } else { self.inputs.unwrap_or(entry.short) };
        Job { name: entry.name, seed: self.seed, from: self.from, inputs }
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let chosen = |entry: &&Entry| args.targets.is_empty() || args.targets.iter().any(|word| entry.name.contains(word));
    let chosen: Vec<&Entry> = targets::ALL.iter().filter(chosen).collect();
    if chosen.is_empty() {
        // Not a failure: `cargo test WORD` hands the word to every test program.
        let names: Vec<&str> = targets::ALL.iter().map(|entry| entry.name).collect();
        eprintln!("no target is named like {}; there are {}", args.targets.join(", "), names.join(", "));
        return ExitCode::SUCCESS;
    }
    if let (Some(file), [entry]) = (&args.input, chosen.as_slice()) {
        return alone::one(entry, file);
    }
    if args.input.is_some() {
        eprintln!("--input needs exactly one target");
        return ExitCode::from(2);
    }
    if let (true, [entry]) = (args.alone, chosen.as_slice()) {
        return alone::run(entry, &args.job(entry));
    }
    // All of them, whatever becomes of the first.
    let failed = chosen.iter().filter(|entry| !apart(&args, entry)).count();
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a target in a process of its own; answers whether nothing was found.
fn apart(args: &Args, entry: &Entry) -> bool {
    let job = args.job(entry);
    let program = std::env::current_exe().expect("this program has a path");
    let number = |value: u64| value.to_string();
    let status = Command::new(program)
        .args(["--alone", "--inputs", &number(job.inputs), "--seed", &number(job.seed), "--from", &number(job.from)])
        .arg(entry.name)
        .status()
        .expect("this program can be started again");
    // Without a code it did not end by itself: nothing in it could tell what happened.
    if status.code().is_none() {
        failure::tell_of_death(entry, &job, status);
    }
    status.success()
}
