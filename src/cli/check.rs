//! `check`: pre-flight of every service and of the configuration against them. Changes nothing anywhere.

mod broker;
mod cache;
mod collector;
mod database;
mod finding;
mod issuer;
mod keys;
mod settings;
#[cfg(test)]
mod told;
mod webhooks;

use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use self::finding::{Finding, Findings, Level};
use super::Context;

/// Each service has limits of its own, all of them shorter.
const LIMIT: Duration = Duration::from_secs(30);

const AFTER_HELP: &str = "\
Exit code 1 if there is any error; warnings are for people.

Examples:
  join-community --config config/production.toml check
  join-community check --output json | jq '.[] | select(.level != \"ok\")'";

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {}

/// Runs the command.
///
/// # Errors
/// Only if the findings cannot be written: what is wrong is a finding.
pub async fn run(_args: Args, context: &Context) -> anyhow::Result<ExitCode> {
    let config = &context.config;
    let (keys, issuer, broker, database, cache, collector, webhooks) = tokio::join!(
        within("keys", keys::look(config)),
        within("issuer", issuer::look(config)),
        within("broker", broker::look(config)),
        within("database", database::look(config)),
        within("cache", cache::look(config)),
        within("collector", collector::look(config)),
        within("webhooks", webhooks::look(config)),
    );
    let parts = [settings::look(config), keys, issuer, broker, database, cache, collector, webhooks];
    let found = parts.concat();

    context.output.result(&found, |found| found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    let count = |level| found.iter().filter(|finding| finding.level == level).count();
    let (errors, warnings) = (count(Level::Error), count(Level::Warning));
    context.output.note(&format_args!("errors: {errors}, warnings: {warnings}"));
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn within(area: &'static str, look: impl Future<Output = Vec<Finding>>) -> Vec<Finding> {
    tokio::time::timeout(LIMIT, look).await.unwrap_or_else(|_| {
        let mut found = Findings::of(area);
        found.error("does not answer", format_args!("within {LIMIT:?}"), "see its own log");
        found.into_vec()
    })
}
