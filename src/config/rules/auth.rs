//! Who is trusted: rules whose breach would let in the wrong one, or nobody.

use std::collections::HashSet;

use secrecy::ExposeSecret as _;
use uuid::Uuid;

use super::Report;
use super::text::{has_credentials, url_problem};
use crate::config::{Auth, Config, Producer, amqp_user};
use crate::domain::IdentityType;

pub(super) fn apply(config: &Config, report: &mut Report<'_>) {
    tokens(&config.auth, report);
    let worker = amqp_user(config.broker.url.expose_secret());
    let mut seen = HashSet::new();
    for producer in &config.auth.producers {
        let user = &producer.user;
        if worker.as_ref() == Some(user) {
            let reason = "the worker takes what its own user has sent for its own proof";
            report.refuse_beside(
                "auth.producers",
                &format!("user `{user}` must not be the user of"),
                "broker.url",
                reason,
            );
        }
        if !seen.insert(user) {
            report.refuse("auth.producers", format!("user `{user}` is listed twice"));
        }
        for problem in entry_problems(producer) {
            report.refuse("auth.producers", format!("of user `{user}`, {problem}"));
        }
    }
}

fn tokens(auth: &Auth, report: &mut Report<'_>) {
    if auth.jwks.is_empty() {
        return;
    }
    for (key, value) in [("auth.issuer", &auth.issuer), ("auth.audience", &auth.audience)] {
        if value.trim().is_empty() {
            let reason = "a token made for another service would do here";
            report.refuse_beside(key, "must not be empty with", "auth.jwks", reason);
        }
    }
    if auth.jwks.contains("://") {
        if let Some(problem) = url_problem(&auth.jwks, &["http", "https", "file"]) {
            report.refuse("auth.jwks", format!("{problem}, or name a file"));
        } else if has_credentials(&auth.jwks) {
            report.refuse("auth.jwks", "must hold no user or password: it is shown in logs, and public keys need none");
        }
    }
    if auth.trust_broker_timestamps && auth.max_queue_delay.is_zero() {
        let reason = "no arrival could count";
        report.refuse_beside("auth.max_queue_delay", "must be above zero with", "auth.trust_broker_timestamps", reason);
    }
}

fn entry_problems(producer: &Producer) -> Vec<String> {
    let mut problems = Vec::new();
    if producer.user.is_empty() || producer.user.len() > 255 {
        problems.push("user must have 1 to 255 bytes".to_owned());
    }
    for word in &producer.identity_types {
        if IdentityType::parse(word).is_none() {
            let words = IdentityType::ALL.map(IdentityType::as_str).join(", ");
            problems.push(format!("identity_types has {word:?}, which is none of {words}"));
        }
    }
    for site in &producer.sites {
        if site != "*" && !(site.len() == 36 && Uuid::try_parse(site).is_ok()) {
            problems.push(format!("sites has {site:?}, which is neither a GUID nor \"*\""));
        }
    }
    problems
}
