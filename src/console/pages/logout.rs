//! Logging out: here and, for whoever logged in at the issuer, there as well.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::html;
use tokio::time::Instant;

use super::layout::page;
use super::{goes_on, message};
use crate::console::actions::Deed;
use crate::console::cookies::{session, session_cookie};
use crate::console::guard::is_cross_site;
use crate::console::parts::Console;

/// Ends the session. No guard stands before it: one that lets nobody in any more can be ended, too.
pub(super) async fn end(State(console): State<Arc<Console>>, headers: HeaderMap) -> Response {
    if is_cross_site(&headers) {
        return message(StatusCode::FORBIDDEN, "Another site asked for this.");
    }
    let ended = session(&console.http, &headers).and_then(|secret| console.access.end(secret, Instant::now()));
    if let Some((operator, _)) = &ended {
        console.note(operator, Deed { action: "logout", outcome: "done", ..Deed::default() }).await;
    }
    let cookie = [(header::SET_COOKIE, session_cookie(&console.http, &headers, "", Duration::ZERO))];
    let Some(at) = ended.and_then(|(_, at)| at) else {
        return (cookie, Redirect::to("/login")).into_response();
    };
    // A page that goes on by itself, and no redirect: browsers hold those that follow a form against `form-action` as well,
    // wherever the issuer leads from there, and pages of ours allow no site but this one.
    let body = html! {
        h1 { "Logged out" }
        p { "Your session here is over. " a href=(at) { "Log out at the issuer as well" } }
    };
    (cookie, goes_on(&at), page("Logged out", None, &body)).into_response()
}
