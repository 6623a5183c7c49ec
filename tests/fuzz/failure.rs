//! What becomes of an input that fails: it is kept, made smaller, and named with the command that repeats it.
//!
//! `tests/fuzz/corpus/` holds those of the past; they are checked first, each time.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use crate::alone::{Job, checked};
use crate::targets::{Entry, Target, seeded};

/// How long an input is made smaller.
const PATIENCE: Duration = Duration::from_secs(10);

/// An input and what is wrong with it.
pub(crate) struct Failure {
    /// Which input it is.
    pub(crate) what: String,
    /// What is wrong.
    pub(crate) reason: String,
    /// The input.
    pub(crate) input: Vec<u8>,
}

/// The inputs of a target that failed once, by their names.
pub(crate) fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.display().to_string(), fs::read(&path).expect("a file of the corpus"))).collect()
}

/// Keeps an input that failed, and says how to repeat it.
pub(crate) fn tell(target: &dyn Target, job: &Job, failure: &Failure) {
    let smaller = smaller(target, failure.input.clone());
    let reason = checked(target, &smaller).err().unwrap_or_else(|| failure.reason.clone());
    let kept = keep(job.name, &smaller);
    eprintln!("{}: {}: {reason}\n{}", job.name, failure.what, again(job.name, &kept));
}

/// Keeps an input that hangs, says how to repeat it, and ends the process: nothing else ends the thread.
pub(crate) fn tell_of_hang(target: &dyn Target, job: &Job, index: u64, why: &str) {
    let kept = keep(job.name, &target.make(&mut seeded(job.seed, index)));
    eprintln!("{}: input {index} of seed {} {why}\n{}", job.name, job.seed, again(job.name, &kept));
    std::process::exit(1);
}

/// Keeps the inputs that were at work when the process died: one of them did it.
pub(crate) fn tell_of_death(entry: &Entry, job: &Job, status: ExitStatus) {
    let signal = status.signal().unwrap_or_default();
    eprintln!("{}: the process was ended by signal {signal}; it was at", job.name);
    let target = (entry.build)();
    for core in 0.. {
        let Ok(mark) = fs::read(mark_path(job.name, core)) else { break };
        let Ok(index) = mark.as_slice().try_into().map(u64::from_le_bytes) else { break };
        let kept = keep(job.name, &target.make(&mut seeded(job.seed, index)));
        eprintln!("  input {index} of seed {}\n{}", job.seed, again(job.name, &kept));
    }
}

/// Where a core notes its present input. What is written to a file outlives the process that wrote it.
pub(crate) fn mark(target: &str, core: usize) -> File {
    File::create(mark_path(target, core)).expect("a file for the mark")
}

pub(crate) fn set_mark(mark: &File, index: u64) {
    mark.write_all_at(&index.to_le_bytes(), 0).expect("the mark");
}

fn mark_path(target: &str, core: usize) -> PathBuf {
    folder().join(format!("{target}.{core}.at"))
}

/// `target/fuzz`.
pub(crate) fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("fuzz");
    fs::create_dir_all(&folder).expect("a folder for what is found");
    folder
}

fn keep(target: &str, input: &[u8]) -> PathBuf {
    let name = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, input);
    let name = join_community::wire::copy::hex(&name.as_ref()[..8]);
    let path = folder().join(format!("{target}-{name}"));
    fs::write(&path, input).expect("what is found can be kept");
    path
}

fn again(target: &str, kept: &Path) -> String {
    format!("  again: cargo test --test fuzz -- {target} --input {}", kept.display())
}

/// Takes out whatever can be missing, in ever smaller pieces, as long as there is a failure at all.
fn smaller(target: &dyn Target, mut input: Vec<u8>) -> Vec<u8> {
    let (began, mut piece) = (Instant::now(), input.len() / 2);
    while piece > 0 && began.elapsed() < PATIENCE {
        let (mut at, before) = (0, input.len());
        while at < input.len() && began.elapsed() < PATIENCE {
            let mut tried = input.clone();
            tried.drain(at..(at + piece).min(input.len()));
            if checked(target, &tried).is_err() { input = tried } else { at += piece }
        }
        if input.len() == before || piece > input.len() {
            piece /= 2;
        }
    }
    input
}
