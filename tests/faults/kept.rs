//! Trials that are over and kept every promise, noted so that a run of hours can be stopped and gone on with. What was
//! seen of one build says nothing of another, so a note counts for the same binary only.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use crate::checker::Counts;
use crate::trial::{Outcome, Trial};

/// A trial, as it ended.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    build: String,
    seed: u64,
    quick: bool,
    times: u64,
    sent: u64,
    counts: Counts,
    recovery: Duration,
    note: String,
    took: Duration,
}

/// The binary under test, by its content.
pub(crate) fn build(program: &Path) -> Result<String> {
    let bytes = fs::read(program).with_context(|| program.display().to_string())?;
    let digest = digest(&SHA256, &bytes);
    let start = digest.as_ref().first_chunk().copied().unwrap_or_default();
    Ok(format!("{:016x}", u64::from_be_bytes(start)))
}

/// Notes that a trial ended, or came as far as this.
pub(crate) fn note(trial: &Trial, outcome: &Outcome, took: Duration, file: &str) -> Result<()> {
    let Outcome { times, sent, counts, recovery, ref note, .. } = *outcome;
    let (build, seed, quick, note) = (trial.build.clone(), trial.seed, trial.quick, note.clone());
    fs::create_dir_all(&trial.folder)?;
    let kept = Kept { build, seed, quick, times, sent, counts, recovery, note, took };
    Ok(fs::write(trial.folder.join(file), serde_json::to_vec(&kept)?)?)
}

/// What was noted of the same trial of the same build.
pub(crate) fn noted(trial: &Trial, file: &str) -> Option<(Outcome, Duration)> {
    let kept: Kept = serde_json::from_slice(&fs::read(trial.folder.join(file)).ok()?).ok()?;
    let Kept { build, seed, quick, times, sent, counts, recovery, note, took } = kept;
    let outcome = Outcome { times, sent, counts, recovery, note, ..Outcome::default() };
    let is_same = build == trial.build && seed == trial.seed && quick == trial.quick;
    is_same.then_some((outcome, took))
}
