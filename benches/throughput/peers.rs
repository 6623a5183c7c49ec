//! The peers under `benches/peers/`: installed by their own scripts, and told what is missing where that fails.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

/// What an install script exits with where it cannot do its work.
const CANNOT: i32 = 3;

/// A peer that is ready to run.
#[derive(Clone, Debug)]
pub(crate) struct Installed {
    /// Its scripts.
    pub(crate) folder: PathBuf,
    /// What they installed.
    pub(crate) directory: PathBuf,
}

/// Installs a peer, or answers why that cannot be.
pub(crate) fn install(name: &str) -> Result<Result<Installed, String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers").join(name);
    let directory = cache_folder()?.join("join-community-peers").join(name);
    let ran = Command::new(folder.join("install")).arg(&directory).stdin(Stdio::null()).output();
    let ran = ran.with_context(|| format!("{name}: its install script cannot be started"))?;
    let said = String::from_utf8_lossy(&ran.stderr);
    let reason = said.lines().last().unwrap_or_default();
    match ran.status.code() {
        Some(0) => Ok(Ok(Installed { folder, directory })),
        Some(CANNOT) => Ok(Err(reason.trim_start_matches(&format!("{name}: ")).to_owned())),
        _ => bail!("{name}: its install script ended with {}: {reason}", ran.status),
    }
}

fn cache_folder() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty()) {
        return Ok(folder.into());
    }
    let home = std::env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?;
    Ok(Path::new(&home).join(".cache"))
}

impl Installed {
    /// The command that consumes.
    pub(crate) fn run(&self) -> Command {
        let mut command = Command::new(self.folder.join("run"));
        command.arg(&self.directory);
        command
    }
}
