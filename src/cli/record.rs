//! What is done at the command line, into the record of actions and the log as what is done in the console. Who does it is the
//! user that the command runs as: whoever may run one with its credentials is trusted with more than that.

use anyhow::Context as _;

use super::who::who;
use super::{Context, values};
use crate::postgres::{Action, Role, Session, StoreError};
use crate::telemetry::chain;

/// Why something is done. Nothing that somebody is answerable for is done without.
#[derive(Debug, clap::Args)]
pub struct Why {
    /// Why; it is recorded.
    #[arg(long, value_name = "TEXT", value_parser = values::why)]
    pub why: String,
}

/// Whether personal data is shown. Tokens never are.
#[derive(Debug, clap::Args)]
pub struct Unmask {
    /// Show the personal data in it; who did, and why, is recorded before.
    #[arg(long, requires = "why")]
    pub unmask: bool,
    /// Why it has to be seen.
    #[arg(long, value_name = "TEXT", value_parser = values::why)]
    pub why: Option<String>,
}

impl Unmask {
    /// Records what is shown unmasked; nothing, if it is masked.
    ///
    /// # Errors
    /// If it is not on record, or it is not said why: then nothing must be shown.
    pub(super) async fn recorded(
        &self,
        action: &'static str,
        target: &str,
        outcome: &str,
        context: &Context,
    ) -> anyhow::Result<()> {
        if self.unmask {
            let why = said(self.why.as_deref())?;
            Deed { action, target, why }.begins(outcome, context).await?;
        }
        Ok(())
    }
}

/// What is done, to what, and why.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deed<'a> {
    pub(super) action: &'static str,
    pub(super) target: &'a str,
    pub(super) why: &'a str,
}

impl Deed<'_> {
    /// Records it before it is done.
    ///
    /// # Errors
    /// If it is not on record: then nothing must come of it.
    pub(super) async fn begins(self, outcome: &str, context: &Context) -> anyhow::Result<()> {
        // Boxed: a session takes room, and this is part of many commands.
        let recorded = Box::pin(keep(self.action(outcome), context)).await;
        recorded.context("nothing was done, because it cannot be recorded in operator_actions")
    }

    /// The same of what must be possible without PostgreSQL: a database that is away is told and hinders nothing.
    pub(super) async fn begins_anyway(self, outcome: &str, context: &Context) {
        self.ended(outcome, context).await;
    }

    /// Records what came of it; a database that is away is told and undoes nothing.
    pub(super) async fn ended(self, outcome: &str, context: &Context) {
        if let Err(error) = Box::pin(keep(self.action(outcome), context)).await {
            context.output.note(&format_args!("this is not on record in operator_actions: {}", chain(&error)));
        }
    }

    /// The same of work that may have failed on the way; `came` is what it came to until then.
    pub(super) async fn came_to<T>(self, came: &str, done: &anyhow::Result<T>, context: &Context) {
        match done {
            Ok(_) => self.ended(came, context).await,
            Err(error) => self.ended(&format!("{came}; failed: {error:#}"), context).await,
        }
    }

    /// It as it goes on record, done by whoever works at this command line.
    pub(super) fn action(self, outcome: &str) -> Action {
        Action {
            who: tidy(&who()),
            role: "command line".to_owned(),
            action: self.action.to_owned(),
            target: tidy(self.target),
            reason: tidy(self.why),
            outcome: tidy(outcome),
        }
    }
}

/// Why, where not all that a command does needs it.
///
/// # Errors
/// If nothing is said.
pub(super) fn said(why: Option<&str>) -> anyhow::Result<&str> {
    why.context("--why is missing: say why, it is recorded")
}

async fn keep(action: Action, context: &Context) -> Result<(), StoreError> {
    // The log first: it has also what the table does not take.
    action.log();
    Session::new(&context.config.database, Role::Tool)?.record_action(&action).await
}

/// One line, not too long, whatever was written.
fn tidy(text: &str) -> String {
    const LONGEST: usize = 500;
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).take(LONGEST).collect()
}
