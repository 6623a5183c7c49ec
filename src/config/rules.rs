//! Values that are well-formed and still wrong: out of their range, or in contradiction with another value.

mod auth;
mod http;
mod oidc;
mod ranges;
mod text;
mod tls;
mod webhooks;

use super::findings::{Findings, named};
use super::layers::Layer;
use super::{Config, MINUTE};

/// Applies every rule.
pub(super) fn apply(config: &Config, values: &Layer, findings: &mut Findings) {
    let mut report = Report { values, findings };
    ranges::apply(config, &mut report);
    contradictions(config, &mut report);
    text::apply(config, &mut report);
    tls::apply(config, &mut report);
    auth::apply(config, &mut report);
    http::apply(config, &mut report);
    oidc::apply(config, &mut report);
    webhooks::apply(config, &mut report);
}

/// Where rules report to.
struct Report<'a> {
    values: &'a Layer,
    findings: &'a mut Findings,
}

impl Report<'_> {
    fn refuse(&mut self, key: &str, rule: impl Into<String>) {
        if !self.findings.is_refused(key) {
            self.findings.add(&self.named(key), rule);
        }
    }

    /// Refuses a value for what another one is: `key` *rule* `other`, *reason*.
    fn refuse_beside(&mut self, key: &str, rule: &str, other: &str, reason: &str) {
        if !self.findings.is_refused(other) {
            let other = self.named(other);
            self.refuse(key, format!("{rule} {other}: {reason}"));
        }
    }

    fn named(&self, key: &str) -> String {
        self.values.get(key).map_or_else(|| key.to_owned(), |given| named(key, given))
    }
}

fn contradictions(config: &Config, report: &mut Report<'_>) {
    let Config { broker, database, join, announce, outage, shutdown, .. } = config;
    if database.statement_timeout >= shutdown.grace {
        let reason = "a commit in flight must end before a stopping worker does";
        report.refuse_beside("database.statement_timeout", "must be shorter than", "shutdown.grace", reason);
    }
    if database.lock_timeout >= database.statement_timeout {
        let reason = "else a locked row fails the whole batch instead of its own request";
        report.refuse_beside("database.lock_timeout", "must be shorter than", "database.statement_timeout", reason);
    }
    if outage.hold >= 30 * MINUTE {
        let reason = "after RabbitMQ's default consumer_timeout it takes held deliveries away, channel and all";
        report.refuse("outage.hold", format!("must be shorter than 30m: {reason}"));
    }
    if announce.lease < 2 * broker.confirm_timeout {
        let reason = "else another worker announces a change while it is being confirmed";
        report.refuse_beside("announce.lease", "must be at least twice", "broker.confirm_timeout", reason);
    }
    if announce.lease <= announce.sweep_interval {
        let reason = "else each sweep takes what the last one is still announcing";
        report.refuse_beside("announce.lease", "must be longer than", "announce.sweep_interval", reason);
    }
    if announce.queue < 2 * announce.batch_max {
        let reason = "else the next batch waits in the database while one is announced";
        report.refuse_beside("announce.queue", "must be at least twice", "announce.batch_max", reason);
    }
    if usize::from(join.prefetch) < join.batch_max {
        let reason = "a batch is made of deliveries that were prefetched";
        report.refuse_beside("join.prefetch", "must be at least", "join.batch_max", reason);
    }
}
