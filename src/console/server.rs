//! The operations server: probes for everybody, the rest for operators.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router, middleware};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::guard::{bound, guard, protect};
use super::listener::{Bounded, Peer};
use super::parts::Console;
use super::{api, live, pages};
use crate::config::ConsoleRole;

/// Longest body of a call: a form with a reason.
const LONGEST_BODY: usize = 16 * 1024;

/// Binds the server's address.
///
/// # Errors
/// If the address is taken or not ours.
pub async fn bind(address: &str) -> std::io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Serves until `stop`.
///
/// # Errors
/// If accepting fails for good.
pub async fn serve(listener: TcpListener, console: Console, stop: CancellationToken) -> std::io::Result<()> {
    let console = Arc::new(console);
    if console.http.console {
        tokio::spawn(live::sample(Arc::clone(&console), stop.clone()));
    }
    let service = router(&console, &stop).into_make_service_with_connect_info::<Peer>();
    axum::serve(Bounded::new(listener), service).with_graceful_shutdown(stop.cancelled_owned()).await
}

fn router(console: &Arc<Console>, stop: &CancellationToken) -> Router {
    let needs = |role| middleware::from_fn_with_state((Arc::clone(console), role), guard);
    let mut metrics = Router::new().route("/metrics", get(metrics));
    if !console.http.metrics_open {
        metrics = metrics.route_layer(needs(ConsoleRole::Viewer));
    }
    let mut calls = metrics;
    if console.http.console {
        let live = Router::new().route("/live", get(live::stream)).route_layer(needs(ConsoleRole::Viewer));
        calls = calls.merge(pages::open()).merge(live);
        for (role, routes) in ConsoleRole::ALL.map(|role| (role, api::routes(role).merge(pages::routes(role)))) {
            calls = calls.merge(routes.route_layer(needs(role)));
        }
        // Live pages end when the worker does.
        calls = calls.layer(axum::Extension(stop.clone()));
    }
    let calls = calls.route_layer(middleware::from_fn_with_state(Arc::clone(console), bound));
    Router::new()
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .merge(calls)
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .layer(middleware::from_fn(protect))
        .with_state(Arc::clone(console))
}

async fn ready(State(console): State<Arc<Console>>) -> impl IntoResponse {
    let (ready, report) = console.health.report();
    (if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(report))
}

async fn metrics(State(console): State<Arc<Console>>) -> impl IntoResponse {
    console.health.show(&console.meters);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], console.meters.render())
}
