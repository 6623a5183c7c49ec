//! What operators have set by hand: read by every worker, changed together with the record of who did it.

use sqlx::Row as _;
use sqlx::postgres::PgRow;

use super::actions::noted;
use super::{Action, Session, StoreError};
use crate::domain::{Bounds, Control, Setting};

pub(super) const CONTROLS: &str = "
    SELECT name, lanes, batch, who, reason, since, expires_at FROM controls
    WHERE expires_at IS NULL OR expires_at > clock_timestamp() ORDER BY name LIMIT 1000";

pub(super) const SET_CONTROL: &str = "
    WITH noted AS (
        INSERT INTO operator_actions (who, role, action, target, reason, outcome) VALUES ($1, $2, $3, $4, $5, $6)
    )
    INSERT INTO controls (name, who, reason, lanes, batch, expires_at)
    VALUES ($4, $1, $5, $7, $8, clock_timestamp() + $9 * interval '1 second')
    ON CONFLICT (name) DO UPDATE SET
        who = excluded.who, reason = excluded.reason, lanes = excluded.lanes, batch = excluded.batch,
        since = excluded.since, expires_at = excluded.expires_at";

pub(super) const RELEASE_CONTROL: &str = "
    WITH gone AS (DELETE FROM controls WHERE name = $4 RETURNING 1),
    noted AS (
        INSERT INTO operator_actions (who, role, action, target, reason, outcome)
        SELECT $1, $2, $3, $4, $5, CASE WHEN EXISTS (SELECT FROM gone) THEN $6 ELSE 'it was not set' END
    )
    SELECT EXISTS (SELECT FROM gone)";

/// What came of releasing what was not set, as the statement has it.
const NOT_SET: &str = "it was not set";

/// How long something is to be set, and to what.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms {
    /// Of [`Control::Bounds`] alone.
    pub bounds: Option<Bounds>,
    /// Until it is released, if there is none.
    pub seconds: Option<f64>,
}

impl Session {
    /// What is set now.
    ///
    /// # Errors
    /// Sorted by reaction.
    pub async fn controls(&mut self) -> Result<Vec<Setting>, StoreError> {
        self.run(async |connection| {
            let rows = sqlx::query(CONTROLS).fetch_all(connection).await?;
            rows.iter().filter_map(|row| setting(row).transpose()).collect()
        })
        .await
    }

    /// Sets a control, records who did, and tells the log; `action.target` is its name.
    ///
    /// # Errors
    /// Sorted by reaction. It may be set all the same after [`StoreError::Silent`].
    pub async fn set_control(&mut self, action: &Action, terms: Terms) -> Result<(), StoreError> {
        let Terms { bounds, seconds } = terms;
        self.run(async |connection| {
            noted(SET_CONTROL, action)
                .bind(bounds.map(|bounds| i32::from(bounds.lanes)))
                .bind(bounds.map(|bounds| i32::from(bounds.batch)))
                .bind(seconds)
                .execute(connection)
                .await
        })
        .await?;
        action.log();
        Ok(())
    }

    /// Releases a control, records who did, and tells the log; answers whether it was set.
    ///
    /// # Errors
    /// Sorted by reaction. It may be released all the same after [`StoreError::Silent`].
    pub async fn release_control(&mut self, action: &Action) -> Result<bool, StoreError> {
        let was_set: bool =
            self.run(async |connection| noted(RELEASE_CONTROL, action).fetch_one(connection).await?.try_get(0)).await?;
        let outcome = if was_set { action.outcome.clone() } else { NOT_SET.to_owned() };
        Action { outcome, ..action.clone() }.log();
        Ok(was_set)
    }
}

/// `None` for what only a newer version knows: its workers act on it.
fn setting(row: &PgRow) -> Result<Option<Setting>, sqlx::Error> {
    let Some(control) = Control::parse(row.try_get(0)?) else { return Ok(None) };
    let count = |place| -> Result<Option<u16>, sqlx::Error> {
        Ok(row.try_get::<Option<i32>, _>(place)?.map(|count| u16::try_from(count).unwrap_or(u16::MAX)))
    };
    Ok(Some(Setting {
        control,
        bounds: count(1)?.zip(count(2)?).map(|(lanes, batch)| Bounds { lanes, batch }),
        who: row.try_get(3)?,
        reason: row.try_get(4)?,
        since: row.try_get(5)?,
        expires_at: row.try_get(6)?,
    }))
}
