//! `controls`: what operators set by hand, and what this worker is told: to stop, to try a service at once.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};

use crate::console::access::Operator;
use crate::console::controls::{ControlOrder, DrainOrder, ReleaseOrder, SetControl, TryOrder};
use crate::console::failure::{Failure, Problem};
use crate::console::parts::Console;

/// What is set, for all workers of the installation.
#[utoipa::path(get, path = "/api/v1/controls", tag = "viewer", responses((status = 200, body = Vec<SetControl>)))]
pub(super) async fn controls(State(console): State<Arc<Console>>) -> Result<Json<Vec<SetControl>>, Failure> {
    console.controls().await.map(Json)
}

/// Sets one, or sets it anew; workers act on it within a second or two.
#[utoipa::path(
    post, path = "/api/v1/controls", tag = "operator", request_body = ControlOrder,
    responses((status = 200, body = Vec<SetControl>), (status = 400, body = Problem))
)]
pub(super) async fn set(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
    Json(order): Json<ControlOrder>,
) -> Result<Json<Vec<SetControl>>, Failure> {
    console.set_control(&operator, &order).await?;
    console.controls().await.map(Json)
}

/// Releases one.
#[utoipa::path(
    post, path = "/api/v1/controls/release", tag = "operator", request_body = ReleaseOrder,
    responses((status = 200, body = Vec<SetControl>), (status = 400, body = Problem), (status = 404, body = Problem))
)]
pub(super) async fn release(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
    Json(order): Json<ReleaseOrder>,
) -> Result<Json<Vec<SetControl>>, Failure> {
    console.release_control(&operator, &order).await?;
    console.controls().await.map(Json)
}

/// Has this worker stop as SIGTERM does: it finishes what it has in hand, and ends.
#[utoipa::path(
    post, path = "/api/v1/drain", tag = "operator", request_body = DrainOrder,
    responses((status = 202), (status = 400, body = Problem))
)]
pub(super) async fn drain(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
    Json(order): Json<DrainOrder>,
) -> Result<StatusCode, Failure> {
    console.drain(&operator, &order).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Has this worker try a service at once, instead of waiting for the end of a pause that has grown.
#[utoipa::path(
    post, path = "/api/v1/try-now", tag = "operator", request_body = TryOrder,
    responses((status = 202), (status = 400, body = Problem))
)]
pub(super) async fn try_now(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
    Json(order): Json<TryOrder>,
) -> Result<StatusCode, Failure> {
    console.try_now(&operator, &order).await?;
    Ok(StatusCode::ACCEPTED)
}
