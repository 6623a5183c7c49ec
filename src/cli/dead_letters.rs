//! `dead-letters`: what could not be handled.

mod discard;
mod look;
mod pretty;
mod replay;
mod which;

use std::process::ExitCode;

use anyhow::ensure;
use secrecy::ExposeSecret as _;

use super::Context;
use crate::rabbitmq::dead_letters::DeadLetters;
use which::Which;

const AFTER_HELP: &str = "\
What is read is held back from others until the command ends, and then lies where it lay before.";

/// Commands of `dead-letters`.
#[derive(Debug, clap::Subcommand)]
#[command(after_help = AFTER_HELP)]
pub enum Command {
    /// List them, and count them by reason. Looking changes nothing.
    List,
    /// Show one of them whole, with its token masked.
    Show {
        /// Its id, as `list` shows it.
        #[arg(value_parser = which::id)]
        id: String,
    },
    /// Put them back into the request queue, as far as they prove who asks; exit code 1 if any is refused.
    Replay {
        /// Which of them.
        #[command(flatten)]
        which: Which,
        /// Also what is older than `requests.retention`: a request that was carried out then may be carried out again.
        #[arg(long)]
        force: bool,
    },
    /// Remove them for good. Asks first, on a terminal.
    Discard {
        /// Which of them.
        #[command(flatten)]
        which: Which,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Write all of them, one JSON object a line, with their tokens masked.
    Export {
        /// A new file, readable by its owner alone; stdout if there is none.
        file: Option<std::path::PathBuf>,
    },
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub async fn run(command: Command, context: &Context) -> anyhow::Result<ExitCode> {
    match command {
        Command::List => with(context, async |letters| look::list(letters, context).await).await,
        Command::Show { id } => with(context, async |letters| look::show(letters, &id, context).await).await,
        Command::Export { file: None } => with(context, async |letters| look::export(letters, context).await).await,
        Command::Export { file: Some(path) } => {
            with(context, async |letters| look::export_to(letters, &path, context).await).await
        }
        Command::Replay { which, force } => replay::run(which, force, context).await,
        Command::Discard { which, yes } => {
            with(context, async |letters| discard::run(letters, which, yes, context).await).await
        }
    }
}

/// Does some work with the dead letters; whatever comes of it, all that was not removed lies where it lay afterwards.
async fn with<T>(
    context: &Context,
    work: impl AsyncFnOnce(&mut DeadLetters) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let empty = context.config.broker.operator_url.expose_secret().is_empty();
    ensure!(!empty, "broker.operator_url is empty: it names the broker user who may read dead letters");
    let mut letters = DeadLetters::open(&context.config.broker).await?;
    let done = work(&mut letters).await;
    let closed = letters.close().await;
    let done = done?;
    closed?;
    Ok(done)
}

/// A bar on the terminal for what may take long; none where stderr is no terminal.
fn progress(total: u32) -> indicatif::ProgressBar {
    const LONG: u32 = 100;
    if total < LONG { indicatif::ProgressBar::hidden() } else { indicatif::ProgressBar::new(total.into()) }
}
