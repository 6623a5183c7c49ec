//! `discard`: the only way a dead letter is lost, and somebody's decision.

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::json;

use super::look::counted;
use super::progress;
use super::which::{Chosen, Which};
use crate::cli::Context;
use crate::rabbitmq::dead_letters::DeadLetters;

/// Removes what is chosen.
pub(super) async fn run(
    letters: &mut DeadLetters,
    which: Which,
    yes: bool,
    context: &Context,
) -> anyhow::Result<ExitCode> {
    let output = context.output;
    let total = letters.total();
    let mut chosen = Chosen::new(which);
    if !yes && io::stdin().is_terminal() {
        output.note(&format_args!("Discard {} for good? Type yes to go on:", chosen.words(total)));
        if !agreed().await? {
            output.note(&"Nothing was discarded.");
            return Ok(ExitCode::FAILURE);
        }
    }
    let bar = progress(total);
    let mut discarded: u32 = 0;
    while let Some(letter) = letters.next().await? {
        if chosen.takes(&letter) {
            letters.remove(&letter).await?;
            discarded += 1;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let result = json!({ "discarded": discarded, "notFound": chosen.missing() });
    output.result(&result, |_| format!("{} discarded", counted(discarded)))?;
    Ok(found(&chosen, context))
}

/// Says which ids no dead letter has; exit code 1 if there are any.
pub(super) fn found(chosen: &Chosen, context: &Context) -> ExitCode {
    for id in chosen.missing() {
        context.output.note(&format_args!("there is no dead letter {id}"));
    }
    if chosen.missing().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// On a thread of its own, so that the connection's heartbeats go on while somebody thinks.
async fn agreed() -> anyhow::Result<bool> {
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|_| line)
    });
    Ok(read.await.context("the question was interrupted")??.trim().eq_ignore_ascii_case("yes"))
}
