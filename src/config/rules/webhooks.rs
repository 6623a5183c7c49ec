//! Receivers of webhooks: rules whose breach would send events to nowhere, to two under one name, or unsigned.

use std::collections::HashSet;
use std::time::Duration;

use secrecy::ExposeSecret as _;
use uuid::Uuid;

use super::Report;
use super::text::{HTTP, has_credentials, url_problem};
use crate::config::Config;

/// Each has queues of its own: one, one for each wait, and one of dead letters.
const MOST_TARGETS: usize = 16;
/// Part of a queue's name.
const LONGEST_NAME: usize = 32;
const MOST_TRIES: usize = 32;
const SHORTEST_WAIT: Duration = Duration::from_millis(1);
const LONGEST_WAIT: Duration = Duration::from_hours(7 * 24);

pub(super) fn apply(config: &Config, report: &mut Report<'_>) {
    let webhooks = &config.webhooks;
    targets(config, report);
    if webhooks.are_on() && webhooks.key.expose_secret().trim().is_empty() {
        let reason = "a receiver knows by the signature who sends";
        report.refuse_beside("webhooks.key", "must not be empty with", "webhooks.targets", reason);
    }
    if webhooks.timeout >= config.shutdown.grace {
        let reason = "a webhook on its way must end before a stopping worker does";
        report.refuse_beside("webhooks.timeout", "must be shorter than", "shutdown.grace", reason);
    }
    let account = &webhooks.account_id;
    if !(account.is_empty() || (account.len() == 36 && Uuid::try_parse(account).is_ok())) {
        report.refuse("webhooks.account_id", "must be a GUID, or empty");
    }
    if webhooks.ladder.len() > MOST_TRIES {
        report.refuse("webhooks.ladder", format!("must have at most {MOST_TRIES} waits"));
    }
    for wait in &webhooks.ladder {
        if !(SHORTEST_WAIT..=LONGEST_WAIT).contains(wait) {
            report.refuse("webhooks.ladder", "each wait must be between 1ms and 7days");
        } else if wait.subsec_nanos() % 1_000_000 != 0 {
            report.refuse("webhooks.ladder", "each wait must be whole milliseconds: RabbitMQ has no others");
        }
    }
}

fn targets(config: &Config, report: &mut Report<'_>) {
    const KEY: &str = "webhooks.targets";
    let targets = &config.webhooks.targets;
    if targets.len() > MOST_TARGETS {
        report.refuse(KEY, format!("must be at most {MOST_TARGETS}"));
    }
    let mut names = HashSet::new();
    for target in targets {
        let name = &target.name;
        if !is_name(name) {
            let rule = format!("name {name:?} must have 1 to {LONGEST_NAME} lower-case letters, digits and hyphens");
            report.refuse(KEY, rule);
        }
        if !names.insert(name) {
            report.refuse(KEY, format!("name `{name}` is listed twice: both would share one queue"));
        }
        let url = target.url.expose_secret();
        if let Some(problem) = url_problem(url, HTTP) {
            report.refuse(KEY, format!("of `{name}`, url {problem}"));
        } else if has_credentials(url) {
            report.refuse(KEY, format!("of `{name}`, url must hold no user or password: the signature is the proof"));
        }
    }
}

fn is_name(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=LONGEST_NAME).contains(&name.len()) && name.bytes().all(is_part)
}
