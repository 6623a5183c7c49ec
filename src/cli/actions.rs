//! `actions`: what operators did through the console and by commands, from the record that nobody can change.

use std::process::ExitCode;

use super::Context;
use super::print::visible;
use crate::console::Action;
use crate::postgres::{Role, Session};

/// Arguments of `actions`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only those before this number; without it, the newest.
    #[arg(long, value_name = "NUMBER")]
    pub before: Option<i64>,
    /// Most actions that are shown.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub limit: u32,
}

/// Runs the command.
///
/// # Errors
/// What kept it from being done.
pub async fn run(args: Args, context: &Context) -> anyhow::Result<ExitCode> {
    let mut store = Session::new(&context.config.database, Role::Tool)?;
    let found = store.actions(args.before, args.limit).await?;
    let actions: Vec<Action> = found.into_iter().map(Action::from).collect();
    context.output.result(&actions, |actions| match actions.as_slice() {
        [] => "Nothing is on record.".to_owned(),
        actions => actions.iter().map(line).collect::<Vec<_>>().join("\n"),
    })?;
    Ok(ExitCode::SUCCESS)
}

fn line(action: &Action) -> String {
    let Action { id, at, who, role, action, target, reason, outcome } = action;
    let words = [who, role, action, target, reason, outcome].map(|text| visible(text));
    let [who, role, action, target, reason, outcome] = words;
    format!("{id}  {at}  {who} ({role})  {action} {target}  {outcome}  {reason}").trim_end().to_owned()
}
