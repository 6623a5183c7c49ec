//! `overview`: the numbers of now.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::console::live::Overview;
use crate::console::parts::Console;

/// What the worker is doing.
#[utoipa::path(get, path = "/api/v1/overview", tag = "viewer", responses((status = 200, body = Overview)))]
pub(super) async fn overview(State(console): State<Arc<Console>>) -> Json<Overview> {
    Json((*console.live.now()).clone())
}
