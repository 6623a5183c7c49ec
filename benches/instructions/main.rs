//! Instructions of the worker's own steps on the hot path, a request each, held against a recorded baseline: a guard for
//! machines that are shared, where times are noise.
//!
//! `make instructions`, or `make instructions RECORD=1` after a change that is meant. Needs valgrind. What crates do
//! (signatures, frames, statements) is left out: it changes with them, and with the processor.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench ends with the reason, and prints"
)]

mod cases;
mod frames;
#[path = "../../tests/suite/support/left_out.rs"]
mod left_out;
mod sample;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::{env, fs};

use cases::Case;

const BASELINE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions/baseline.txt");
const HEADING: &str = "# Instructions a request, by callgrind, profile bench; written by `make instructions RECORD=1`.";
/// More than this above the baseline, in hundredths, is a regression. The same build counts the same; but whatever changes
/// in the crate moves what the compiler inlines, and that is worth some hundredths.
const TOLERANCE: i64 = 10;
/// Two lengths of a run, so that what starting costs falls out.
const RUNS: [u64; 2] = [100, 300];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["run", case, times] => {
            cases::ALL.iter().find(|known| known.name == *case).expect("a case").run(times.parse().unwrap());
            ExitCode::SUCCESS
        }
        [] => guard(),
        ["record"] => record(),
        _ => {
            println!("usage: instructions [record]");
            ExitCode::from(2)
        }
    }
}

/// Compares; fails if any case takes noticeably more than it did.
fn guard() -> ExitCode {
    if Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_err() {
        let what = "valgrind is not installed (apt-get install valgrind), so no instruction was counted";
        println!("skipped: {what}");
        left_out::left_out(what);
        // A guard that nobody keeps is none.
        return if env::var_os("CI").is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
    }
    let baseline = read(Path::new(BASELINE));
    println!("{:<10} {:>12} {:>12} {:>9}", "case", "baseline", "now", "change");
    let mut worse = Vec::new();
    for (case, now) in counted() {
        let Some(before) = baseline.get(case) else {
            worse.push(format!("{case} is not in {BASELINE}"));
            continue;
        };
        let thousandths = (now - before) * 1000 / before;
        let sign = if thousandths < 0 { '-' } else { '+' };
        let change = format!("{sign}{}.{} %", thousandths.abs() / 10, thousandths.abs() % 10);
        println!("{case:<10} {before:>12} {now:>12} {change:>9}");
        if thousandths > TOLERANCE * 10 {
            worse.push(format!("{case} takes more than {TOLERANCE} % more instructions than recorded"));
        }
    }
    if worse.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("{}; if that is meant: make instructions RECORD=1", worse.join("; "));
    ExitCode::FAILURE
}

fn record() -> ExitCode {
    let lines: Vec<String> = counted().map(|(case, count)| format!("{case} {count}")).collect();
    fs::write(BASELINE, format!("{HEADING}\n{}\n", lines.join("\n"))).expect("the baseline can be written");
    println!("{}", lines.join("\n"));
    ExitCode::SUCCESS
}

fn read(file: &Path) -> BTreeMap<String, i64> {
    let text = fs::read_to_string(file).expect("a baseline, by `make instructions RECORD=1`");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(' ')).map(|(case, count)| (case.into(), count.parse().unwrap())).collect()
}

fn counted() -> impl Iterator<Item = (&'static str, i64)> {
    let per_request = |case: &Case| {
        let [short, long] = RUNS.map(|times| collected(case.name, times));
        (case.name, (long - short) / i64::try_from(RUNS[1] - RUNS[0]).unwrap())
    };
    cases::ALL.iter().map(per_request)
}

/// How many instructions a run of this very program takes.
fn collected(case: &str, times: u64) -> i64 {
    let program = env::current_exe().expect("this program");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["run", case, &times.to_string()])
        .output()
        .expect("valgrind runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{case}: {said}");
    let count = said.lines().find_map(|line| line.split_once("Collected : ")).expect("a count").1;
    count.trim().parse().expect("a count")
}
