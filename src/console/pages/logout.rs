//! Logging out: here and, for whoever logged in at the issuer, there as well.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::html;
use tokio::time::Instant;
use tracing::warn;

use super::layout::page;
use super::{goes_on, message};
use crate::console::actions::Deed;
use crate::console::cookies::{session, session_cookie};
use crate::console::foreign::Foreign;
use crate::console::guard::peer;
use crate::console::parts::Console;

/// What a logout is called on record.
const LOGOUT: Deed<'static> = Deed { action: "logout", target: "", reason: "", outcome: "done" };

/// Ends the session. No guard stands before it: one that lets nobody in any more can be ended, too.
pub(super) async fn end(State(console): State<Arc<Console>>, request: Request) -> Response {
    let (parts, _) = request.into_parts();
    let (from, headers) = (peer(&parts.extensions), &parts.headers);
    if let Some(foreign) = Foreign::site(headers) {
        warn!(%from, "another site asked for a logout");
        console.note_foreign(&foreign, from, LOGOUT).await;
        return message(StatusCode::FORBIDDEN, "Another site asked for this.");
    }
    let ended = session(&console.http, headers).and_then(|secret| console.access.end(secret, Instant::now()));
    if let Some((operator, _)) = &ended {
        console.note(operator, LOGOUT).await;
    }
    let cookie = [(header::SET_COOKIE, session_cookie(&console.http, headers, "", Duration::ZERO))];
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
