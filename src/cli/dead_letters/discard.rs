//! `discard` and `restore`: away from the dead letters, and back for as long as that is possible.

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use indicatif::ProgressBar;
use serde_json::json;

use super::look::counted;
use super::which::Which;
use super::{Discard, operator, progress};
use crate::cli::Context;
use crate::cli::record::{Deed, Why};
use crate::replay::{self, Moved};

/// Moves what is chosen to the discarded ones, once somebody has said how many that are.
pub(super) async fn run(args: Discard, context: &Context) -> anyhow::Result<ExitCode> {
    let Discard { which, yes_discard, why } = args;
    let (output, broker, selection) = (context.output, &context.config.broker, which.selection());
    operator(context)?;
    let count = replay::count(broker, &selection, u32::MAX).await?;
    if count > 0 {
        let agreed = match yes_discard {
            Some(agreed) => agreed,
            None => asked(count, context).await?,
        };
        ensure!(agreed == count, "nothing was discarded: {} are meant, and not {agreed}", counted(count));
    }
    let target = which.words();
    let deed = Deed { action: "dead_letters.discard", target: &target, why: &why.why };
    deed.begins_anyway("ordered", context).await;
    let mut bar = None;
    let moved = replay::discard(broker, &selection, count, u32::MAX, shown_by(&mut bar)).await;
    cleared(bar);
    let outcome = match &moved {
        Ok(moved) => format!("discarded {}", moved.moved),
        Err(error) => format!("failed: {error}"),
    };
    deed.ended(&outcome, context).await;
    let moved = moved?;
    let result = json!({ "discarded": moved.moved, "kept": kept(&moved), "notFound": moved.missing });
    let again = "`dead-letters restore` takes them back, for seven days";
    output.result(&result, |_| format!("{} discarded; {again}", counted(moved.moved)))?;
    Ok(told(&moved, context))
}

/// Moves discarded letters back.
pub(super) async fn restore(which: Which, why: &Why, context: &Context) -> anyhow::Result<ExitCode> {
    operator(context)?;
    let target = which.words();
    let deed = Deed { action: "dead_letters.restore", target: &target, why: &why.why };
    deed.begins_anyway("ordered", context).await;
    let mut bar = None;
    let moved = replay::restore(&context.config.broker, &which.selection(), shown_by(&mut bar)).await;
    cleared(bar);
    let outcome = match &moved {
        Ok(moved) => format!("restored {}", moved.moved),
        Err(error) => format!("failed: {error}"),
    };
    deed.ended(&outcome, context).await;
    let moved = moved?;
    let result = json!({ "restored": moved.moved, "kept": kept(&moved), "notFound": moved.missing });
    context.output.result(&result, |_| format!("{} restored", counted(moved.moved)))?;
    Ok(told(&moved, context))
}

/// A bar, once it is known how many letters there are to look at.
fn shown_by(bar: &mut Option<ProgressBar>) -> impl FnMut(u32, u32) + Send {
    move |read: u32, total: u32| bar.get_or_insert_with(|| progress(total)).set_position(read.into())
}

fn cleared(bar: Option<ProgressBar>) {
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
}

fn kept(moved: &Moved) -> Vec<serde_json::Value> {
    moved.kept.iter().map(|(id, why)| json!({ "id": id, "why": why })).collect()
}

/// Says what stays, and which ids no letter has; exit code 1 if there are any.
fn told(moved: &Moved, context: &Context) -> ExitCode {
    for (id, why) in &moved.kept {
        context.output.note(&format_args!("{id} stays: {why}"));
    }
    for id in &moved.missing {
        context.output.note(&format_args!("there is no dead letter {id}"));
    }
    if moved.kept.is_empty() && moved.missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The number that somebody types. Nothing is held meanwhile, so they may think for as long as they like.
async fn asked(count: u32, context: &Context) -> anyhow::Result<u32> {
    ensure!(
        io::stdin().is_terminal(),
        "{} are meant; say so with --yes-discard {count}, for there is no terminal to ask at",
        counted(count)
    );
    context.output.note(&format_args!("Discard {}? Type the number to go on:", counted(count)));
    let line = super::line().await?;
    line.trim().parse().with_context(|| format!("nothing was discarded: `{}` is no number", line.trim().escape_debug()))
}
