//! One target in this process: every core takes inputs by their numbers, so that any one of them can be had again.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, ProgressBar, ProgressStyle};

use crate::failure::{self, Failure};
use crate::gauge;
use crate::targets::{Entry, Outcome, Target, seeded};
use crate::watchdog::{Slot, Watchdog};

/// Inputs that a core takes at a time.
const CHUNK: u64 = 256;
/// Growth of memory that no number of inputs may cause, and what each core may add for its allocator.
const MOST_MEMORY: u64 = 64 * 1024 * 1024;
const MOST_MEMORY_A_CORE: u64 = 8 * 1024 * 1024;

/// Which inputs.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) name: &'static str,
    pub(crate) seed: u64,
    pub(crate) from: u64,
    pub(crate) inputs: u64,
}

/// What all cores share.
struct Run<'a> {
    target: &'a dyn Target,
    job: &'a Job,
    next: AtomicU64,
    done: AtomicU64,
    accepted: AtomicU64,
    slowest: Mutex<(Duration, u64)>,
    failures: Mutex<Vec<Failure>>,
    stop: AtomicBool,
    bar: ProgressBar,
}

thread_local! {
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Checks one input, and answers what is wrong.
pub(crate) fn checked(target: &dyn Target, input: &[u8]) -> Result<Outcome, String> {
    catch_unwind(AssertUnwindSafe(|| target.check(input))).map_err(|_| LAST_PANIC.take())
}

/// Checks the input in a file.
pub(crate) fn one(entry: &Entry, file: &Path) -> ExitCode {
    remember_panics();
    let input = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let outcome = checked((entry.build)().as_ref(), &input);
    println!("{}: {}: {outcome:?}", entry.name, file.display());
    if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Checks the inputs of a job, those that failed once before all others.
pub(crate) fn run(entry: &Entry, job: &Job) -> ExitCode {
    remember_panics();
    let target = (entry.build)();
    let mut failures: Vec<Failure> = failure::corpus(entry.name)
        .into_iter()
        .filter_map(|(name, input)| Some(Failure { what: name, reason: checked(&*target, &input).err()?, input }))
        .collect();
    let run = Run {
        target: target.as_ref(),
        job,
        next: AtomicU64::new(job.from),
        done: AtomicU64::new(0),
        accepted: AtomicU64::new(0),
        slowest: Mutex::default(),
        failures: Mutex::default(),
        stop: AtomicBool::new(!failures.is_empty()),
        bar: bar(job),
    };
    let (before, began) = (gauge::resident(), Instant::now());
    run.on_every_core();
    run.bar.finish_and_clear();
    let (took, growth) = (began.elapsed(), gauge::peak().saturating_sub(before));
    failures.extend(run.failures.lock().unwrap_or_else(PoisonError::into_inner).drain(..));
    run.summary(took, growth);

    for failure in &failures {
        failure::tell(run.target, job, failure);
    }
    let complaints = run.complaints(growth, failures.is_empty());
    for complaint in &complaints {
        eprintln!("{}: {complaint}", job.name);
    }
    if failures.is_empty() && complaints.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn remember_panics() {
    std::panic::set_hook(Box::new(|panic| LAST_PANIC.set(panic.to_string())));
}

fn bar(job: &Job) -> ProgressBar {
    // Hidden where stderr is no terminal.
    let template = "{msg:12} {bar:40} {human_pos} of {human_len}, {per_sec}, {eta} left";
    let style = ProgressStyle::with_template(template).expect("a template");
    ProgressBar::new(job.inputs).with_style(style).with_message(job.name)
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, Into::into)
}

impl Run<'_> {
    fn on_every_core(&self) {
        let watchdog = Watchdog::new(cores());
        std::thread::scope(|scope| {
            let workers: Vec<_> =
                watchdog.slots().iter().map(|slot| scope.spawn(move || self.take_chunks(slot))).collect();
            scope.spawn(|| watchdog.watch(|index, why| failure::tell_of_hang(self.target, self.job, index, why)));
            for worker in workers {
                // What a check panics with is caught; this would be the program itself.
                worker.join().expect("a core");
            }
            watchdog.rest();
        });
    }

    fn take_chunks(&self, slot: &Slot) {
        slot.begin();
        let mark = failure::mark(self.job.name, slot.number());
        let end = self.job.from + self.job.inputs;
        let (mut accepted, mut slowest) = (0, (Duration::ZERO, 0));
        while !self.stop.load(Ordering::Relaxed) {
            let first = self.next.fetch_add(CHUNK, Ordering::Relaxed);
            if first >= end {
                break;
            }
            let last = end.min(first + CHUNK);
            for index in first..last {
                failure::set_mark(&mark, index);
                slot.enter(index);
                let (took, outcome) = self.one(index);
                slowest = slowest.max((took, index));
                accepted += u64::from(outcome == Some(Outcome::Accepted));
            }
            self.done.fetch_add(last - first, Ordering::Relaxed);
            self.bar.inc(last - first);
        }
        slot.leave();
        self.accepted.fetch_add(accepted, Ordering::Relaxed);
        let mut known = self.slowest.lock().unwrap_or_else(PoisonError::into_inner);
        *known = slowest.max(*known);
    }

    fn one(&self, index: u64) -> (Duration, Option<Outcome>) {
        let input = self.target.make(&mut seeded(self.job.seed, index));
        let began = Instant::now();
        match checked(self.target, &input) {
            Ok(outcome) => (began.elapsed(), Some(outcome)),
            Err(reason) => {
                self.stop.store(true, Ordering::Relaxed);
                let what = format!("input {index} of seed {}", self.job.seed);
                self.failures.lock().unwrap_or_else(PoisonError::into_inner).push(Failure { what, reason, input });
                (began.elapsed(), None)
            }
        }
    }

    fn done(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    fn summary(&self, took: Duration, growth: u64) {
        let (_, index) = *self.slowest.lock().unwrap_or_else(PoisonError::into_inner);
        let input = self.target.make(&mut seeded(self.job.seed, index));
        // Measured again, alone: the first time others may have had the core.
        let again = (0..3).map(|_| {
            let began = Instant::now();
            // Its failure is told elsewhere.
            drop(checked(self.target, &input));
            began.elapsed()
        });
        let slowest = again.min().unwrap_or_default();
        let (done, accepted) = (self.done(), self.accepted.load(Ordering::Relaxed));
        println!(
            "{:12} {:>10} inputs {:>9}/s  seed {}  accepted {:>9}  refused {:>9}  slowest {:.3} ms (input {index}, {} bytes)  memory +{:.1} MiB",
            self.job.name,
            HumanCount(done).to_string(),
            HumanCount(rate(done, took)).to_string(),
            self.job.seed,
            HumanCount(accepted).to_string(),
            HumanCount(done - accepted).to_string(),
            slowest.as_secs_f64() * 1000.0,
            HumanCount(input.len() as u64),
            gauge::mebibytes(growth),
        );
    }

    fn complaints(&self, growth: u64, is_complete: bool) -> Vec<String> {
        let mut complaints = Vec::new();
        if growth > MOST_MEMORY + MOST_MEMORY_A_CORE * cores() as u64 {
            complaints.push(format!("memory grew by {:.1} MiB", gauge::mebibytes(growth)));
        }
        // Enough inputs of which none, or each, gets through: they would show nothing.
        let (done, accepted) = (self.done(), self.accepted.load(Ordering::Relaxed));
        if is_complete && done >= 1_000 && (accepted == 0 || accepted == done) {
            complaints.push(format!("{accepted} of {done} inputs were accepted: the inputs are no good"));
        }
        complaints
    }
}

fn rate(done: u64, took: Duration) -> u64 {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1);
    done.saturating_mul(1_000_000) / micros
}
