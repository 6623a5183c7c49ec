//! The issuer of operators: rules whose breach would take anybody's token for an operator's, or send secrets in the clear.

use std::collections::HashSet;

use reqwest::Url;
use secrecy::ExposeSecret as _;

use super::Report;
use super::text::{has_credentials, url_problem};
use crate::config::{Auth, Config, Http, is_sheltered};

const ISSUER: &str = "http.oidc_issuer";
const CLIENT: &str = "http.oidc_client_id";

pub(super) fn apply(config: &Config, report: &mut Report<'_>) {
    let http = &config.http;
    if !http.public_url.is_empty() {
        place("http.public_url", &http.public_url, report);
        if Url::parse(&http.public_url).is_ok_and(|url| url.path() != "/") {
            report.refuse("http.public_url", "must have no path: the console is at `/`");
        }
    }
    if http.oidc_issuer.is_empty() {
        useless(http, report);
        return;
    }
    place(ISSUER, &http.oidc_issuer, report);
    audience(http, report);
    apart(&config.auth, http, report);
    client(http, report);
    roles(http, report);
}

/// Who sets these relies on an issuer that is not asked.
fn useless(http: &Http, report: &mut Report<'_>) {
    for (key, is_set) in [
        (CLIENT, !http.oidc_client_id.is_empty()),
        ("http.oidc_client_secret", !http.oidc_client_secret.expose_secret().is_empty()),
        ("http.oidc_audience", !http.oidc_audience.is_empty()),
        ("http.oidc_roles", !http.oidc_roles.is_empty()),
    ] {
        if is_set {
            report.refuse(key, "is of no use without http.oidc_issuer");
        }
    }
}

/// A place that secrets are sent to, or read from.
fn place(key: &str, text: &str, report: &mut Report<'_>) {
    if let Some(problem) = url_problem(text, &["http", "https"]) {
        report.refuse(key, problem);
        return;
    }
    let Ok(url) = Url::parse(text) else { return };
    if has_credentials(text) {
        report.refuse(key, "must hold no user or password: it is shown to everybody");
    } else if !is_sheltered(&url) {
        report.refuse(key, "must begin with https://: without TLS nothing but the loopback is sheltered");
    } else if url.query().is_some() || url.fragment().is_some() {
        report.refuse(key, "must hold neither `?` nor `#`");
    }
}

fn audience(http: &Http, report: &mut Report<'_>) {
    if http.oidc_audience.is_empty() && http.oidc_client_id.is_empty() {
        let rule = "must not be empty, unless http.oidc_client_id is set, with";
        report.refuse_beside("http.oidc_audience", rule, ISSUER, "a token made for another service would do here");
    }
}

/// What one issuer signs for callers and for operators is told apart by `aud` alone.
fn apart(auth: &Auth, http: &Http, report: &mut Report<'_>) {
    if auth.issuer != http.oidc_issuer || auth.audience.is_empty() {
        return;
    }
    for (key, audience) in [("http.oidc_audience", &http.oidc_audience), (CLIENT, &http.oidc_client_id)] {
        if *audience == auth.audience {
            let reason = "auth.issuer is http.oidc_issuer, so a member's session token would be an operator's";
            report.refuse_beside(key, "must not be", "auth.audience", reason);
        }
    }
}

fn client(http: &Http, report: &mut Report<'_>) {
    if http.oidc_client_id.is_empty() {
        if !http.oidc_client_secret.expose_secret().is_empty() {
            report.refuse("http.oidc_client_secret", "is of no use without http.oidc_client_id");
        }
        return;
    }
    if http.public_url.is_empty() {
        let reason = "the issuer sends browsers back to it";
        report.refuse_beside("http.public_url", "must not be empty with", CLIENT, reason);
    }
    if !http.oidc_scopes.split_ascii_whitespace().any(|scope| scope == "openid") {
        report.refuse("http.oidc_scopes", "must hold the word openid: without it the issuer says not who it is");
    }
}

fn roles(http: &Http, report: &mut Report<'_>) {
    if http.oidc_roles_claim.split('.').any(|part| part.trim().is_empty()) {
        report.refuse("http.oidc_roles_claim", "must be the name of a claim, or names with dots between them");
    }
    if http.oidc_roles.is_empty() {
        report.refuse_beside("http.oidc_roles", "must not be empty with", ISSUER, "nobody would have a role");
    }
    let mut seen = HashSet::new();
    for entry in &http.oidc_roles {
        let value = &entry.value;
        if value.trim().is_empty() {
            report.refuse("http.oidc_roles", "value must not be empty");
        }
        if !seen.insert(value) {
            report.refuse("http.oidc_roles", format!("value `{value}` is listed twice"));
        }
    }
}
