//! Stands before every route but the probes and what begins or ends a session: who asks, whether a browser was led here by
//! another site, whether the role is enough. One place, so that no handler can forget it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::uri::PathAndQuery;
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use tokio::time::Instant;
use tracing::warn;

use super::access::{NoAccess, Operator};
use super::actions::Deed;
use super::call::Call;
use super::cookies::session;
use super::failure::problem;
use super::foreign::Foreign;
use super::listener::Peer;
use super::pages;
use super::parts::Console;
use crate::config::ConsoleRole;

/// Calls that are worked on at a time; the rest is told to come again.
pub(super) const AT_ONCE: usize = 16;
/// Above what the limits of a statement and of a call to the broker come to.
const LIMIT: Duration = Duration::from_secs(15);

/// Why a request goes no further.
enum Refusal {
    Access(NoAccess),
    Foreign(Foreign),
    Role(Operator),
}

/// Lets through whoever has at least this role.
pub(super) async fn guard(
    State((console, role)): State<(Arc<Console>, ConsoleRole)>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let refusal = match admit(&console, role, &parts).await {
        Ok(operator) => {
            parts.extensions.insert(operator);
            return next.run(Request::from_parts(parts, body)).await;
        }
        Err(refusal) => refusal,
    };
    let (path, method) = (parts.uri.path(), &parts.method);
    let deed = Deed { action: method.as_str(), target: path, ..Deed::default() };
    match &refusal {
        Refusal::Role(operator) => {
            let outcome = format!("refused: needs role {}", role.as_str());
            console.note(operator, Deed { outcome: &outcome, ..deed }).await;
        }
        Refusal::Access(no) => console.note_refusal(no, deed).await,
        Refusal::Foreign(foreign) => console.note_foreign(foreign, peer(&parts.extensions), deed).await,
    }
    // What is live is asked for by a script, which could make nothing of a page.
    let is_page = !path.starts_with("/api/") && path != "/metrics" && !path.ends_with("/live");
    answer(&refusal, role, &parts, is_page)
}

/// Bounds how many calls are worked on, and for how long each.
pub(super) async fn bound(State(console): State<Arc<Console>>, request: Request, next: Next) -> Response {
    let busy = |why| {
        let mut answer = problem(StatusCode::SERVICE_UNAVAILABLE, "busy", why);
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("2"));
        answer
    };
    let Ok(_turn) = console.turns.try_acquire() else {
        return busy("too many calls at once; try again in a moment");
    };
    let answered = tokio::time::timeout(LIMIT, next.run(request)).await;
    answered.unwrap_or_else(|_| busy("it took too long and was given up; the services may be slow, see /readyz"))
}

/// What no browser is to do with any answer of ours: nothing from elsewhere, in no frame, kept nowhere.
pub(super) async fn protect(request: Request, next: Next) -> Response {
    let policy = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                  form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    let mut answer = next.run(request).await;
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

async fn admit(console: &Console, role: ConsoleRole, request: &Parts) -> Result<Operator, Refusal> {
    let headers = &request.headers;
    let (access, now) = (&console.access, Instant::now());
    if let Some(foreign) = Foreign::of(&request.method, &request.uri, headers, access.is_open()) {
        return Err(Refusal::Foreign(foreign));
    }
    let operator = if let Some(token) = bearer(headers) {
        access.by_token(token, peer(&request.extensions), now).await.map(|admitted| admitted.operator)
    } else if let Some(secret) = session(&console.http, headers) {
        access.by_session(secret, now)
    } else {
        access.without_token()
    };
    let operator = operator.map_err(Refusal::Access)?;
    if operator.role < role { Err(Refusal::Role(operator)) } else { Ok(operator) }
}

fn answer(refusal: &Refusal, role: ConsoleRole, asked: &Parts, is_page: bool) -> Response {
    let call = Call::of(&asked.method, &asked.uri, &asked.extensions);
    let (status, word, message) = match (refusal, is_page) {
        (Refusal::Access(no @ (NoAccess::Unknown | NoAccess::UnknownToken | NoAccess::Over)), true) => {
            return Redirect::to(&login(asked, *no == NoAccess::Over)).into_response();
        }
        (Refusal::Access(no), _) => return no_access(no, call, is_page),
        (Refusal::Foreign(Foreign::Host(_)), _) => (
            StatusCode::MISDIRECTED_REQUEST,
            "host",
            "without http.tokens the console answers to localhost, 127.0.0.1 and [::1] alone".to_owned(),
        ),
        (Refusal::Foreign(Foreign::Site(_)), _) => {
            (StatusCode::FORBIDDEN, "cross_site", "another site asked for this".to_owned())
        }
        (Refusal::Role(operator), _) => {
            let text = format!("{} has role {}; this needs {}", operator.who, operator.role.as_str(), role.as_str());
            (StatusCode::FORBIDDEN, "role", text)
        }
    };
    refused(status, word, &message, call, is_page)
}

/// Where a browser logs in that has no session, or one that is over.
fn login(asked: &Parts, is_over: bool) -> String {
    let is_got = asked.method == Method::GET;
    // Whoever logs in comes back to the page that was asked for; what was to be done is asked for anew.
    let back = if is_got { asked.uri.path_and_query().map_or("/", PathAndQuery::as_str) } else { "/" };
    // Straight to the issuer, which may ask nothing: but not from a form, which browsers let lead to no other site.
    let is_led = is_over && is_got && is_visited(&asked.headers);
    pages::login_address(if is_led { "/login/oidc" } else { "/login" }, back)
}

/// Says why somebody is not let in.
pub(super) fn no_access(no: &NoAccess, call: Call<'_>, is_page: bool) -> Response {
    let (status, word, text) = no.told();
    let mut answer = refused(status, word, &text, call, is_page);
    let wait = match no {
        NoAccess::TooMany(waits) => Some(waits.as_secs() + 1),
        NoAccess::Away => Some(2),
        NoAccess::Closed
        | NoAccess::Unknown
        | NoAccess::UnknownToken
        | NoAccess::Over
        | NoAccess::NotProven(_)
        | NoAccess::NoRole(_) => None,
    };
    if let Some(seconds) = wait {
        answer.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    answer
}

fn refused(status: StatusCode, word: &'static str, message: &str, call: Call<'_>, is_page: bool) -> Response {
    let (method, path, from) = (call.method(), call.path(), call.from);
    warn!(status = status.as_u16(), why = word, method, path, %from, "the console refused a request");
    if is_page { pages::message(status, message) } else { problem(status, word, message) }
}

/// The address that a request comes from.
pub(super) fn peer(extensions: &Extensions) -> IpAddr {
    let peer = extensions.get::<ConnectInfo<Peer>>();
    peer.map_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), |ConnectInfo(Peer(address))| address.ip())
}

/// Whether a browser comes here as to a page, if it says so. No page elsewhere can have it do that over and over without
/// anybody seeing it, as it can by a picture, a frame or a script.
pub(super) fn is_visited(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-dest").is_none_or(|place| place == "document") && !headers.contains_key("sec-purpose")
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::is_visited;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn only_what_is_opened_as_a_page_is_a_visit() {
        for (sent, is) in [
            (&[("host", "h")][..], true),
            (&[("sec-fetch-dest", "document")], true),
            (&[("sec-fetch-dest", "document"), ("sec-purpose", "prefetch")], false),
            (&[("sec-fetch-dest", "image")], false),
            (&[("sec-fetch-dest", "iframe")], false),
            (&[("sec-fetch-dest", "empty")], false),
        ] {
            assert_eq!(is_visited(&headers(sent)), is, "{sent:?}");
        }
    }
}
