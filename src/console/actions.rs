//! Who did what, why, and what came of it: into the log and the record. Separate, because no action may go without.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

use super::access::{NOBODY, NoAccess, Operator};
use super::failure::Failure;
use super::foreign::Foreign;
use super::parts::Console;
use crate::postgres::{Action, StoreError};
use crate::telemetry::chain;

/// Longest part of what an operator writes that is kept.
const LONGEST: usize = 500;
/// A record that a database which is out does not take is not waited for.
const NOTED_WITHIN: Duration = Duration::from_secs(2);
/// What stands for the role of whoever has none.
const NO_ROLE: &str = "none";

/// What is done, to what, why, and what came of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Deed<'a> {
    pub(super) action: &'a str,
    pub(super) target: &'a str,
    pub(super) reason: &'a str,
    pub(super) outcome: &'a str,
}

impl Console {
    /// Logs and records an action.
    ///
    /// # Errors
    /// If it is not on record: then nothing must come of it.
    pub(super) async fn record(&self, operator: &Operator, deed: Deed<'_>) -> Result<(), StoreError> {
        self.keep((&*operator.who, operator.role.as_str()), deed).await
    }

    async fn keep(&self, (who, role): (&str, &str), deed: Deed<'_>) -> Result<(), StoreError> {
        let Deed { action, target, reason, outcome } = deed;
        let action = Action {
            who: who.to_owned(),
            role: role.to_owned(),
            action: action.to_owned(),
            target: tidy(target),
            reason: tidy(reason),
            outcome: outcome.to_owned(),
        };
        action.log();
        self.store.session().await.record_action(&action).await
    }

    /// The same for what must be possible while PostgreSQL is away or hangs: the log has it in any case.
    pub(super) async fn note(&self, operator: &Operator, deed: Deed<'_>) {
        noted(self.record(operator, deed)).await;
    }

    /// The same for whoever was not let in by a token or the issuer's word. How many that can be, the limit of tries says.
    pub(super) async fn note_refusal(&self, no: &NoAccess, deed: Deed<'_>) {
        if let Some((who, outcome)) = no.on_record() {
            noted(self.keep((who, NO_ROLE), Deed { outcome: &outcome, ..deed })).await;
        }
    }

    /// The same for what came from elsewhere, as often as from one address somebody may try to get in.
    pub(super) async fn note_foreign(&self, foreign: &Foreign, from: IpAddr, deed: Deed<'_>) {
        if self.access.records_foreign(from, Instant::now()) {
            noted(self.keep((NOBODY, NO_ROLE), Deed { outcome: &foreign.outcome(), ..deed })).await;
        }
    }
}

async fn noted(recording: impl Future<Output = Result<(), StoreError>>) {
    match tokio::time::timeout(NOTED_WITHIN, recording).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            warn!(error = chain(&error), "an operator's action is in the log, and not in operator_actions");
        }
        Err(_) => warn!("an operator's action is in the log, and maybe not in operator_actions"),
    }
}

/// One line, not too long, whatever was written.
pub(super) fn tidy(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).take(LONGEST).collect()
}

/// Why, without which nothing is done.
pub(super) fn said(reason: &str) -> Result<&str, Failure> {
    let reason = reason.trim();
    if reason.is_empty() {
        return Err(Failure::Invalid("say why: a reason is recorded with it".to_owned()));
    }
    Ok(reason)
}
