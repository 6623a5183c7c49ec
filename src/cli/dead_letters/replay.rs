//! `replay`: puts dead letters back into the request queue, in growing steps, or says first what each would come to.

use std::process::ExitCode;
use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::look::counted;
use super::{Replay as Args, operator, shown, with};
use crate::auth::Authenticator;
use crate::cli::long::{Again, stopped};
use crate::cli::record::{Deed, said};
use crate::cli::{Context, signals};
use crate::domain::to_millis;
use crate::postgres::{Role, Session};
use crate::rabbitmq::address::Address;
use crate::rabbitmq::courier::Courier;
use crate::rabbitmq::dead_letters::Letter;
use crate::replay::{Order, Parts, Preview, Replay, Tally, Told, WayBack};

/// The way back, and what keeps its keys read.
pub(super) async fn way_back(force: bool, context: &Context) -> anyhow::Result<(WayBack, DropGuard)> {
    let (config, started) = (&context.config, to_millis(OffsetDateTime::now_utc()));
    let stop = CancellationToken::new();
    let worker = Address::parse(&config.broker.url)?.user().to_owned();
    let authenticator = Authenticator::start(&config.auth, &worker, stop.clone()).await?;
    // Without keys, what a token must prove is refused, by name; the rest needs none.
    drop(tokio::time::timeout(config.broker.timeout, authenticator.wait_for_keys()).await);
    let way_back = WayBack::new(config, Arc::new(authenticator), force, started)?;
    Ok((way_back, stop.drop_guard()))
}

/// Replays what is chosen. A letter goes only when its replacement is confirmed: if this is interrupted, a request may
/// be there twice, which changes nothing, but none is lost.
pub(super) async fn run(args: Args, context: &Context) -> anyhow::Result<ExitCode> {
    operator(context)?;
    let (way_back, _keys) = way_back(args.force, context).await?;
    if args.dry_run {
        return dry_run(&args, &way_back, context).await;
    }
    let config = &context.config;
    let stop = CancellationToken::new();
    signals::stop_on_signal(&stop, "a letter may have been replayed and lie there still; replaying it again is safe")?;
    let courier = Courier::connect(&config.broker.url, "join-community dead-letters replay", &config.broker).await?;
    let store = Session::new(&config.database, Role::Tool)?;
    let order = Order {
        selection: args.which.selection(),
        rate: args.rate,
        max_failures: args.max_failures,
        patience: args.wait,
        at_once: args.at_once,
    };
    let (target, why) = (args.which.words(), said(args.why.as_deref())?);
    let deed = Deed { action: "dead_letters.replay", target: &target, why };
    deed.begins("ordered", context).await?;
    let parts = Parts { broker: config.broker.clone(), way_back, courier, store };
    let mut replay = Replay::new(parts, order, stop);
    if context.output.is_json() {
        context.output.data("{\"refused\":[")?;
    }
    let bar = bar();
    let (mut refused, mut untold) = (0_u32, Ok(()));
    let done = replay
        .run(&mut |told| match told {
            Told::Refused(letter, why) => {
                let told = bar.suspend(|| tell(letter, why, refused == 0, context));
                untold = std::mem::replace(&mut untold, Ok(())).and(told);
                refused += 1;
            }
            Told::Counted(tally) => count(&bar, tally),
        })
        .await;
    bar.finish_and_clear();
    let (tally, missing) = (replay.tally().clone(), replay.missing().to_vec());
    replay.close().await;
    let outcome = format!("replayed {}, refused {}, came back {}", tally.replayed, tally.refused, tally.came_back);
    deed.ended(&outcome, context).await;
    untold?;
    report(&args, &tally, &missing, done.is_ok(), context)?;
    done?;
    let failures = tally.refused > 0 || !tally.failed.is_empty() || tally.stopped.is_some();
    Ok(if failures || !missing.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What each would come to. Nothing is sent, and nothing is written, but who sees personal data.
async fn dry_run(args: &Args, way_back: &WayBack, context: &Context) -> anyhow::Result<ExitCode> {
    if args.unmask {
        let (target, why) = (args.which.words(), said(args.why.as_deref())?);
        let deed = Deed { action: "dead_letters.dry_run_unmasked", target: &target, why };
        deed.begins("shown", context).await?;
    }
    let (output, selection) = (context.output, args.which.selection());
    let preview = Preview::new(&context.config, args.unmask);
    let mut store = Session::new(&context.config.database, Role::Tool)?;
    let mut missing = selection.ids.clone();
    let (mut count, mut hopeless) = (0_u32, 0_u32);
    with(context, false, async |letters| {
        while let Some(letter) = letters.next().await? {
            missing.remove(&letter.id);
            if !selection.takes(&letter) {
                continue;
            }
            let foreseen = preview.letter(&mut store, &letter, way_back).await?;
            if output.is_json() {
                let separator = if count == 0 { "[" } else { "," };
                output.data(&format!("{separator}\n{}", serde_json::to_string(&foreseen)?))?;
            } else {
                output.say(&shown::words(&foreseen))?;
            }
            count += 1;
            hopeless += u32::from(foreseen.outcome == "not_replayed");
        }
        Ok(())
    })
    .await?;
    if output.is_json() {
        output.data(if count == 0 { "[]\n" } else { "\n]\n" })?;
    } else {
        output.say(&format_args!(
            "{} looked at, {hopeless} of them cannot be replayed; nothing was changed",
            counted(count)
        ))?;
    }
    for id in &missing {
        output.note(&format_args!("there is no dead letter {id}"));
    }
    Ok(if hopeless > 0 || !missing.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn bar() -> ProgressBar {
    // Draws itself on a terminal alone.
    let bar = ProgressBar::new(0);
    match ProgressStyle::with_template("{bar:40} {pos} of {len} letters, {msg}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn count(bar: &ProgressBar, tally: &Tally) {
    bar.set_length(tally.chosen.into());
    bar.set_position((tally.replayed + tally.refused).into());
    bar.set_message(format!("{} came back, {} without an outcome", tally.came_back, tally.unsettled));
}

/// Says of one why it was refused, as soon as that is known: however many there are, none is kept in memory.
fn tell(letter: &Letter, why: &str, is_first: bool, context: &Context) -> anyhow::Result<()> {
    if !context.output.is_json() {
        return context.output.say(&format_args!("{} is not replayed: {why}", letter.id));
    }
    let refusal = json!({ "id": letter.id, "requestId": letter.guarded_summary().request_id, "why": why });
    let separator = if is_first { "" } else { "," };
    context.output.data(&format!("{separator}{refusal}"))
}

fn report(args: &Args, tally: &Tally, missing: &[String], whole: bool, context: &Context) -> anyhow::Result<()> {
    let resume = (tally.stopped.is_some() || !whole).then(|| resume(args, context));
    if context.output.is_json() {
        let mut rest = serde_json::to_value(tally)?;
        rest["refusedCount"] = tally.refused.into();
        rest["notFound"] = missing.into();
        rest["resume"] = resume.map_or(Value::Null, Value::from);
        let rest = rest.as_object_mut().map(|rest| {
            rest.remove("refused");
            serde_json::to_string(rest)
        });
        let rest = rest.transpose()?.unwrap_or_default();
        return context.output.data(&format!("],{}\n", rest.trim_start_matches('{')));
    }
    for failure in &tally.failed {
        context.output.say(&format_args!(
            "{} ({}): {}",
            failure.id,
            super::visible(&failure.request_id),
            failure.why
        ))?;
    }
    let verdicts: Vec<String> = tally.verdicts.iter().map(|(verdict, count)| format!("{count} {verdict}")).collect();
    let verdicts = if verdicts.is_empty() { String::new() } else { format!(" ({})", verdicts.join(", ")) };
    let Tally { replayed, refused, came_back, unsettled, left, .. } = tally;
    context.output.say(&format_args!(
        "{} replayed{verdicts}, {came_back} came back, {unsettled} without an outcome, {refused} refused",
        counted(*replayed)
    ))?;
    if let Some(why) = &tally.stopped {
        context.output.say(&format_args!("{} left untried, because {why}.", counted(*left)))?;
    }
    if let Some(resume) = resume {
        context.output.say(&stopped(&resume))?;
    }
    for id in missing {
        context.output.note(&format_args!("there is no dead letter {id}"));
    }
    Ok(())
}

/// Leaves out what a replay has tried already, so that the same failures do not stop it again.
fn resume(args: &Args, context: &Context) -> String {
    let mut which = args.which.clone();
    which.filter.never_replayed = true;
    which
        .options(Again::new("dead-letters replay", context))
        .option("--rate", Some(format!("{}/s", args.rate)))
        .option("--max-failures", Some(args.max_failures))
        .option("--wait", Some(humantime::format_duration(args.wait)))
        .flag("--at-once", args.at_once)
        .flag("--force", args.force)
        .option("--why", args.why.as_ref())
        .line()
}
