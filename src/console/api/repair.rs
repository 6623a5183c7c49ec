//! `dead-letters`, what is done with them: dry run, replay in the background, edit, discard, restore.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::console::access::Operator;
use crate::console::failure::{Failure, Problem};
use crate::console::parts::Console;
use crate::console::repair::{self, Plan, Progress};
use crate::console::which::Which;
use crate::replay::{Moved, Order, USUAL_RATE};

/// What letters would come to.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DryRun {
    letters: Which,
    /// Also what is older than `requests.retention`.
    #[serde(default)]
    force: bool,
    /// Show personal data, for this reason (admin); it is recorded.
    unmask: Option<String>,
}

/// What they would come to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DryRunAnswer {
    /// Each of them: verdict, record before and after, event.
    #[schema(value_type = Vec<Object>)]
    letters: Vec<crate::replay::Shown>,
    /// Whether there are more than are shown.
    more: bool,
    /// How many dead letters there are.
    total: u32,
    /// Among how many of them it was looked for what is meant: the oldest.
    read: u32,
}

/// What is to be replayed, and how.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ReplayOrder {
    letters: Which,
    /// Why; it is recorded.
    reason: String,
    /// At most so many letters a second; 100 if it is left out.
    rate: Option<u32>,
    /// Stop after a step of which more than this share failed, in percent; 20 if it is left out.
    max_failures: Option<u32>,
    /// How long the outcomes of a step are waited for; 60 if it is left out.
    wait_seconds: Option<u32>,
    /// Also what is older than `requests.retention`.
    #[serde(default)]
    force: bool,
}

/// That the replay that goes on is to stop.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct StopOrder {
    /// Why; it is recorded.
    reason: String,
}

/// That the replay that stopped is to go on.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ResumeOrder {
    /// Why; it is recorded.
    reason: String,
}

/// A replay, if there was one since the worker started.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReplayState {
    replay: Option<Progress>,
}

/// What is to be discarded.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DiscardOrder {
    letters: Which,
    /// How many they are among the oldest 2,000; another number than there are discards nothing.
    count: u32,
    /// Why; it is recorded.
    reason: String,
}

/// What is to be taken back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RestoreOrder {
    letters: Which,
    /// Why; it is recorded.
    reason: String,
}

/// What was moved.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct MovedAnswer {
    /// How many.
    moved: u32,
    /// How many letters lay there to be looked at.
    total: u32,
    /// Ids of those that stay, each with why.
    kept: Vec<(String, String)>,
    /// Ids that no letter has.
    not_found: Vec<String>,
}

/// Another body for a letter.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct EditOrder {
    /// The new body.
    body: String,
    /// Send it; else what it comes to is only shown.
    #[serde(default)]
    send: bool,
    /// Why; it is recorded. Needed to send it.
    #[serde(default)]
    reason: String,
}

/// What each would come to if it were replayed now, by the real decision in a transaction that is rolled back.
#[utoipa::path(
    post, path = "/api/v1/dead-letters/dry-run", tag = "operator", request_body = DryRun,
    responses((status = 200, body = DryRunAnswer), (status = 400, body = Problem), (status = 409, body = Problem))
)]
pub(super) async fn dry_run(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
    Json(DryRun { letters, force, unmask }): Json<DryRun>,
) -> Result<Json<DryRunAnswer>, Failure> {
    let dry_run = console.dry_run(&operator, &letters, force, unmask.as_deref()).await?;
    let repair::DryRun { shown, more, among } = dry_run;
    Ok(Json(DryRunAnswer { letters: shown, more, total: among.total, read: among.read }))
}

/// How far the replay is, or what the last one came to.
#[utoipa::path(get, path = "/api/v1/dead-letters/replay", tag = "viewer", responses((status = 200, body = ReplayState)))]
pub(super) async fn replay_state(State(console): State<Arc<Console>>) -> Json<ReplayState> {
    Json(ReplayState { replay: console.repair.progress() })
}

/// Begins a replay in steps of 1, 5, 25, …, of all that are meant; it goes on by itself, and one at a time does.
#[utoipa::path(
    post, path = "/api/v1/dead-letters/replay", tag = "operator", request_body = ReplayOrder,
    responses((status = 202, body = ReplayState), (status = 400, body = Problem), (status = 409, body = Problem))
)]
pub(super) async fn replay(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
    Json(order): Json<ReplayOrder>,
) -> Result<Response, Failure> {
    let plan = plan(&order)?;
    let replay = console.begin_replay(&operator, plan, &order.reason).await?;
    Ok((StatusCode::ACCEPTED, Json(ReplayState { replay })).into_response())
}

/// Has the replay stop between two letters.
#[utoipa::path(
    post, path = "/api/v1/dead-letters/replay/stop", tag = "operator", request_body = StopOrder,
    responses((status = 200, body = ReplayState), (status = 400, body = Problem))
)]
pub(super) async fn stop(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
    Json(StopOrder { reason }): Json<StopOrder>,
) -> Result<Json<ReplayState>, Failure> {
    Ok(Json(ReplayState { replay: console.stop_replay(&operator, &reason).await? }))
}

/// Goes on with the last replay where it stopped, by the order that it had. What it sent is not sent again.
#[utoipa::path(
    post, path = "/api/v1/dead-letters/replay/resume", tag = "operator", request_body = ResumeOrder,
    responses((status = 202, body = ReplayState), (status = 400, body = Problem), (status = 409, body = Problem))
)]
pub(super) async fn resume(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
    Json(ResumeOrder { reason }): Json<ResumeOrder>,
) -> Result<Response, Failure> {
    let replay = console.resume_replay(&operator, &reason).await?;
    Ok((StatusCode::ACCEPTED, Json(ReplayState { replay })).into_response())
}

/// Moves dead letters to the discarded ones, from where they can be restored for seven days.
#[utoipa::path(
    post, path = "/api/v1/dead-letters/discard", tag = "operator", request_body = DiscardOrder,
    responses((status = 200, body = MovedAnswer), (status = 400, body = Problem), (status = 409, body = Problem))
)]
pub(super) async fn discard(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
    Json(DiscardOrder { letters, count, reason }): Json<DiscardOrder>,
) -> Result<Json<MovedAnswer>, Failure> {
    Ok(Json(console.discard(&operator, &letters, count, &reason).await?.into()))
}

/// Takes back what was discarded.
#[utoipa::path(
    post, path = "/api/v1/dead-letters/restore", tag = "operator", request_body = RestoreOrder,
    responses((status = 200, body = MovedAnswer), (status = 400, body = Problem), (status = 409, body = Problem))
)]
pub(super) async fn restore(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
    Json(RestoreOrder { letters, reason }): Json<RestoreOrder>,
) -> Result<Json<MovedAnswer>, Failure> {
    Ok(Json(console.restore(&operator, &letters, &reason).await?.into()))
}

/// Replays a letter with another body, as far as its own proof covers that; or shows what that would come to.
#[utoipa::path(
    post, path = "/api/v1/dead-letters/{id}/edit", tag = "operator", request_body = EditOrder,
    params(("id" = String, Path, description = "Its id, as the list names it.")),
    responses((status = 200, body = Object), (status = 400, body = Problem), (status = 404, body = Problem))
)]
pub(super) async fn edit(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
    Path(id): Path<String>,
    Json(EditOrder { body, send, reason }): Json<EditOrder>,
) -> Result<Json<Value>, Failure> {
    let (foreseen, link) = console.edit(&operator, &id, body, send.then_some(&*reason)).await?;
    Ok(Json(serde_json::json!({ "sent": send, "foreseen": foreseen, "link": link })))
}

impl From<Moved> for MovedAnswer {
    fn from(Moved { moved, kept, missing, total }: Moved) -> Self {
        Self { moved, total, kept, not_found: missing }
    }
}

fn plan(order: &ReplayOrder) -> Result<Plan, Failure> {
    careful(&order.letters, order.rate, order.max_failures, order.wait_seconds, order.force)
}

/// The order as it is carried out; what was left out is careful.
pub(in crate::console) fn careful(
    letters: &Which,
    rate: Option<u32>,
    max_failures: Option<u32>,
    wait_seconds: Option<u32>,
    force: bool,
) -> Result<Plan, Failure> {
    /// Longest that the outcomes of one step are waited for.
    const LONGEST: u32 = 900;
    let (max_failures, wait) = (max_failures.unwrap_or(20), wait_seconds.unwrap_or(60));
    if rate == Some(0) || max_failures > 100 || !(1..=LONGEST).contains(&wait) {
        let text = format!("rate is above 0, maxFailures 0 to 100, waitSeconds 1 to {LONGEST}");
        return Err(Failure::Invalid(text));
    }
    let order = Order {
        selection: letters.selection()?,
        rate: rate.unwrap_or(USUAL_RATE),
        max_failures,
        patience: Duration::from_secs(wait.into()),
        at_once: false,
    };
    Ok(Plan { order, force, words: letters.words() })
}
