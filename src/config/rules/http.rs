//! Who may use the console, and where its pages lead: rules whose breach would make two operators one, a token that nobody
//! has, or a link that leads elsewhere than it is meant to.

use std::collections::HashSet;

use reqwest::Url;

use super::Report;
use super::text::{HTTP, has_credentials, url_problem};
use crate::config::{Config, MARK_OF_REQUEST, MARK_OF_TRACE};

/// Fits a log line and a record.
const LONGEST_NAME: usize = 64;

pub(super) fn apply(config: &Config, report: &mut Report<'_>) {
    link("http.trace_url", &config.http.trace_url, MARK_OF_TRACE, report);
    link("http.logs_url", &config.http.logs_url, MARK_OF_REQUEST, report);
    let (mut names, mut digests) = (HashSet::new(), HashSet::new());
    for token in &config.http.tokens {
        let name = &token.name;
        if !(1..=LONGEST_NAME).contains(&name.len()) || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            let rule = format!("name {name:?} must have 1 to {LONGEST_NAME} visible ASCII characters without spaces");
            report.refuse("http.tokens", rule);
        }
        if !names.insert(name) {
            report.refuse("http.tokens", format!("name `{name}` is listed twice: nobody could tell who did what"));
        }
        match token.digest() {
            None => report.refuse("http.tokens", format!("of `{name}`, sha256 must be 64 hexadecimal digits")),
            Some(digest) if !digests.insert(digest) => {
                report.refuse("http.tokens", format!("of `{name}`, sha256 stands there for another name already"));
            }
            Some(_) => {}
        }
    }
}

/// A place that pages lead to, with an id put in for `mark`.
fn link(key: &str, text: &str, mark: &str, report: &mut Report<'_>) {
    if text.is_empty() {
        return;
    }
    let [one, other] = ["0", "1"].map(|id| text.replace(mark, id));
    if let Some(problem) = url_problem(&one, HTTP) {
        report.refuse(key, problem);
    } else if has_credentials(&one) {
        report.refuse(key, "must hold no user or password: it is shown to every operator");
    } else if one == other {
        report.refuse(key, format!("must hold {mark}, for which the id is put in"));
    } else if origin(&one) != origin(&other) {
        report.refuse(key, format!("must have {mark} behind the host: an id says not where a link leads"));
    }
}

/// Scheme, host and port.
fn origin(url: &str) -> Option<String> {
    Url::parse(url).ok().map(|url| url.origin().ascii_serialization())
}
