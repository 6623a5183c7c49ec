//! The two cookies of a browser: of its session, and of a login that is under way at the issuer. Separate, because who may set
//! and who may send them is all there is to them.

use std::time::Duration;

use axum::http::{HeaderMap, header};

use crate::config::Http;

/// What a cookie is called, and what it is called over TLS: browsers take a name of that kind from this host alone. By the
/// plain one a neighbour in the domain could slip a browser the session, or the login, of somebody else.
type Name = [&'static str; 2];
/// Of a browser's session.
const SESSION: Name = ["join-community-console", "__Host-join-community-console"];
/// Of a login that is under way at the issuer.
const LOGIN: Name = ["join-community-login", "__Host-join-community-login"];

/// The secret of the session that a browser shows.
pub(super) fn session<'a>(http: &Http, headers: &'a HeaderMap) -> Option<&'a str> {
    shown(headers, called(http, SESSION))
}

/// What a browser keeps of the login that it began at the issuer.
pub(super) fn login_under_way<'a>(http: &Http, headers: &'a HeaderMap) -> Option<&'a str> {
    shown(headers, called(http, LOGIN))
}

/// The cookie that begins a session, or with no time left ends it. No other site has it sent, not even by a link.
pub(super) fn session_cookie(http: &Http, headers: &HeaderMap, secret: &str, lasts: Duration) -> String {
    let (name, secure) = (called(http, SESSION), secure(http, headers));
    format!("{name}={secret}; Path=/; HttpOnly; SameSite=Strict; Max-Age={}{secure}", lasts.as_secs())
}

/// The same for a login under way. It has to come along when the issuer sends the browser back, so links from elsewhere
/// send it; all that it is good for is that one way back.
pub(super) fn login_cookie(http: &Http, headers: &HeaderMap, secret: &str, lasts: Duration) -> String {
    let (name, secure) = (called(http, LOGIN), secure(http, headers));
    // Names of this host alone are taken for all of its paths alone.
    let path = if http.is_over_tls() { "/" } else { "/login" };
    format!("{name}={secret}; Path={path}; HttpOnly; SameSite=Lax; Max-Age={}{secure}", lasts.as_secs())
}

fn called(http: &Http, [plain, of_host]: Name) -> &'static str {
    if http.is_over_tls() { of_host } else { plain }
}

fn shown<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    pairs.flat_map(|value| value.split(';')).find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

/// Said where a browser came over TLS, so that no cookie may leave it otherwise: as the configuration says, or as a proxy
/// lets a page's own address show.
fn secure(http: &Http, headers: &HeaderMap) -> &'static str {
    let origin = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()).unwrap_or_default();
    if http.is_over_tls() || origin.starts_with("https://") { "; Secure" } else { "" }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::http::HeaderMap;

    use super::{login_cookie, login_under_way, session, session_cookie};
    use crate::config::{Http, load};

    const SHIFT: Duration = Duration::from_hours(8);

    fn at(public_url: &str) -> Http {
        let mut http = load::<String, String>(None, []).unwrap().http;
        public_url.clone_into(&mut http.public_url);
        http
    }

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        [(name.parse().unwrap(), value.parse().unwrap())].into_iter().collect()
    }

    #[test]
    fn the_session_is_found_among_other_cookies() {
        let http = at("");
        let sent = headers("cookie", "a=b; join-community-console=secret; c=d");
        assert_eq!(session(&http, &sent), Some("secret"));
        assert_eq!(session(&http, &headers("cookie", "join-community-console2=x")), None);
        assert_eq!(login_under_way(&http, &sent), None);
        assert_eq!(login_under_way(&http, &headers("cookie", "join-community-login=x")), Some("x"));
    }

    #[test]
    fn over_tls_cookies_are_of_this_host_alone_and_no_others_are_read() {
        let (http, nothing) = (at("https://console.example"), HeaderMap::new());
        for cookie in [session_cookie(&http, &nothing, "a", SHIFT), login_cookie(&http, &nothing, "a", SHIFT)] {
            assert!(cookie.starts_with("__Host-join-community-") && cookie.contains("=a; Path=/; "), "{cookie}");
            assert!(cookie.ends_with("; Secure") && !cookie.contains("Domain"), "{cookie}");
        }
        let slipped = headers("cookie", "join-community-console=a; join-community-login=b");
        assert_eq!((session(&http, &slipped), login_under_way(&http, &slipped)), (None, None));
        let ours = headers("cookie", "__Host-join-community-console=a; __Host-join-community-login=b");
        assert_eq!((session(&http, &ours), login_under_way(&http, &ours)), (Some("a"), Some("b")));
    }

    #[test]
    fn what_comes_over_tls_by_a_proxy_that_nobody_told_of_leaves_by_tls_alone() {
        let (http, nothing) = (at(""), HeaderMap::new());
        assert!(!session_cookie(&http, &nothing, "a", SHIFT).contains("Secure"));
        let proxied = headers("origin", "https://console.example");
        assert!(session_cookie(&http, &proxied, "a", SHIFT).ends_with("; Secure"));
    }
}
