//! `show` and `export`: letters whole, personal data masked; or with it, once it is on record who looks, and why.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use super::{pretty, progress};
use crate::cli::Context;
use crate::cli::print::visible;
use crate::cli::record::{Deed, Unmask, said};
use crate::rabbitmq::dead_letters::{DeadLetters, Letter, Selection};

/// Where an export goes, and what is shown in it.
pub(super) struct Export<'a> {
    pub(super) only: Selection,
    /// What is exported, in words.
    pub(super) words: String,
    pub(super) file: Option<&'a Path>,
    pub(super) unmask: &'a Unmask,
}

/// Shows the first that has this id.
pub(super) async fn show(
    letters: &mut DeadLetters,
    id: &str,
    unmask: &Unmask,
    context: &Context,
) -> anyhow::Result<ExitCode> {
    while let Some(letter) = letters.next().await? {
        if letter.id == id {
            unmask.recorded("dead_letters.unmask", id, "shown", context).await?;
            context.output.result(&shown(&letter, unmask)?, words)?;
            return Ok(ExitCode::SUCCESS);
        }
    }
    bail!("there is no dead letter {id}; if another command is reading them now, it holds them back until it ends")
}

/// Writes those that are meant, one JSON object a line, to stdout or to a new file.
pub(super) async fn export(
    letters: &mut DeadLetters,
    export: &Export<'_>,
    context: &Context,
) -> anyhow::Result<ExitCode> {
    const ACTION: &str = "dead_letters.export_unmasked";
    let Export { file, unmask, words, .. } = export;
    let place = file.map_or_else(|| "stdout".to_owned(), |path| path.display().to_string());
    let target = format!("{words} to {place}");
    unmask.recorded(ACTION, &target, "ordered", context).await?;
    let mut count = 0;
    let done = match file {
        None => to_stdout(letters, export, &mut count, context).await,
        Some(path) => to_file(letters, export, path, &mut count).await,
    };
    if unmask.unmask {
        let deed = Deed { action: ACTION, target: &target, why: said(unmask.why.as_deref())? };
        deed.came_to(&format!("exported {count}"), &done, context).await;
    }
    done?;
    if file.is_some() {
        let words = |_: &Value| format!("{} written to {place}", counted(count));
        context.output.result(&json!({ "exported": count }), words)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn to_stdout(
    letters: &mut DeadLetters,
    Export { only, unmask, .. }: &Export<'_>,
    count: &mut u32,
    context: &Context,
) -> anyhow::Result<()> {
    while let Some(letter) = letters.next().await? {
        if only.takes(&letter) {
            context.output.data(&format!("{}\n", shown(&letter, unmask)?))?;
            *count += 1;
        }
    }
    Ok(())
}

async fn to_file(
    letters: &mut DeadLetters,
    Export { only, unmask, .. }: &Export<'_>,
    path: &Path,
    count: &mut u32,
) -> anyhow::Result<()> {
    // Never over another file, and for nobody else's eyes: there may be personal data in it.
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let unwritable = || format!("{} cannot be written; it must not exist yet", path.display());
    let mut writer = BufWriter::new(created.with_context(unwritable)?);
    let bar = progress(letters.total());
    while let Some(letter) = letters.next().await? {
        bar.inc(1);
        if only.takes(&letter) {
            serde_json::to_writer(&mut writer, &shown(&letter, unmask)?).with_context(unwritable)?;
            writer.write_all(b"\n").with_context(unwritable)?;
            *count += 1;
        }
    }
    writer.flush().with_context(unwritable)?;
    bar.finish_and_clear();
    Ok(())
}

/// A letter as it is shown: tokens masked in any case.
fn shown(letter: &Letter, unmask: &Unmask) -> anyhow::Result<Value> {
    Ok(if unmask.unmask { serde_json::to_value(letter.whole())? } else { letter.guarded() })
}

/// `1 dead letter`, `7 dead letters`.
pub(super) fn counted(count: u32) -> String {
    if count == 1 { "1 dead letter".to_owned() } else { format!("{count} dead letters") }
}

fn words(letter: &Value) -> String {
    let mut text = String::new();
    let writer = if letter["writtenByWorker"] == true {
        "the worker"
    } else {
        "not written by the worker: no header of it is to be believed"
    };
    // Writing to a String cannot fail.
    writeln!(text, "Dead letter {}", plain(&letter["id"])).unwrap_or_default();
    for (name, field) in [
        ("request id", "requestId"),
        ("reason", "reason"),
        ("pointer", "pointer"),
        ("error", "error"),
        ("attempts", "attempts"),
        ("first seen", "firstSeen"),
    ] {
        writeln!(text, "  {name:11} {}", visible(&plain(&letter[field]))).unwrap_or_default();
    }
    for past in letter["history"].as_array().into_iter().flatten() {
        let (at, what) = (plain(&past["at"]), plain(&past["what"]));
        writeln!(text, "  {:11} {} {}", "history", visible(&at), visible(&what)).unwrap_or_default();
    }
    writeln!(text, "  {:11} {writer}", "written by").unwrap_or_default();
    section(&mut text, "Properties", &letter["properties"]);
    section(&mut text, "Headers", &letter["headers"]);
    let cut = if letter["bodyCut"] == true { ", of which only the beginning was kept" } else { "" };
    writeln!(text, "Body ({} bytes{cut})", plain(&letter["bodySize"])).unwrap_or_default();
    match (letter["body"].as_str(), letter["bodyHex"].as_str()) {
        (Some(body), _) => text.push_str(&pretty::body(body)),
        (None, Some(hex)) => writeln!(text, "  no UTF-8, in hexadecimal: {hex}").unwrap_or_default(),
        (None, None) => {}
    }
    text.trim_end().to_owned()
}

fn section(text: &mut String, title: &str, entries: &Value) {
    writeln!(text, "{title}").unwrap_or_default();
    for (name, value) in entries.as_object().into_iter().flatten() {
        writeln!(text, "  {}: {}", visible(name), visible(&plain(value))).unwrap_or_default();
    }
}

/// Text as it is, and anything else as JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}
