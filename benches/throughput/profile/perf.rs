//! What `perf` sees while the clock runs: which functions the processors are in, of all processes; and how many system calls
//! the worker makes. Where it is missing or refused, that is said instead.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::parse::{Share, counted, shares};
use super::{code, each, row, table};
use crate::process::Process;

/// Samples a second of each processor: no multiple of what else happens on it by the clock.
const FREQUENCY: &str = "499";
/// Every system call, whichever it is.
const CALLS: &str = "raw_syscalls:sys_enter";
/// How long it may take to end, or to report.
const LIMIT: Duration = Duration::from_mins(1);
/// Rows of the table of programs.
const SHOWN: usize = 15;
/// Functions of each process.
const FUNCTIONS: usize = 10;

/// Two of them at work.
pub(super) struct Perf {
    samples: Result<Child, String>,
    calls: Result<Child, String>,
    file: PathBuf,
}

/// What came of them, or why nothing did.
pub(super) struct Seen {
    calls: Result<u64, String>,
    shares: Result<Vec<Share>, String>,
}

impl Perf {
    /// Begins.
    pub(super) fn begin(process: &Process) -> Self {
        // Beside the log of the process, so the folder is there.
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench/perf.data");
        let mut samples = Command::new("perf");
        samples.args(["record", "-a", "-F", FREQUENCY, "-o"]).arg(&file);
        let mut calls = Command::new("perf");
        calls.args(["stat", "-x", ",", "-e", CALLS, "-p"]).arg(process.id().to_string());
        Self { samples: begin(&mut samples), calls: begin(&mut calls), file }
    }

    /// Ends both, and reads what they wrote.
    pub(super) async fn end(self) -> Seen {
        let (samples, calls) = (ended(self.samples).await, ended(self.calls).await);
        let calls = calls.and_then(|stat| counted(&stat, CALLS).ok_or_else(|| format!("`perf` did not count {CALLS}")));
        let shares = match samples {
            Ok(_) => report(&self.file).await.map(|report| shares(&report)),
            Err(reason) => Err(reason),
        };
        Seen { calls, shares }
    }
}

/// Starts one. Its own child reads what we never write: when that is closed it ends in order, and so does `perf`.
fn begin(command: &mut Command) -> Result<Child, String> {
    command.args(["--", "cat"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    command.spawn().map_err(|error| format!("`perf` cannot be started: {error}"))
}

/// What it said on stderr.
async fn ended(child: Result<Child, String>) -> Result<String, String> {
    let mut child = child?;
    drop(child.stdin.take());
    let output = in_time(child.wait_with_output()).await?;
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

async fn report(file: &Path) -> Result<String, String> {
    let mut command = Command::new("perf");
    // By force, because RabbitMQ writes the names of what it compiles as another user.
    command.args(["report", "--force", "--stdio", "--sort", "comm,dso,sym", "-t", "|", "-i"]).arg(file);
    // It would look there for symbols of everything.
    command.env_remove("DEBUGINFOD_URLS").stdin(Stdio::null()).kill_on_drop(true);
    let output = in_time(command.output()).await?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

async fn in_time(ends: impl Future<Output = std::io::Result<Output>>) -> Result<Output, String> {
    let Ok(output) = timeout(LIMIT, ends).await else {
        return Err(format!("`perf` did not end within {LIMIT:?}"));
    };
    let output = output.map_err(|error| format!("`perf` is lost: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let reason = said.lines().map(str::trim).find(|line| !line.is_empty() && *line != "Error:");
    Err(format!("`perf` refuses: {}", reason.unwrap_or("it does not say why")))
}

impl Seen {
    /// A row of the worker's system calls.
    pub(super) fn calls(&self, requests: usize) -> String {
        let (figure, source) = match &self.calls {
            Ok(calls) => (format!("{:.2}", each(*calls, requests)), format!("`perf stat -e {CALLS}`")),
            Err(reason) => ("not counted".into(), reason.replace('|', "\\|")),
        };
        row(&["worker: system calls, all of them", &figure, &source])
    }

    /// Tables of programs and of functions, those that take the most first.
    pub(super) fn shares(&self) -> String {
        let shares = match &self.shares {
            Ok(shares) => shares,
            Err(reason) => return format!("No samples of what the processors did: {reason}.\n"),
        };
        let programs =
            busiest(shares.iter().map(|share| (share.thread.as_str(), share.object.as_str(), share.percent)), SHOWN);
        let functions: String = PROCESSES.iter().map(|process| process.functions(shares)).collect();
        format!(
            "{}\n{}",
            table("| thread, of any process | program or library | % of all samples |\n|---|---|--:|\n", programs),
            table("| process | function | % of all samples |\n|---|---|--:|\n", [functions])
        )
    }
}

/// A process, or all of a name, by its threads.
struct Threads {
    name: &'static str,
    are_its: fn(&str) -> bool,
}

const PROCESSES: [Threads; 4] = [
    Threads { name: "worker", are_its: |thread| ["tokio-rt-worker", "lapin-io-loop"].contains(&thread) },
    // Names of threads have 15 letters at most.
    Threads { name: "RabbitMQ", are_its: |thread| thread.contains("_sche") || thread.contains("_dirty_") },
    Threads { name: "PostgreSQL", are_its: |thread| thread == "postgres" },
    Threads { name: "Redis", are_its: |thread| thread == "redis-server" },
];

impl Threads {
    /// Rows of its functions that take the most, of those without a name, and of all.
    fn functions(&self, shares: &[Share]) -> String {
        let its = || shares.iter().filter(|share| (self.are_its)(&share.thread));
        let named = its().filter(|share| share.is_named());
        let named = busiest(named.map(|share| (self.name, share.symbol.as_str(), share.percent)), FUNCTIONS);
        let all: f64 = its().map(|share| share.percent).sum();
        let nameless: f64 = its().filter(|share| !share.is_named()).map(|share| share.percent).sum();
        let rest = [("all without a name", nameless), ("**all**", all)];
        let rest = rest.map(|(what, percent)| row(&[&code(self.name), what, &format!("{percent:.1}")]));
        named.concat() + &rest.concat()
    }
}

/// Rows of what has the largest shares together.
fn busiest<'a>(shares: impl Iterator<Item = (&'a str, &'a str, f64)>, most: usize) -> Vec<String> {
    let mut sums: BTreeMap<(&str, &str), f64> = BTreeMap::new();
    for (thread, place, percent) in shares {
        *sums.entry((thread, place)).or_default() += percent;
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    let shown = sums.into_iter().take(most);
    shown.map(|((thread, place), percent)| row(&[&code(thread), &code(place), &format!("{percent:.1}")])).collect()
}
