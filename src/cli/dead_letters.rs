//! `dead-letters`: what could not be handled.

mod arguments;
mod discard;
mod edit;
mod list;
mod look;
mod pretty;
mod replay;
mod shown;
mod watch;
mod which;

use std::io;
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use secrecy::ExposeSecret as _;

pub use arguments::{Command, Discard, Edit, Look, Replay};

use super::Context;
use super::print::visible;
use crate::rabbitmq::dead_letters::DeadLetters;

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub async fn run(command: Command, context: &Context) -> anyhow::Result<ExitCode> {
    match command {
        Command::List { look: Look { filter, discarded }, groups } => {
            let only = filter.selection();
            with(context, discarded, async |letters| {
                if groups {
                    list::group(letters, &only, context).await
                } else {
                    list::list(letters, &only, context).await
                }
            })
            .await
        }
        Command::Show { id, discarded, unmask } => {
            with(context, discarded, async |letters| look::show(letters, &id, &unmask, context).await).await
        }
        Command::Export { file, look: Look { filter, discarded }, unmask } => {
            let (only, words) = (filter.selection(), filter.words());
            let export = look::Export { only, words, file: file.as_deref(), unmask: &unmask };
            with(context, discarded, async |letters| look::export(letters, &export, context).await).await
        }
        Command::Progress { worker } => watch::progress(&worker, context).await,
        Command::Stop { why, worker } => watch::stop(&why, &worker, context).await,
        Command::Resume { why, worker } => watch::resume(&why, &worker, context).await,
        Command::Replay(args) => Box::pin(replay::run(args, context)).await,
        Command::Edit(args) => Box::pin(edit::run(args, context)).await,
        Command::Discard(args) => Box::pin(discard::run(args, context)).await,
        Command::Restore { which, why } => Box::pin(discard::restore(which, &why, context)).await,
    }
}

/// Does some work with the dead letters, or the discarded ones; whatever comes of it, all that was not removed lies where it
/// lay afterwards.
async fn with<T>(
    context: &Context,
    discarded: bool,
    work: impl AsyncFnOnce(&mut DeadLetters) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    operator(context)?;
    let broker = &context.config.broker;
    let mut letters =
        if discarded { DeadLetters::open_discarded(broker).await? } else { DeadLetters::open(broker).await? };
    let done = work(&mut letters).await;
    let closed = letters.close().await;
    let done = done?;
    closed?;
    Ok(done)
}

/// Whether there is a user who may read them.
fn operator(context: &Context) -> anyhow::Result<()> {
    let empty = context.config.broker.operator_url.expose_secret().is_empty();
    ensure!(!empty, "broker.operator_url is empty: it names the broker user who may read dead letters");
    Ok(())
}

/// A bar on the terminal for what may take long; none where stderr is no terminal.
fn progress(total: u32) -> indicatif::ProgressBar {
    const LONG: u32 = 100;
    if total < LONG { indicatif::ProgressBar::hidden() } else { indicatif::ProgressBar::new(total.into()) }
}

/// A line from the terminal; on a thread of its own, so that heartbeats and signals go on while somebody thinks.
async fn line() -> anyhow::Result<String> {
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|_| line)
    });
    Ok(read.await.context("the question was interrupted")??)
}
