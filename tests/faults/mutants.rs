//! The proof that the checker can fail: builds the worker wrong in each of the ways that lie in `mutants/`, and lets the
//! fault run that each names. A mutant that nobody notices is a hole in the checker.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::process::Command;

use crate::faults;
use crate::progress::Progress;
use crate::report::Line;
use crate::runner::{self, Planned};
use crate::trial::Trial;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// How long a mutant may take to come to rest: it often never does.
const PATIENCE: Duration = Duration::from_secs(12);

/// A way to build the worker wrong.
struct Mutant {
    name: String,
    what: String,
    /// Words of the faults that must notice it.
    caught_by: Vec<String>,
    patch: PathBuf,
}

/// Builds and tries all mutants whose name holds one of the words, or all.
pub(crate) async fn all_are_caught(words: &[String], seed: u64) -> Result<()> {
    let mutants: Vec<Mutant> = read()?
        .into_iter()
        .filter(|mutant| words.is_empty() || words.iter().any(|word| mutant.name.contains(word.as_str())))
        .collect();
    ensure!(!mutants.is_empty(), "no mutant is named like {words:?}");
    let mut missed = Vec::new();
    for mutant in &mutants {
        let began = Instant::now();
        let program = build(mutant).await.with_context(|| format!("mutant {}", mutant.name))?;
        let lines = try_out(mutant, &program, seed).await;
        let caught = lines.iter().find(|line| line.is_broken());
        let by = caught.map_or_else(|| "MISSED".to_owned(), |line| format!("caught by {}", line.name));
        println!("{:<24} {by} in {:.0} s: {}", mutant.name, began.elapsed().as_secs_f64(), mutant.what);
        match caught.and_then(|line| line.outcome.findings.first()) {
            Some(finding) => println!("{:24} {finding}", ""),
            None => missed.push(mutant.name.as_str()),
        }
    }
    ensure!(missed.is_empty(), "mutants that nobody noticed: {}", missed.join(", "));
    println!("all {} mutants were caught", mutants.len());
    Ok(())
}

fn read() -> Result<Vec<Mutant>> {
    let mut patches: Vec<PathBuf> = fs::read_dir(Path::new(ROOT).join("tests/faults/mutants"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    patches.sort();
    let mutant = |patch: PathBuf| {
        let text = fs::read_to_string(&patch)?;
        let mut lines = text.lines();
        let what = lines.next().unwrap_or_default().to_owned();
        let caught_by = lines.next().and_then(|line| line.strip_prefix("Caught by: "));
        let caught_by = caught_by.with_context(|| format!("{} does not say by what it is caught", patch.display()))?;
        let caught_by = caught_by.split_whitespace().map(str::to_owned).collect();
        let name = patch.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Mutant { name, what, caught_by, patch })
    };
    patches.into_iter().map(mutant).collect()
}

/// Builds a mutant in a copy of the source, with what is built already beside this program.
async fn build(mutant: &Mutant) -> Result<PathBuf> {
    let (tree, target) = (Path::new(ROOT).join("target/mutants/tree"), Path::new(ROOT).join("target/mutants/built"));
    fs::create_dir_all(&tree)?;
    // What a build leaves behind, `debug`, is copied by links once: only the crate itself is compiled again.
    if !target.exists() {
        let built = Path::new(env!("CARGO_BIN_EXE_join-community")).parent().context("a folder of builds")?;
        fs::create_dir_all(&target)?;
        run("cp", [OsStr::new("-al"), built.as_os_str(), target.join("debug").as_os_str()]).await?;
        fs::remove_dir_all(target.join("debug/incremental")).ok();
    }
    for part in [
        "Cargo.toml",
        "Cargo.lock",
        "build.rs",
        "rust-toolchain.toml",
        "src",
        "config",
        "contract",
        "migrations",
        "tests",
        "benches",
    ] {
        let (from, to) = (Path::new(ROOT).join(part), tree.join(part));
        if to.is_dir() {
            fs::remove_dir_all(&to)?;
        }
        run("cp", [OsStr::new("-r"), from.as_os_str(), to.as_os_str()]).await?;
    }
    let patch = [OsStr::new("-sp1"), OsStr::new("-d"), tree.as_os_str(), OsStr::new("-i"), mutant.patch.as_os_str()];
    run("patch", patch).await?;
    let manifest = tree.join("Cargo.toml");
    let options =
        ["build", "--quiet", "--locked", "--features", "fail-points", "--bin", "join-community"].map(OsStr::new);
    let places = [OsStr::new("--manifest-path"), manifest.as_os_str(), OsStr::new("--target-dir"), target.as_os_str()];
    run("cargo", options.into_iter().chain(places)).await?;
    Ok(target.join("debug/join-community"))
}

async fn run<'a>(program: &str, arguments: impl IntoIterator<Item = &'a OsStr>) -> Result<()> {
    let status = Command::new(program).args(arguments).status().await.with_context(|| program.to_owned())?;
    ensure!(status.success(), "{program}: {status}");
    Ok(())
}

async fn try_out(mutant: &Mutant, program: &Path, seed: u64) -> Vec<Line> {
    let is_meant = |name: &str| mutant.caught_by.iter().any(|word| name.contains(word.as_str()));
    let planned = faults::all().into_iter().filter(|fault| is_meant(fault.name)).flat_map(|fault| {
        fault.workers.iter().map(move |workers| {
            let folder =
                Path::new(ROOT).join("target/mutants").join(&mutant.name).join(format!("{}-{workers}", fault.name));
            fs::remove_dir_all(&folder).ok();
            let (workers, fault, program) = (*workers, fault.clone(), program.to_owned());
            Planned {
                fault,
                trial: Trial { seed, quick: true, workers, patience: PATIENCE, program, build: String::new(), folder },
            }
        })
    });
    runner::run(planned.collect(), &mut Progress::silent()).await
}
