//! `list`: the letters in lines, and counted by what is wrong with them.

use std::collections::BTreeMap;
use std::process::ExitCode;

use super::look::counted;
use crate::cli::Context;
use crate::cli::print::visible;
use crate::rabbitmq::dead_letters::{DeadLetters, Group, Groups, Selection, Summary};

/// Lists them as they come: however many there are, one at a time is in memory.
pub(super) async fn list(letters: &mut DeadLetters, only: &Selection, context: &Context) -> anyhow::Result<ExitCode> {
    let output = context.output;
    let (mut reasons, mut groups): (BTreeMap<&'static str, u32>, _) = (BTreeMap::new(), Groups::default());
    let mut count: u32 = 0;
    while let Some(letter) = letters.next().await? {
        if !only.takes(&letter) {
            continue;
        }
        if output.is_json() {
            let separator = if count == 0 { "[" } else { "," };
            output.data(&format!("{separator}\n{}", serde_json::to_string(&letter.guarded_summary())?))?;
        } else {
            if count == 0 {
                output.say(&line(["ID", "REQUEST ID", "REASON", "ATTEMPTS", "FIRST SEEN", "POINTER"]))?;
            }
            output.say(&row(&letter.guarded_summary()))?;
        }
        *reasons.entry(letter.reason.unwrap_or("unknown")).or_default() += 1;
        groups.add(&letter);
        count += 1;
    }
    if output.is_json() {
        output.data(if count == 0 { "[]\n" } else { "\n]\n" })?;
    } else {
        output.say(&totals(count, &reasons))?;
        if count > 0 {
            output.say(&table(&groups.most_first()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Counts them by reason, error and version.
pub(super) async fn group(letters: &mut DeadLetters, only: &Selection, context: &Context) -> anyhow::Result<ExitCode> {
    let mut groups = Groups::default();
    while let Some(letter) = letters.next().await? {
        if only.takes(&letter) {
            groups.add(&letter);
        }
    }
    context.output.result(&groups.most_first(), |groups| match groups.as_slice() {
        [] => totals(0, &BTreeMap::new()),
        groups => table(groups),
    })?;
    Ok(ExitCode::SUCCESS)
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

fn table(groups: &[Group]) -> String {
    let line = |[count, reason, version, first, last, error]: [&str; 6]| {
        format!("{count:>6}  {reason:14}  {version:9}  {first:24}  {last:24}  {error}").trim_end().to_owned()
    };
    let known =
        |text: &Option<String>| text.as_deref().map_or_else(|| "-".to_owned(), |text| visible(text).into_owned());
    let mut lines = vec![line(["COUNT", "REASON", "VERSION", "FIRST SEEN", "LAST SEEN", "ERROR"])];
    lines.extend(groups.iter().map(|Group { reason, error, version, count, first_seen, last_seen }| {
        let [version, first, last] = [version, first_seen, last_seen].map(known);
        line([&count.to_string(), reason, &version, &first, &last, &visible(error)])
    }));
    lines.join("\n")
}
