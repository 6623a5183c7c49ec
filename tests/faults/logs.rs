//! What the workers of a trial wrote to their logs: nothing of what a member or a token says may stand there, whatever went
//! wrong.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// Of the members that all trials are made with, and of every token and password.
const SECRETS: [&str; 5] = ["jane", "eyJ", "Bearer ", "join-worker:join-worker", "join_community:join_community"];

/// Each line of a worker's log that tells a secret.
pub(crate) fn secrets(folder: &Path) -> Result<Vec<String>> {
    let mut told = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "log") {
            continue;
        }
        let log = fs::read(&path)?;
        for (number, line) in String::from_utf8_lossy(&log).lines().enumerate() {
            if let Some(secret) = secret(line) {
                // Not the line itself: that would be telling it, too.
                told.push(format!("{}:{} tells `{secret}`", path.display(), number + 1));
            }
        }
    }
    Ok(told)
}

fn secret(line: &str) -> Option<&'static str> {
    let small = line.to_lowercase();
    SECRETS.into_iter().find(|secret| line.contains(secret) || small.contains(secret))
}
