//! Logging in: a token begins a session of this browser.

use std::sync::Arc;

use axum::RequestExt as _;
use axum::extract::{Form, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse as _, Redirect, Response};
use maud::html;
use serde::Deserialize;
use tokio::time::Instant;
use tracing::warn;

use super::layout::{encoded, page};
use super::message;
use crate::console::access::NoAccess;
use crate::console::actions::Deed;
use crate::console::call::Call;
use crate::console::cookies::session_cookie;
use crate::console::foreign::Foreign;
use crate::console::guard::{no_access, peer};
use crate::console::parts::Console;

/// What a login is called on record.
pub(super) const LOGIN: Deed<'static> = Deed { action: "login", target: "", reason: "", outcome: "granted" };
/// Longest address of a page to come back to.
const LONGEST: usize = 1024;

/// The page that was asked for.
#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    to: String,
}

/// What the form holds.
#[derive(Deserialize)]
pub(super) struct Shown {
    token: String,
    #[serde(default)]
    to: String,
}

impl Asked {
    /// A page of ours, or the overview: what leads elsewhere is not followed, however a browser might read it.
    pub(super) fn inside(&self) -> &str {
        inside(&self.to)
    }
}

fn inside(to: &str) -> &str {
    let is_plain = to.len() <= LONGEST && to.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_plain && to.starts_with('/') && !to.starts_with("//") { to } else { "/" }
}

/// Where somebody logs in who asked for a page.
pub(in crate::console) fn address(place: &str, to: &str) -> String {
    if to == "/" { place.to_owned() } else { format!("{place}?to={}", encoded(to)) }
}

/// The form.
pub(super) async fn show(State(console): State<Arc<Console>>, Query(asked): Query<Asked>) -> Response {
    match console.access.without_token() {
        Ok(_) => Redirect::to(asked.inside()).into_response(),
        Err(NoAccess::Closed) => {
            message(StatusCode::FORBIDDEN, "No token is configured (http.tokens): nobody can log in.")
        }
        Err(
            NoAccess::Unknown
            | NoAccess::UnknownToken
            | NoAccess::Over
            | NoAccess::TooMany(_)
            | NoAccess::NotProven(_)
            | NoAccess::NoRole(_)
            | NoAccess::Away,
        ) => form(&console, asked.inside(), None).into_response(),
    }
}

/// Begins a session.
pub(super) async fn begin(State(console): State<Arc<Console>>, request: Request) -> Response {
    let (from, headers) = (peer(request.extensions()), request.headers().clone());
    if let Some(foreign) = Foreign::site(&headers) {
        warn!(%from, "another site asked for a login");
        console.note_foreign(&foreign, from, LOGIN).await;
        return message(StatusCode::FORBIDDEN, "Another site asked for this.");
    }
    let Ok(Form(Shown { token, to })) = request.extract::<Form<Shown>, _>().await else {
        return message(StatusCode::BAD_REQUEST, "The form holds no token.");
    };
    let now = Instant::now();
    let outcome = |word: &str| console.meters.operator_logins.of(word).increment(1);
    let to = inside(&to);
    match console.access.by_token(token.trim(), from, now).await {
        Ok(admitted) => {
            let Some(secret) = console.access.begin(&admitted, now) else {
                return message(StatusCode::SERVICE_UNAVAILABLE, "No session can be begun now.");
            };
            outcome("granted");
            console.note(&admitted.operator, LOGIN).await;
            let cookie = session_cookie(&console.http, &headers, &secret, admitted.known_for());
            ([(header::SET_COOKIE, cookie)], Redirect::to(to)).into_response()
        }
        Err(no @ (NoAccess::TooMany(_) | NoAccess::Away)) => {
            outcome(if no == NoAccess::Away { "refused" } else { "limited" });
            no_access(&no, Call { method: "POST", path: "/login", from }, true)
        }
        Err(no @ (NoAccess::Unknown | NoAccess::UnknownToken | NoAccess::Over | NoAccess::Closed)) => {
            outcome("refused");
            warn!(%from, "a login with an unknown token was refused");
            console.note_refusal(&no, LOGIN).await;
            (no.told().0, form(&console, to, Some("This token is not known."))).into_response()
        }
        Err(no @ (NoAccess::NotProven(_) | NoAccess::NoRole(_))) => {
            outcome("refused");
            console.note_refusal(&no, LOGIN).await;
            let (status, _, why) = no.told();
            (status, form(&console, to, Some(&why))).into_response()
        }
    }
}

fn form(console: &Console, to: &str, problem: Option<&str>) -> Html<String> {
    let body = html! {
        h1 { "Log in" }
        @if let Some(problem) = problem { p class="state bad" role="alert" { (problem) } }
        @if let Some(issuer) = console.access.logs_in_at() {
            p { a href=(address("/login/oidc", to)) { "Log in at " (issuer) } ", or with a token:" }
        }
        form method="post" action="/login" class="search" {
            input type="hidden" name="to" value=(to);
            // For programs that keep passwords, and for those who hear the page: whose it is.
            input type="text" name="user" value="operator" autocomplete="username" hidden;
            label { "Token" input type="password" name="token" required autofocus autocomplete="current-password"; }
            button { "Log in" }
        }
        p class="note" { "A token is made by " code { "join-community token console" } ", and listed in " code { "http.tokens" } "." }
    };
    page("Log in", None, &body)
}

#[cfg(test)]
mod tests {
    use super::{address, inside};

    #[test]
    fn nobody_is_led_elsewhere() {
        for page in ["/", "/requests?site=a&b=c", "/requests/a%2Fb"] {
            assert_eq!(inside(page), page);
        }
        let long = format!("/{}", "a".repeat(1024));
        for other in
            ["", "https://evil", "//evil", "/\\evil", "\\/evil", "/\t/evil", "/ /evil", "requests", "/é", &long]
        {
            assert_eq!(inside(other), "/", "{other}");
        }
    }

    #[test]
    fn the_page_that_was_asked_for_is_one_parameter() {
        assert_eq!(address("/login", "/"), "/login");
        assert_eq!(address("/login", "/requests?site=a&b=c"), "/login?to=%2Frequests%3Fsite%3Da%26b%3Dc");
    }
}
