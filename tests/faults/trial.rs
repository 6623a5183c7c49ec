//! One trial: a fault, made once, and what came of it.

use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::checker::{Counts, Finding};

/// A fault of the matrix.
#[derive(Clone)]
pub(crate) struct Fault {
    /// `group/fault`, in words with hyphens.
    pub(crate) name: &'static str,
    /// What is done, in half a sentence.
    pub(crate) what: &'static str,
    /// Whether the quick run has it.
    pub(crate) quick: bool,
    /// Whether it needs the services for itself.
    pub(crate) alone: bool,
    /// With how many workers it is tried in the whole matrix.
    pub(crate) workers: &'static [usize],
    /// Makes it.
    pub(crate) run: fn(Trial) -> BoxFuture<'static, anyhow::Result<Outcome>>,
}

/// What a fault is given.
#[derive(Clone, Debug)]
pub(crate) struct Trial {
    /// Where chance begins.
    pub(crate) seed: u64,
    /// Whether it is to be short.
    pub(crate) quick: bool,
    /// How many workers run.
    pub(crate) workers: usize,
    /// How long everything may take to come to rest.
    pub(crate) patience: Duration,
    /// The binary under test.
    pub(crate) program: PathBuf,
    /// Which one that is, by its content.
    pub(crate) build: String,
    /// Where logs go, and everything that is needed to look into a broken promise.
    pub(crate) folder: PathBuf,
}

/// What came of a trial.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// How often the fault was made.
    pub(crate) times: u64,
    /// Messages that the broker has confirmed.
    pub(crate) sent: u64,
    /// What was counted.
    pub(crate) counts: Counts,
    /// Broken promises.
    pub(crate) findings: Vec<Finding>,
    /// From the end of the fault until everything was at rest; the longest, if it was made more than once.
    pub(crate) recovery: Duration,
    /// Anything worth a word.
    pub(crate) note: String,
}

impl Outcome {
    /// Takes another outcome of the same fault in.
    pub(crate) fn add(&mut self, other: Self) {
        self.times += other.times;
        self.sent += other.sent;
        self.counts.verdicts += other.counts.verdicts;
        self.counts.events += other.counts.events;
        self.counts.repeated_events += other.counts.repeated_events;
        self.counts.replies += other.counts.replies;
        self.counts.dead_letters += other.counts.dead_letters;
        self.counts.crash_loops += other.counts.crash_loops;
        self.findings.extend(other.findings);
        self.recovery = self.recovery.max(other.recovery);
        if self.note.is_empty() {
            self.note = other.note;
        }
    }
}
