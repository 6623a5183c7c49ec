//! Logging in and out: a token begins a session of this browser.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Form, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use axum::{Extension, RequestExt as _};
use maud::html;
use serde::Deserialize;
use tokio::time::Instant;
use tracing::warn;

use super::layout::page;
use super::message;
use crate::console::access::{LASTS, NoAccess, Operator};
use crate::console::actions::Deed;
use crate::console::guard::{cookie, is_cross_site, peer, session, too_many};
use crate::console::parts::Console;

/// What the form holds.
#[derive(Deserialize)]
pub(super) struct Shown {
    token: String,
}

/// The form.
pub(super) async fn show(State(console): State<Arc<Console>>) -> Response {
    match console.access.without_token() {
        Ok(_) => Redirect::to("/").into_response(),
        Err(NoAccess::Closed) => {
            message(StatusCode::FORBIDDEN, "No token is configured (http.tokens): nobody can log in.")
        }
        Err(NoAccess::Unknown | NoAccess::TooMany(_)) => form(None).into_response(),
    }
}

/// Begins a session.
pub(super) async fn begin(State(console): State<Arc<Console>>, request: Request) -> Response {
    let (from, headers) = (peer(&request), request.headers().clone());
    if is_cross_site(&headers) {
        return message(StatusCode::FORBIDDEN, "Another site asked for this.");
    }
    let Ok(Form(Shown { token })) = request.extract::<Form<Shown>, _>().await else {
        return message(StatusCode::BAD_REQUEST, "The form holds no token.");
    };
    let now = Instant::now();
    let outcome = |word: &str| console.meters.operator_logins.of(word).increment(1);
    match console.access.by_token(token.trim(), from, now) {
        Ok(operator) => {
            let Some(secret) = console.access.begin(&operator, now) else {
                return message(StatusCode::SERVICE_UNAVAILABLE, "No session can be begun now.");
            };
            outcome("granted");
            console.note(&operator, Deed { action: "login", outcome: "granted", ..Deed::default() }).await;
            ([(header::SET_COOKIE, cookie(&secret, LASTS, &headers))], Redirect::to("/")).into_response()
        }
        Err(NoAccess::TooMany(waits)) => {
            outcome("limited");
            too_many(waits, true)
        }
        Err(NoAccess::Unknown | NoAccess::Closed) => {
            outcome("refused");
            warn!(%from, "a login with an unknown token was refused");
            (StatusCode::UNAUTHORIZED, form(Some("This token is not known."))).into_response()
        }
    }
}

/// Ends the session.
pub(super) async fn end(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
    headers: HeaderMap,
) -> Response {
    if let Some(secret) = session(&headers) {
        console.access.end(secret);
        console.note(&operator, Deed { action: "logout", outcome: "done", ..Deed::default() }).await;
    }
    ([(header::SET_COOKIE, cookie("", Duration::ZERO, &headers))], Redirect::to("/login")).into_response()
}

fn form(problem: Option<&str>) -> Html<String> {
    let body = html! {
        h1 { "Log in" }
        @if let Some(problem) = problem { p class="state bad" role="alert" { (problem) } }
        form method="post" action="/login" class="search" {
            // For programs that keep passwords, and for those who hear the page: whose it is.
            input type="text" name="user" value="operator" autocomplete="username" hidden;
            label { "Token" input type="password" name="token" required autofocus autocomplete="current-password"; }
            button { "Log in" }
        }
        p class="note" { "A token is made by " code { "join-community token console" } ", and listed in " code { "http.tokens" } "." }
    };
    page("Log in", None, &body)
}
