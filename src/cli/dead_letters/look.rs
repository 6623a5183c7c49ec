//! `list`, `show` and `export`: looking, which changes nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};

use super::{pretty, progress};
use crate::cli::Context;
use crate::cli::print::visible;
use crate::rabbitmq::dead_letters::{DeadLetters, Selection, Summary, Whole};

/// Lists them as they come: however many there are, one at a time is in memory.
pub(super) async fn list(letters: &mut DeadLetters, only: &Selection, context: &Context) -> anyhow::Result<ExitCode> {
    let output = context.output;
    let mut reasons: BTreeMap<&'static str, u32> = BTreeMap::new();
    let mut count: u32 = 0;
    while let Some(letter) = letters.next().await? {
        if !only.takes(&letter) {
            continue;
        }
        if output.is_json() {
            let separator = if count == 0 { "[" } else { "," };
            output.data(&format!("{separator}\n{}", serde_json::to_string(&letter.summary())?))?;
        } else {
            if count == 0 {
                output.say(&line(["ID", "REQUEST ID", "REASON", "ATTEMPTS", "FIRST SEEN", "POINTER"]))?;
            }
            output.say(&row(&letter.summary()))?;
        }
        *reasons.entry(letter.reason.unwrap_or("unknown")).or_default() += 1;
        count += 1;
    }
    if output.is_json() {
        output.data(if count == 0 { "[]\n" } else { "\n]\n" })?;
    } else {
        output.say(&totals(count, &reasons))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows the first that has this id.
pub(super) async fn show(letters: &mut DeadLetters, id: &str, context: &Context) -> anyhow::Result<ExitCode> {
    while let Some(letter) = letters.next().await? {
        if letter.id == id {
            context.output.result(&letter.whole(), words)?;
            return Ok(ExitCode::SUCCESS);
        }
    }
    bail!("there is no dead letter {id}; if another command is reading them now, it holds them back until it ends")
}

/// Writes all of them to stdout, one JSON object a line.
pub(super) async fn export(letters: &mut DeadLetters, only: &Selection, context: &Context) -> anyhow::Result<ExitCode> {
    while let Some(letter) = letters.next().await? {
        if !only.takes(&letter) {
            continue;
        }
        context.output.data(&format!("{}\n", serde_json::to_string(&letter.whole())?))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes all of them to a new file, one JSON object a line.
pub(super) async fn export_to(
    letters: &mut DeadLetters,
    only: &Selection,
    path: &Path,
    context: &Context,
) -> anyhow::Result<ExitCode> {
    // Never over another file, and for nobody else's eyes: there is personal data in it.
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let unwritable = || format!("{} cannot be written; it must not exist yet", path.display());
    let mut writer = BufWriter::new(created.with_context(unwritable)?);
    let bar = progress(letters.total());
    let mut count: u32 = 0;
    while let Some(letter) = letters.next().await? {
        bar.inc(1);
        if !only.takes(&letter) {
            continue;
        }
        serde_json::to_writer(&mut writer, &letter.whole()).with_context(unwritable)?;
        writer.write_all(b"\n").with_context(unwritable)?;
        count += 1;
    }
    writer.flush().with_context(unwritable)?;
    bar.finish_and_clear();
    let words = |_: &Value| format!("{} written to {}", counted(count), path.display());
    context.output.result(&json!({ "exported": count }), words)?;
    Ok(ExitCode::SUCCESS)
}

/// `1 dead letter`, `7 dead letters`.
pub(super) fn counted(count: u32) -> String {
    if count == 1 { "1 dead letter".to_owned() } else { format!("{count} dead letters") }
}

/// Columns of fixed width, because a table that fits its content would have to hold all of it first.
fn line([id, request, reason, attempts, seen, pointer]: [&str; 6]) -> String {
    const REQUEST: usize = 36;
    let mut request = visible(request).into_owned();
    if request.chars().count() > REQUEST {
        request = request.chars().take(REQUEST - 1).chain(['…']).collect();
    }
    let pointer = visible(pointer);
    format!("{id:16}  {request:REQUEST$}  {reason:14}  {attempts:>8}  {seen:24}  {pointer}").trim_end().to_owned()
}

fn row(summary: &Summary<'_>) -> String {
    let attempts = summary.attempts.map(|attempts| attempts.to_string());
    line([
        summary.id,
        summary.request_id.as_deref().unwrap_or("-"),
        summary.reason.unwrap_or("-"),
        attempts.as_deref().unwrap_or("-"),
        summary.first_seen.as_deref().unwrap_or("-"),
        summary.pointer.as_deref().unwrap_or_default(),
    ])
}

fn totals(count: u32, reasons: &BTreeMap<&str, u32>) -> String {
    if count == 0 {
        return "There are no dead letters.".to_owned();
    }
    let parts: Vec<_> = reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
    format!("{}: {}", counted(count), parts.join(", "))
}

fn words(whole: &Whole<'_>) -> String {
    let mut text = String::new();
    let Summary { id, request_id, reason, pointer, attempts, first_seen } = &whole.summary;
    let attempts = attempts.map(|attempts| attempts.to_string());
    let writer = if whole.written_by_worker {
        "the worker"
    } else {
        "not written by the worker: no header of it is to be believed"
    };
    // Writing to a String cannot fail.
    writeln!(text, "Dead letter {id}").unwrap_or_default();
    for (name, value) in [
        ("request id", request_id.as_deref()),
        ("reason", *reason),
        ("pointer", pointer.as_deref()),
        ("error", whole.error.as_deref()),
        ("attempts", attempts.as_deref()),
        ("first seen", first_seen.as_deref()),
        ("written by", Some(writer)),
    ] {
        writeln!(text, "  {name:11} {}", visible(value.unwrap_or("-"))).unwrap_or_default();
    }
    section(&mut text, "Properties", &whole.properties);
    section(&mut text, "Headers", &whole.headers);
    let cut = if whole.body_cut { ", of which only the beginning was kept" } else { "" };
    writeln!(text, "Body ({} bytes{cut})", whole.body_size).unwrap_or_default();
    match (&whole.body, &whole.body_hex) {
        (Some(body), _) => text.push_str(&pretty::body(body)),
        (None, Some(hex)) => writeln!(text, "  no UTF-8, in hexadecimal: {hex}").unwrap_or_default(),
        (None, None) => {}
    }
    text.trim_end().to_owned()
}

fn section(text: &mut String, title: &str, entries: &Map<String, Value>) {
    writeln!(text, "{title}").unwrap_or_default();
    for (name, value) in entries {
        let value = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        writeln!(text, "  {}: {}", visible(name), visible(&value)).unwrap_or_default();
    }
}
