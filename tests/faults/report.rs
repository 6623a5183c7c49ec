//! What a run says: a line for each trial as it ends, and a table for `docs/reliability.md`.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::checker::Kind;
use crate::trial::Outcome;

/// How many broken promises of one trial are named.
const NAMED: usize = 10;

/// A trial that is over.
pub(crate) struct Line {
    /// The fault.
    pub(crate) name: &'static str,
    /// What was done.
    pub(crate) what: &'static str,
    /// With how many workers.
    pub(crate) workers: usize,
    /// What came of it.
    pub(crate) outcome: Outcome,
    /// How long it took, setting and checking included.
    pub(crate) took: Duration,
    /// Where its traces are.
    pub(crate) folder: PathBuf,
}

impl Line {
    /// Whether a promise was broken.
    pub(crate) fn is_broken(&self) -> bool {
        !self.outcome.findings.is_empty()
    }

    fn count(&self, kind: Kind) -> usize {
        self.outcome.findings.iter().filter(|finding| finding.kind == kind).count()
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (outcome, counts) = (&self.outcome, &self.outcome.counts);
        let verdict = if self.is_broken() { "BROKEN" } else { "kept" };
        write!(
            f,
            "{verdict:<6} {:<44} x{:<3} {:>6} sent {:>6} verdicts {:>6} events +{:<4} lost {} twice {} unexpected {}, \
             recovered in {:.1} s, {:.0} s in all",
            if self.workers == 1 { self.name.to_owned() } else { format!("{} ({} workers)", self.name, self.workers) },
            outcome.times,
            outcome.sent,
            counts.verdicts,
            counts.events,
            counts.repeated_events,
            self.count(Kind::Lost),
            self.count(Kind::Duplicated),
            self.count(Kind::Unexpected),
            outcome.recovery.as_secs_f64(),
            self.took.as_secs_f64(),
        )?;
        if !outcome.note.is_empty() {
            write!(f, "; {}", outcome.note)?;
        }
        for finding in outcome.findings.iter().take(NAMED) {
            write!(f, "\n       {finding}")?;
        }
        if outcome.findings.len() > NAMED {
            write!(f, "\n       and {} more", outcome.findings.len() - NAMED)?;
        }
        if self.is_broken() {
            write!(f, "\n       traces: {}", self.folder.display())?;
        }
        Ok(())
    }
}

/// The table of a run, and its sums, in Markdown.
pub(crate) fn table(lines: &[Line], seed: u64, versions: &BTreeMap<&'static str, String>) -> String {
    let mut text = String::from(
        "| fault | workers | times | sent | verdicts | events | again | dead letters | crash loops | lost | twice | \
         unexpected | recovery |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for line in lines {
        let (outcome, counts) = (&line.outcome, &line.outcome.counts);
        let row = format!(
            "| **{}**: {}{} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {:.1} s |\n",
            line.name,
            line.what,
            if outcome.note.is_empty() { String::new() } else { format!(" ({})", outcome.note) },
            line.workers,
            outcome.times,
            outcome.sent,
            counts.verdicts,
            counts.events,
            counts.repeated_events,
            counts.dead_letters,
            counts.crash_loops,
            line.count(Kind::Lost),
            line.count(Kind::Duplicated),
            line.count(Kind::Unexpected),
            outcome.recovery.as_secs_f64(),
        );
        text.push_str(&row);
    }
    text + &sums(lines, seed, versions)
}

/// What the run says as a whole. Honest statistics: no failure in n trials bounds the rate at 3/n with 95 % confidence.
pub(crate) fn sums(lines: &[Line], seed: u64, versions: &BTreeMap<&'static str, String>) -> String {
    let of = |count: fn(&Outcome) -> u64| lines.iter().map(|line| count(&line.outcome)).sum::<u64>();
    let (times, sent) = (of(|outcome| outcome.times), of(|outcome| outcome.sent));
    let broken: usize = lines.iter().map(|line| line.outcome.findings.len()).sum();
    let versions: Vec<String> = versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    let bound = if broken == 0 && times > 0 {
        #[expect(clippy::cast_precision_loss, reason = "a count of trials is small")]
        let rate = 300.0 / times as f64;
        format!("with 95 % confidence a fault of these kinds breaks a promise in less than {rate:.2} % of cases (3/n)")
    } else {
        format!("{broken} broken promises")
    };
    format!("\nn = {times} faults, {sent} messages confirmed, seed {seed}: {bound}.\n{}.\n", versions.join(", "))
}
