//! `migrate`: the database schema up to date.

use std::process::ExitCode;

use serde::Serialize;

use super::Context;
use super::record::Deed;
use crate::config::Database;
use crate::postgres;

/// Arguments of `migrate`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// What was done.
#[derive(Serialize)]
struct Report {
    applied: Vec<Step>,
}

#[derive(Serialize)]
struct Step {
    version: i64,
    description: String,
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub async fn run(_args: Args, context: &Context) -> anyhow::Result<ExitCode> {
    let report = Report { applied: applied(&context.config.database).await? };
    if !report.applied.is_empty() {
        let versions: Vec<_> = report.applied.iter().map(|step| step.version.to_string()).collect();
        let outcome = format!("applied {}", versions.join(", "));
        // Only now: the record may be among what was applied.
        Deed { action: "migrate", target: "schema", why: "" }.ended(&outcome, context).await;
    }
    context.output.result(&report, text)?;
    Ok(ExitCode::SUCCESS)
}

async fn applied(config: &Database) -> Result<Vec<Step>, postgres::MigrationError> {
    let applied = postgres::migrate(&config.url).await?;
    Ok(applied.into_iter().map(|step| Step { version: step.version, description: step.description }).collect())
}

fn text(report: &Report) -> String {
    if report.applied.is_empty() {
        return "The database schema is up to date.".to_owned();
    }
    let steps = report.applied.iter().map(|step| format!("Applied migration {}: {}.", step.version, step.description));
    steps.collect::<Vec<_>>().join("\n")
}
