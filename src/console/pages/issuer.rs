//! Logging in at the issuer: the browser goes there, comes back with a code, and has a session as after a login by token.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse as _, Redirect, Response};
use maud::html;
use tokio::time::Instant;
use tracing::warn;

use super::layout::page;
use super::login::{Asked, LOGIN};
use super::{goes_on, message};
use crate::console::access::{NoAccess, Returned, WAITS};
use crate::console::call::Call;
use crate::console::cookies::{login_cookie, login_under_way, session, session_cookie};
use crate::console::guard::{is_visited, no_access, peer};
use crate::console::parts::Console;

/// Sends a browser to the issuer.
pub(super) async fn begin(
    State(console): State<Arc<Console>>,
    Query(asked): Query<Asked>,
    request: Request,
) -> Response {
    if console.access.logs_in_at().is_none() {
        return nobody_asked();
    }
    if !is_visited(request.headers()) {
        return not_visited();
    }
    let now = Instant::now();
    if let Some(secret) = session(&console.http, request.headers()) {
        console.access.forget(secret, now);
    }
    match console.access.begin_login(asked.inside(), peer(request.extensions()), now) {
        Ok(begun) => {
            let cookie = login_cookie(&console.http, request.headers(), &begun.browser, WAITS);
            ([(header::SET_COOKIE, cookie)], Redirect::to(&begun.at)).into_response()
        }
        Err(no) => refused(&console, &no, Call::of(request.method(), request.uri(), request.extensions())),
    }
}

/// Takes in a browser that the issuer sends back.
pub(super) async fn end(
    State(console): State<Arc<Console>>,
    Query(returned): Query<Returned>,
    request: Request,
) -> Response {
    if console.access.logs_in_at().is_none() {
        return nobody_asked();
    }
    let (parts, _) = request.into_parts();
    if !is_visited(&parts.headers) {
        return not_visited();
    }
    let (from, now) = (peer(&parts.extensions), Instant::now());
    let browser = login_under_way(&console.http, &parts.headers).unwrap_or_default();
    let (admitted, to) = match console.access.end_login(&returned, browser, (from, now)).await {
        Ok(ended) => ended,
        Err(no) => {
            if console.access.goes_on_record(&no, browser, (from, now)) {
                console.note_refusal(&no, LOGIN).await;
            } else {
                warn!(%from, why = no.told().2, "a browser came back from no login");
            }
            return refused(&console, &no, Call::of(&parts.method, &parts.uri, &parts.extensions));
        }
    };
    let Some(secret) = console.access.begin(&admitted, now) else {
        return message(StatusCode::SERVICE_UNAVAILABLE, "No session can be begun now.");
    };
    console.meters.operator_logins.of("granted").increment(1);
    console.note(&admitted.operator, LOGIN).await;
    let cookies = AppendHeaders([
        (header::SET_COOKIE, session_cookie(&console.http, &parts.headers, &secret, admitted.known_for())),
        (header::SET_COOKIE, login_cookie(&console.http, &parts.headers, "", Duration::ZERO)),
    ]);
    // A page of ours that goes on by itself, and no redirect: that would still be the issuer's doing to a browser, which
    // keeps the session's cookie from what another site leads to.
    let body = html! {
        h1 { "Logged in" }
        p { "You are " (admitted.operator.who) ", " (admitted.operator.role.as_str()) ". " a href=(to) { "Go on" } }
    };
    (cookies, goes_on(&to), page("Logged in", None, &body)).into_response()
}

/// A page that says why nobody was logged in.
fn refused(console: &Console, no: &NoAccess, call: Call<'_>) -> Response {
    let word = match no {
        NoAccess::TooMany(_) => "limited",
        NoAccess::Closed
        | NoAccess::Unknown
        | NoAccess::UnknownToken
        | NoAccess::Over
        | NoAccess::NotProven(_)
        | NoAccess::NoRole(_)
        | NoAccess::Away => "refused",
    };
    console.meters.operator_logins.of(word).increment(1);
    no_access(no, call, true)
}

fn not_visited() -> Response {
    message(StatusCode::FORBIDDEN, "A login is a page by itself, and no part of another one.")
}

fn nobody_asked() -> Response {
    message(StatusCode::NOT_FOUND, "No issuer is configured at which browsers log in (http.oidc_client_id).")
}
