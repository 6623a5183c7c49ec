//! Requests that come from elsewhere: under a name that is not ours, or from a browser that another site has sent. Apart from
//! the guard, because logins and logouts, which no guard stands before, come from there as well.

use std::net::IpAddr;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, Uri, header};

/// Longest name that goes on record: longer than the host of any page that somebody sees.
const LONGEST: usize = 100;
/// What goes on record of a name that could be none.
const NO_NAME: &str = "(no name)";

/// Where a request comes from that is let in by nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Foreign {
    /// It reaches the open loopback by this name, which another site could have made to lead here.
    Host(String),
    /// Another site sent a browser here to do something: which, if the browser names it.
    Site(Option<String>),
}

impl Foreign {
    /// What is foreign of a request; `is_open`: to the loopback that asks nobody who they are.
    pub(super) fn of(method: &Method, uri: &Uri, headers: &HeaderMap, is_open: bool) -> Option<Self> {
        let host = host(headers, uri);
        if is_open && !is_loopback(host) {
            return Some(Self::Host(cleaned(host)));
        }
        if matches!(*method, Method::GET | Method::HEAD) { None } else { Self::site(headers) }
    }

    /// Whether a browser says that another site made it ask. Scripts say nothing of the kind, and show a token.
    pub(super) fn site(headers: &HeaderMap) -> Option<Self> {
        let said = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let origin = said("origin");
        let is_foreign = match (said("sec-fetch-site"), origin, said("host")) {
            (Some(site), _, _) => !matches!(site, "same-origin" | "none"),
            (None, Some(origin), Some(host)) => origin.split_once("://").is_none_or(|(_, origin)| origin != host),
            (None, Some(_), None) => true,
            (None, None, _) => false,
        };
        is_foreign.then(|| Self::Site(origin.map(cleaned)))
    }

    /// What came of it, as it goes on record.
    pub(super) fn outcome(&self) -> String {
        match self {
            Self::Host(name) => format!("refused: host {name}"),
            Self::Site(Some(origin)) => format!("refused: cross site, from {origin}"),
            Self::Site(None) => "refused: cross site".to_owned(),
        }
    }
}

/// A host or an origin as it may stand on record. Whoever asks writes what they like into it: what holds anything else than
/// such a name is made of is none, and is not kept.
fn cleaned(name: &str) -> String {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:/[]".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_name) {
        return NO_NAME.to_owned();
    }
    name.chars().take(LONGEST).collect()
}

fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> &'a str {
    let named = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    named.or_else(|| uri.authority().map(Authority::as_str)).unwrap_or_default()
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
    use axum::http::{HeaderMap, Method, Uri};

    use super::{Foreign, LONGEST, NO_NAME, cleaned, is_loopback};

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
            assert_eq!(Foreign::site(&headers(sent)).is_some(), is, "{sent:?}");
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
    fn a_foreign_name_counts_on_the_open_loopback_and_another_site_wherever_something_is_done() {
        let sent = headers(&[("host", "evil.example"), ("sec-fetch-site", "cross-site")]);
        let of = |method: &Method, is_open| Foreign::of(method, &Uri::from_static("/"), &sent, is_open);
        assert_eq!(of(&Method::GET, true), Some(Foreign::Host("evil.example".to_owned())));
        assert_eq!(of(&Method::POST, false), Some(Foreign::Site(None)));
        assert_eq!(of(&Method::GET, false), None, "a link leads here, and does nothing");
    }

    #[test]
    fn what_is_kept_of_a_name_is_short_and_holds_nothing_that_no_name_has() {
        for name in ["evil.example:8080", "http://evil.example", "null", "[::2]:1"] {
            assert_eq!(cleaned(name), name);
        }
        for none in ["", "jane@example.com", "a name", "+1 202", "é"] {
            assert_eq!(cleaned(none), NO_NAME, "{none}");
        }
        assert_eq!(cleaned(&"x".repeat(LONGEST * 2)).len(), LONGEST);
    }
}
