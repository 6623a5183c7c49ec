//! What was called, and from where, as the log tells of a call that is refused. Separate, because whoever is refused has
//! written all of it: it is cut, stays on its line, and shows neither tokens nor personal data.

use std::net::IpAddr;

use axum::http::{Extensions, Method, Uri};

use super::actions::tidy;
use super::guard::peer;
use crate::rabbitmq::dead_letters::shown_id;

/// A call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) from: IpAddr,
}

impl<'a> Call<'a> {
    /// The call that a request is.
    pub(super) fn of(method: &'a Method, uri: &'a Uri, extensions: &Extensions) -> Self {
        Self { method: method.as_str(), path: uri.path(), from: peer(extensions) }
    }

    /// Its method.
    pub(super) fn method(&self) -> String {
        shown(self.method)
    }

    /// Its path, without what stands behind `?`.
    pub(super) fn path(&self) -> String {
        shown(self.path)
    }
}

fn shown(text: &str) -> String {
    // An address or a number is known by these, however they are written.
    let plain = ["%40", "%2B", "%2b"].into_iter().zip(["@", "+", "+"]);
    shown_id(&plain.fold(tidy(text), |text, (written, meant)| text.replace(written, meant)))
}

#[cfg(test)]
mod tests {
    use axum::http::{Extensions, Method, Uri};

    use super::{Call, shown};

    #[test]
    fn what_is_told_is_short_and_on_one_line_and_names_nobody() {
        for (written, told) in [
            ("/api/v1/requests/a-1%2Fb", "/api/v1/requests/a-1%2Fb"),
            ("/requests/joan%40example.com/x", "/requests/(masked)/x"),
            ("/requests/joan@example.com", "/requests/(masked)"),
            ("/requests/%2B1-202-555-0142", "/requests/(masked)"),
            ("/requests/eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln", "/requests/(masked)"),
            ("/a\nb\u{1b}", "/a b "),
        ] {
            assert_eq!(shown(written), told);
        }
        assert_eq!(shown(&"/x".repeat(40_000)).len(), 500);
    }

    #[test]
    fn a_query_is_not_told() {
        let (uri, method) = (Uri::from_static("http://h/login?token=secret"), Method::GET);
        let call = Call::of(&method, &uri, &Extensions::new());
        assert_eq!((call.method(), call.path()), ("GET".to_owned(), "/login".to_owned()));
    }
}
