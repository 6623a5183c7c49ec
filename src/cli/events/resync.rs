//! `events resync`: members announced once more, with a bar, a stop in good order and a line to go on with.

use std::process::ExitCode;

use anyhow::ensure;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Resync as Args;
use crate::announce::resync::{Order, Resync, Tally};
use crate::cli::long::{self, Again};
use crate::cli::print::visible;
use crate::cli::record::{Deed, said};
use crate::cli::{Context, signals};
use crate::domain::MemberId;
use crate::postgres::{Place, Role, Session};
use crate::rabbitmq::convoy::Convoy;
use crate::rabbitmq::topology::Names;
use crate::wire::instant;

/// What was done.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    site_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    dry_run: bool,
    members: u64,
    announced: u64,
    too_large: u64,
    unreadable: u64,
    done: bool,
    /// The first member who is not done, and the command that begins there.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resume: Option<String>,
}

/// Announces the members of a site.
pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<ExitCode> {
    let config = &context.config;
    let names = Names::of(&config.broker);
    if let Some(queue) = &args.to {
        ensure!(is_for_events(&names, queue), "`{}` is a queue of Join Community itself", visible(queue));
    }
    let stop = CancellationToken::new();
    signals::stop_on_signal(&stop, "events on their way may have been published; announcing them again is safe")?;
    let mut store = Session::new(&config.database, Role::Tool)?;
    let from = args.from.unwrap_or(MemberId(Uuid::nil()));
    let mut convoy = if args.dry_run {
        None
    } else {
        Some(Convoy::connect(&config.broker.url, "join-community events resync", &config.broker).await?)
    };
    let target = target(&args);
    let deed = |why| Deed { action: "events.resync", target: &target, why };
    let deed = if args.dry_run { None } else { Some(deed(said(args.why.as_deref())?)) };
    if let Some(deed) = deed {
        deed.begins("ordered", context).await?;
    }
    let bar = long::bar(&mut store, Place { site: args.site, member_id: from }, Some(args.site)).await;
    let order = Order {
        site: args.site,
        since: args.since,
        from,
        exchange: names.events(),
        to: args.to.clone(),
        rate: args.rate,
        patience: config.broker.confirm_timeout,
    };
    let mut resync = Resync::new(store, order, stop);
    let done = resync.run(convoy.as_mut(), |tally| bar.set_position(tally.members)).await;
    if let Some(convoy) = convoy {
        convoy.close().await;
    }
    bar.finish_and_clear();
    let report = report(&args, resync.tally(), resync.next(), context);
    let done = done.map_err(anyhow::Error::from);
    if let Some(deed) = deed {
        deed.came_to(&came_to(&report), &done, context).await;
    }
    context.output.result(&report, words)?;
    done?;
    let all = report.done && report.too_large == 0 && report.unreadable == 0;
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Not one of the worker's own, but for the one that takes events for webhooks: what the worker's user publishes there would
/// be believed. Consumers may well name their queues after the events exchange.
fn is_for_events(names: &Names, queue: &str) -> bool {
    let is_after_events = queue.starts_with(&format!("{}.", names.events())) && queue != names.unrouted();
    is_after_events || queue == names.webhooks() || !names.is_own_queue(queue)
}

/// Whom and where to, for the record.
fn target(args: &Args) -> String {
    Again::bare()
        .option("--site", Some(args.site))
        .option("--since", args.since.map(instant::text))
        .option("--to", args.to.as_ref())
        .option("--from", args.from)
        .line()
}

/// What it came to, for the record.
fn came_to(report: &Report) -> String {
    let Report { members, announced, next, .. } = report;
    let stopped = next.as_ref().map(|next| format!(", stopped before {next}")).unwrap_or_default();
    format!("announced {announced} of {members} members{stopped}")
}

fn report(args: &Args, tally: Tally, next: Option<MemberId>, context: &Context) -> Report {
    let again = |next: MemberId| {
        Again::new("events resync", context)
            .option("--site", Some(args.site))
            .option("--since", args.since.map(instant::text))
            .option("--to", args.to.as_ref())
            .option("--rate", args.rate.map(|rate| format!("{rate}/s")))
            .option("--from", Some(next))
            .flag("--dry-run", args.dry_run)
            .option("--why", args.why.as_ref())
            .line()
    };
    Report {
        site_id: args.site.to_string(),
        to: args.to.clone(),
        dry_run: args.dry_run,
        members: tally.members,
        announced: tally.announced,
        too_large: tally.too_large,
        unreadable: tally.unreadable,
        done: next.is_none(),
        next: next.map(|next| next.to_string()),
        resume: next.map(again),
    }
}

fn words(report: &Report) -> String {
    let Report { members, announced, too_large, unreadable, .. } = report;
    let verb = if report.dry_run { "Would announce" } else { "Announced" };
    let to = report.to.as_ref().map(|queue| format!(" to queue {}", visible(queue))).unwrap_or_default();
    let mut lines = vec![format!("{verb} {announced} of {members} members of site {}{to}.", report.site_id)];
    if *too_large > 0 {
        lines.push(format!("{too_large} events are larger than the broker takes; the log names them."));
    }
    if *unreadable > 0 {
        lines.push(format!("{unreadable} records cannot be read; the log names them."));
    }
    lines.extend(report.resume.as_deref().map(long::stopped));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::is_for_events;
    use crate::rabbitmq::topology::Names;

    #[test]
    fn events_go_to_no_queue_of_the_worker_itself() {
        let names = Names::new("eu.");
        for own in [names.requests(), names.dead_letters(), names.unrouted(), "join-community.requests".to_owned()] {
            assert!(!is_for_events(&names, &own), "{own}");
        }
        assert!(!is_for_events(&names, &names.webhook("crm")));
        for consumer in ["search.members", "eu.members.events.search", "members", "eu.join-community.webhooks"] {
            assert!(is_for_events(&names, consumer), "{consumer}");
        }
    }
}
