//! What operators did: appended, and read from the newest. Apart from everything that serves requests.

use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{Postgres, Row as _};
use time::OffsetDateTime;
use tracing::info;

use super::{Session, StoreError};

pub(super) const RECORD_ACTION: &str = "
    INSERT INTO operator_actions (who, role, action, target, reason, outcome) VALUES ($1, $2, $3, $4, $5, $6)";

pub(super) const ACTIONS: &str = "
    SELECT id, at, who, role, action, target, reason, outcome FROM operator_actions
    WHERE id < $1 ORDER BY id DESC LIMIT $2";

/// What an operator did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// Who.
    pub who: String,
    /// In which role.
    pub role: String,
    /// What.
    pub action: String,
    /// To what.
    pub target: String,
    /// Why, in the operator's words.
    pub reason: String,
    /// What came of it.
    pub outcome: String,
}

impl Action {
    /// Tells the log the same.
    pub fn log(&self) {
        let Self { who, role, action, target, reason, outcome } = self;
        // Not `target`: in JSON every line has one, where in the program it was written.
        info!(who, role, action, acted_on = target, reason, outcome, "an operator acted");
    }
}

/// An action on record.
#[derive(Clone, Debug)]
pub struct RecordedAction {
    /// Its number; later ones have higher numbers.
    pub id: i64,
    /// When.
    pub at: OffsetDateTime,
    /// What was done.
    pub action: Action,
}

impl Session {
    /// Records an action.
    ///
    /// # Errors
    /// Sorted by reaction. It may be on record all the same after [`StoreError::Silent`].
    pub async fn record_action(&mut self, action: &Action) -> Result<(), StoreError> {
        self.run(async |connection| noted(RECORD_ACTION, action).execute(connection).await).await?;
        Ok(())
    }

    /// The newest actions, or those before one.
    ///
    /// # Errors
    /// Sorted by reaction.
    pub async fn actions(&mut self, before: Option<i64>, limit: u32) -> Result<Vec<RecordedAction>, StoreError> {
        self.run(async |connection| {
            let query = sqlx::query(ACTIONS).bind(before.unwrap_or(i64::MAX)).bind(i64::from(limit));
            let read = |row: &sqlx::postgres::PgRow| -> Result<RecordedAction, sqlx::Error> {
                Ok(RecordedAction {
                    id: row.try_get(0)?,
                    at: row.try_get(1)?,
                    action: Action {
                        who: row.try_get(2)?,
                        role: row.try_get(3)?,
                        action: row.try_get(4)?,
                        target: row.try_get(5)?,
                        reason: row.try_get(6)?,
                        outcome: row.try_get(7)?,
                    },
                })
            };
            query.fetch_all(connection).await?.iter().map(read).collect()
        })
        .await
    }
}

/// A statement that records an action: its first six parameters.
pub(super) fn noted<'a>(statement: &'static str, action: &'a Action) -> Query<'a, Postgres, PgArguments> {
    sqlx::query(statement)
        .bind(&action.who)
        .bind(&action.role)
        .bind(&action.action)
        .bind(&action.target)
        .bind(&action.reason)
        .bind(&action.outcome)
}
