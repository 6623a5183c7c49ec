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
    each_line(folder, |place, line| {
        // Not the line itself: that would be telling it, too.
        told.extend(secret(line).map(|secret| format!("{place} tells `{secret}`")));
    })?;
    Ok(told)
}

/// How many lines of the workers' logs say so.
pub(crate) fn count(folder: &Path, words: &str) -> Result<usize> {
    let mut count = 0;
    each_line(folder, |_, line| count += usize::from(line.contains(words)))?;
    Ok(count)
}

/// The requests that the workers' logs name in lines with all of these words: in which log, and which.
pub(crate) fn requests(folder: &Path, words: &[&str]) -> Result<Vec<(String, String)>> {
    let mut named = Vec::new();
    each_line(folder, |place, line| {
        let id = line.split_once("request.id=\"").and_then(|(_, rest)| rest.split('"').next());
        if let Some(id) = id.filter(|_| words.iter().all(|word| line.contains(word))) {
            let log = place.rsplit_once(':').map_or(place, |(log, _)| log);
            named.push((log.to_owned(), id.to_owned()));
        }
    })?;
    Ok(named)
}

/// Hands over every line, with the place where it stands.
fn each_line(folder: &Path, mut take: impl FnMut(&str, &str)) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "log") {
            continue;
        }
        let log = fs::read(&path)?;
        for (number, line) in String::from_utf8_lossy(&log).lines().enumerate() {
            take(&format!("{}:{}", path.display(), number + 1), line);
        }
    }
    Ok(())
}

fn secret(line: &str) -> Option<&'static str> {
    let small = line.to_lowercase();
    SECRETS.into_iter().find(|secret| line.contains(secret) || small.contains(secret))
}
