//! Stands before every route but the probes: who asks, whether a browser was led here by another site, whether the role is
//! enough. One place, so that no handler can forget it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use tokio::time::Instant;
use tracing::warn;

use super::access::{NoAccess, Operator};
use super::actions::Deed;
use super::failure::problem;
use super::listener::Peer;
use super::pages;
use super::parts::Console;
use crate::config::ConsoleRole;

/// The cookie of a browser's session.
const COOKIE: &str = "join-community-console";
/// Calls that are worked on at a time; the rest is told to come again.
pub(super) const AT_ONCE: usize = 16;
/// Above what the limits of a statement and of a call to the broker come to.
const LIMIT: Duration = Duration::from_secs(15);

/// Why a request goes no further.
enum Refusal {
    Access(NoAccess),
    /// On the open loopback: by a name that another site could have made to lead here.
    Host,
    /// Another site sent a browser here to do something.
    CrossSite,
    Role(Operator),
}

/// Lets through whoever has at least this role.
pub(super) async fn guard(
    State((console, role)): State<(Arc<Console>, ConsoleRole)>,
    mut request: Request,
    next: Next,
) -> Response {
    let (path, method) = (request.uri().path().to_owned(), request.method().clone());
    let is_page = !["/api/", "/live", "/metrics"].iter().any(|begin| path.starts_with(begin));
    let admitted = admit(&console, role, &request);
    match admitted {
        Ok(operator) => {
            request.extensions_mut().insert(operator);
            next.run(request).await
        }
        Err(refusal) => {
            if let Refusal::Role(operator) = &refusal
                && method != Method::GET
            {
                let outcome = format!("refused: needs role {}", role.as_str());
                let deed = Deed { action: method.as_str(), target: &path, reason: "", outcome: &outcome };
                console.note(operator, deed).await;
            }
            answer(&refusal, role, is_page)
        }
    }
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

fn admit(console: &Console, role: ConsoleRole, request: &Request) -> Result<Operator, Refusal> {
    let headers = request.headers();
    let (access, now) = (&console.access, Instant::now());
    if access.is_open() && !is_loopback(host(headers, request.uri())) {
        return Err(Refusal::Host);
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) && is_cross_site(headers) {
        return Err(Refusal::CrossSite);
    }
    let operator = if let Some(token) = bearer(headers) {
        access.by_token(token, peer(request), now)
    } else if let Some(secret) = session(headers) {
        access.by_session(secret, now)
    } else {
        access.without_token()
    };
    let operator = operator.map_err(Refusal::Access)?;
    if operator.role < role { Err(Refusal::Role(operator)) } else { Ok(operator) }
}

fn answer(refusal: &Refusal, role: ConsoleRole, is_page: bool) -> Response {
    let (status, word, message) = match refusal {
        Refusal::Access(NoAccess::Unknown) if is_page => return Redirect::to("/login").into_response(),
        Refusal::Access(NoAccess::Unknown) => {
            (StatusCode::UNAUTHORIZED, "unauthenticated", "give a token of http.tokens as `authorization: Bearer …`")
        }
        Refusal::Access(NoAccess::Closed) => (
            StatusCode::FORBIDDEN,
            "closed",
            "the server listens beyond the loopback and http.tokens is empty: list a token, made by `join-community \
             token console`, or open metrics alone by http.metrics_open",
        ),
        Refusal::Access(NoAccess::TooMany(waits)) => return too_many(*waits, is_page),
        Refusal::Host => (
            StatusCode::MISDIRECTED_REQUEST,
            "host",
            "without http.tokens the console answers to localhost, 127.0.0.1 and [::1] alone",
        ),
        Refusal::CrossSite => (StatusCode::FORBIDDEN, "cross_site", "another site asked for this"),
        Refusal::Role(operator) => {
            let text = format!("{} has role {}; this needs {}", operator.who, operator.role.as_str(), role.as_str());
            return refused(StatusCode::FORBIDDEN, "role", &text, is_page);
        }
    };
    refused(status, word, message, is_page)
}

/// Says that too many wrong tokens came from there.
pub(super) fn too_many(waits: Duration, is_page: bool) -> Response {
    let seconds = waits.as_secs() + 1;
    let text = format!("too many wrong tokens from this address; try again in {seconds} s");
    let mut answer = refused(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", &text, is_page);
    answer.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    answer
}

fn refused(status: StatusCode, word: &'static str, message: &str, is_page: bool) -> Response {
    warn!(status = status.as_u16(), why = word, "the console refused a request");
    if is_page { pages::message(status, message) } else { problem(status, word, message) }
}

/// The address that a request comes from.
pub(super) fn peer(request: &Request) -> IpAddr {
    let peer = request.extensions().get::<ConnectInfo<Peer>>();
    peer.map_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), |ConnectInfo(Peer(address))| address.ip())
}

/// The secret of the session that a browser shows.
pub(super) fn session(headers: &HeaderMap) -> Option<&str> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    pairs.flat_map(|value| value.split(';')).find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

/// The cookie that begins a session, or with no time left ends it. Over TLS, which its proxy lets a page's own address
/// show, it never leaves TLS.
pub(super) fn cookie(secret: &str, lasts: Duration, headers: &HeaderMap) -> String {
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()).unwrap_or_default();
    let secure = if origin.starts_with("https://") { "; Secure" } else { "" };
    format!("{COOKIE}={secret}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}{secure}", lasts.as_secs())
}

/// Whether a browser says that another site made it ask. Scripts say nothing of the kind, and show a token.
pub(super) fn is_cross_site(headers: &HeaderMap) -> bool {
    let said = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    match (said("sec-fetch-site"), said("origin"), said("host")) {
        (Some(site), _, _) => !matches!(site, "same-origin" | "none"),
        (None, Some(origin), Some(host)) => origin.split_once("://").is_none_or(|(_, origin)| origin != host),
        (None, Some(_), None) => true,
        (None, None, _) => false,
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> &'a str {
    let named = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    named.or_else(|| uri.authority().map(axum::http::uri::Authority::as_str)).unwrap_or_default()
}

/// A name that no other site can make lead here: browsers take `localhost` for this machine whatever the DNS says.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;

    use super::{is_cross_site, is_loopback, session};

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_browser_that_another_site_sent_is_known() {
        for (sent, is) in [
            (&[("sec-fetch-site", "same-origin"), ("origin", "https://proxy"), ("host", "inner")][..], false),
            (&[("sec-fetch-site", "cross-site")], true),
            (&[("sec-fetch-site", "same-site"), ("origin", "http://h"), ("host", "h")], true),
            (&[("origin", "http://h:8080"), ("host", "h:8080")], false),
            (&[("origin", "http://evil"), ("host", "h:8080")], true),
            (&[("origin", "null"), ("host", "h:8080")], true),
            (&[("host", "h:8080")], false),
        ] {
            assert_eq!(is_cross_site(&headers(sent)), is, "{sent:?}");
        }
    }

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for ours in ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "127.9.9.9", "[::1]:8080", "[::1]"] {
            assert!(is_loopback(ours), "{ours}");
        }
        for other in ["", "evil.example", "127.0.0.1.evil.example", "localhost.evil", "10.0.0.1:80", "[::2]:1"] {
            assert!(!is_loopback(other), "{other}");
        }
    }

    #[test]
    fn the_session_is_found_among_other_cookies() {
        let sent = headers(&[("cookie", "a=b; join-community-console=secret; c=d")]);
        assert_eq!(session(&sent), Some("secret"));
        assert_eq!(session(&headers(&[("cookie", "join-community-console2=x")])), None);
    }
}
