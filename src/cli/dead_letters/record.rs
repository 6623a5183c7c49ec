//! What is done at the command line, into the record of actions as what is done in the console. Who does it is the name that
//! the system has for them: whoever may run this command with its credentials is trusted with more than that.

use crate::cli::Context;
use crate::postgres::{Action, Role, Session};
use crate::telemetry::chain;

/// Records an action; a database that is away is told and keeps nobody from it.
pub(super) async fn record(action: &str, target: &str, why: Option<&str>, outcome: &str, context: &Context) {
    const LONGEST: usize = 500;
    let tidy = |text: &str| -> String {
        text.chars().map(|character| if character.is_control() { ' ' } else { character }).take(LONGEST).collect()
    };
    let who = std::env::var("USER").ok().filter(|user| !user.is_empty());
    let action = Action {
        who: tidy(who.as_deref().unwrap_or("somebody")),
        role: "command line".to_owned(),
        action: action.to_owned(),
        target: tidy(target),
        reason: tidy(why.unwrap_or_default()),
        outcome: tidy(outcome),
    };
    let recorded = match Session::new(&context.config.database, Role::Tool) {
        Ok(mut store) => store.record_action(&action).await,
        Err(error) => Err(error),
    };
    if let Err(error) = recorded {
        context.output.note(&format_args!("this is not on record in operator_actions: {}", chain(&error)));
    }
}
