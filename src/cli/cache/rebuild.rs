//! `cache rebuild`: an entry for everybody who is to be shown.

use std::process::ExitCode;

use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{Which, words};
use crate::cli::long::stopped;
use crate::cli::record::{Deed, Why};
use crate::cli::{Context, signals};

/// What was done.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    members: u64,
    /// Public members whose entry the cache holds now.
    shown: u64,
    /// Entries of others that became tombstones.
    hidden: u64,
    done: bool,
    /// The first member who is not done, and the command that begins there.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resume: Option<String>,
}

/// Rebuilds the cache.
pub(super) async fn run(which: Which, why: &Why, context: &Context) -> anyhow::Result<ExitCode> {
    let stop = CancellationToken::new();
    signals::stop_on_signal(&stop, "rebuilding again is safe")?;
    let target = which.target();
    let deed = Deed { action: "cache.rebuild", target: &target, why: &why.why };
    deed.begins("ordered", context).await?;
    let (mut walk, mut auditor, bar) = which.begin(context).await?;
    let mut report = Report::default();
    let work = walk.run(&mut auditor, &stop, async |auditor, records| {
        let renewed = auditor.renew(&records).await?;
        report.members += records.len() as u64;
        report.shown += renewed.shown;
        report.hidden += renewed.hidden;
        bar.set_position(report.members);
        Ok(())
    });
    let walked = work.await;
    bar.finish_and_clear();
    let next = walk.next();
    report.done = next.is_none();
    report.next = next.map(words);
    report.resume = next.map(|next| which.again("cache rebuild", next, context).option("--why", Some(&why.why)).line());
    let walked = walked.map_err(anyhow::Error::from);
    deed.came_to(&came_to(&report), &walked, context).await;
    context.output.result(&report, text)?;
    walked?;
    Ok(if report.done { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What it came to, for the record.
fn came_to(report: &Report) -> String {
    let Report { members, shown, hidden, next, .. } = report;
    let stopped = next.as_ref().map(|next| format!(", stopped before {next}")).unwrap_or_default();
    format!("of {members} members {shown} are shown, {hidden} hidden{stopped}")
}

fn text(report: &Report) -> String {
    let Report { members, shown, hidden, .. } = report;
    let text = format!("{members} members: {shown} are shown, {hidden} entries of others became tombstones.");
    [Some(text), report.resume.as_deref().map(stopped)].into_iter().flatten().collect::<Vec<_>>().join("\n")
}
