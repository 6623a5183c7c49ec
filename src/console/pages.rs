//! The pages: HTML made here, one stylesheet, one script for what is live. They work without the script, and ask nobody else.

mod actions;
mod chart;
mod controls;
mod discarded;
mod fields;
mod issuer;
mod layout;
mod letters;
mod login;
mod logout;
mod overview;
mod records;
mod repair;
mod unanswered;

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use maud::html;

use self::layout::page;
pub(super) use self::login::address as login_address;
pub(super) use self::overview::now as overview_now;
use super::failure::Failure;
use super::parts::Console;
use crate::config::ConsoleRole;

/// A page or, if it cannot be made, a page that says why.
type Page = Result<Response, Sorry>;

/// Why a page cannot be made.
struct Sorry(Failure);

impl IntoResponse for Sorry {
    fn into_response(self) -> Response {
        message(self.0.status(), self.0.message())
    }
}

impl From<Failure> for Sorry {
    fn from(failure: Failure) -> Self {
        Self(failure)
    }
}

/// What begins a session, and what ends it.
pub(super) fn open() -> Router<Arc<Console>> {
    let asset =
        |kind: &'static str, text: &'static str| get(move || async move { ([(header::CONTENT_TYPE, kind)], text) });
    Router::new()
        .route("/login", get(login::show).post(login::begin))
        .route("/login/oidc", get(issuer::begin))
        .route("/login/oidc/callback", get(issuer::end))
        .route("/logout", post(logout::end))
        .route("/assets/console.css", asset("text/css; charset=utf-8", include_str!("assets/console.css")))
        .route("/assets/console.js", asset("text/javascript; charset=utf-8", include_str!("assets/console.js")))
        .route("/assets/icon.svg", asset("image/svg+xml", include_str!("assets/icon.svg")))
}

/// The pages that need this role and no more.
pub(super) fn routes(role: ConsoleRole) -> Router<Arc<Console>> {
    match role {
        ConsoleRole::Viewer => Router::new()
            .route("/", get(overview::show))
            .route("/requests", get(records::search))
            .route("/requests/{id}", get(records::explain))
            .route("/members/{site}/{member}", get(records::timeline))
            .route("/controls", get(controls::show))
            .route("/dead-letters", get(letters::list))
            .route("/dead-letters/discarded", get(discarded::list))
            .route("/dead-letters/discarded/{id}", get(discarded::show))
            .route("/dead-letters/replay", get(repair::progress))
            .route("/dead-letters/replay/live", get(repair::live))
            .route("/dead-letters/{id}", get(letters::show)),
        ConsoleRole::Operator => Router::new()
            .route("/controls", post(controls::set))
            .route("/controls/release", post(controls::release))
            .route("/drain", post(controls::drain))
            .route("/try-now", post(controls::try_now))
            .route("/dead-letters/reading", post(letters::read))
            .route("/dead-letters/discarded/reading", post(discarded::read))
            .route("/dead-letters/dry-run", post(repair::dry_run))
            .route("/dead-letters/replay", post(repair::replay))
            .route("/dead-letters/replay/stop", post(repair::stop))
            .route("/dead-letters/replay/resume", post(repair::resume))
            .route("/dead-letters/discard", post(repair::discard))
            .route("/dead-letters/restore", post(repair::restore))
            .route("/dead-letters/{id}/edit", post(repair::edit)),
        ConsoleRole::Admin => Router::new()
            .route("/dead-letters/{id}/unmask", post(letters::unmask))
            .route("/actions", get(actions::list)),
    }
}

/// Has a page go on by itself. No redirect: that would still be the doing of whatever led to it.
fn goes_on(to: &str) -> [(HeaderName, String); 1] {
    [(HeaderName::from_static("refresh"), format!("0; url={to}"))]
}

/// A page that says one thing.
pub(super) fn message(status: StatusCode, text: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("Not possible");
    let body = html! {
        h1 { (title) }
        p { (text) }
        p { a href="/" { "To the overview" } }
    };
    (status, page(title, None, &body)).into_response()
}
