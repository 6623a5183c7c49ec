//! `actions`: who did what.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::console::failure::Failure;
use crate::console::parts::Console;
use crate::postgres::RecordedAction;
use crate::wire::instant;

/// Actions in one answer.
const PAGE: u32 = 100;

/// Which actions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::console) struct Before {
    /// Only those before this number; without it, the newest.
    pub(in crate::console) before: Option<i64>,
}

/// What an operator did, or was refused.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Action {
    /// Its number; later ones have higher numbers.
    pub id: i64,
    /// When.
    pub at: String,
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

/// The newest actions of operators.
#[utoipa::path(get, path = "/api/v1/actions", tag = "admin", params(Before), responses((status = 200, body = Vec<Action>)))]
pub(super) async fn actions(
    State(console): State<Arc<Console>>,
    Query(Before { before }): Query<Before>,
) -> Result<Json<Vec<Action>>, Failure> {
    console.actions(before).await.map(Json)
}

/// The number before which there may be older ones: a whole page was found.
pub(in crate::console) fn older(found: &[Action]) -> Option<i64> {
    let is_whole = usize::try_from(PAGE).is_ok_and(|page| found.len() >= page);
    found.last().filter(|_| is_whole).map(|oldest| oldest.id)
}

impl Console {
    /// The newest actions, or those before one.
    pub(in crate::console) async fn actions(&self, before: Option<i64>) -> Result<Vec<Action>, Failure> {
        let found = self.store.session().await.actions(before, PAGE).await?;
        Ok(found.into_iter().map(Action::from).collect())
    }
}

impl From<RecordedAction> for Action {
    fn from(recorded: RecordedAction) -> Self {
        let RecordedAction { id, at, action } = recorded;
        let crate::postgres::Action { who, role, action, target, reason, outcome } = action;
        Self { id, at: instant::text(at), who, role, action, target, reason, outcome }
    }
}
