//! Numbers and durations within their ranges: every buffer is bounded and every wait has a limit, whatever is configured.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::Report;
use crate::config::{Config, MINUTE, MOST_SHARDS};

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_hours(1);
/// As long as any session of the console.
const SHIFT: Duration = Duration::from_hours(8);
const DAY: Duration = Duration::from_hours(24);
/// Longer than anything here is meant to last, and short enough to be added to any clock.
const LONGEST: Duration = Duration::from_hours(3650 * 24);

pub(super) fn apply(config: &Config, report: &mut Report<'_>) {
    for (key, value, range) in counts(config) {
        if !range.contains(&value) {
            report.refuse(key, format!("must be between {} and {}", range.start(), range.end()));
        }
    }
    for (key, value, range) in durations(config) {
        if !range.contains(&value) {
            let [least, most] = [range.start(), range.end()].map(|bound| humantime::format_duration(*bound));
            report.refuse(key, format!("must be between {least} and {most}"));
        }
    }
    if !(0.0..=1.0).contains(&config.fairness.share) {
        report.refuse("fairness.share", "must be from 0 to 1.0: a part of a batch");
    }
    if config.broker.heartbeat.subsec_nanos() != 0 {
        report.refuse("broker.heartbeat", "must be whole seconds: AMQP has no others");
    }
}

type Count = (&'static str, u64, RangeInclusive<u64>);
type Span = (&'static str, Duration, RangeInclusive<Duration>);

fn counts(config: &Config) -> [Count; 10] {
    let Config { broker, cache, join, announce, webhooks, .. } = config;
    [
        ("broker.shards", broker.shards.into(), 1..=MOST_SHARDS.into()),
        ("cache.audit_rate", cache.audit_rate.into(), 0..=1_000_000),
        ("join.lanes", join.lanes as u64, 1..=64),
        ("join.batch_max", join.batch_max as u64, 1..=1000),
        ("join.prefetch", join.prefetch.into(), 1..=u16::MAX.into()),
        ("join.unknown_member_retries", join.unknown_member_retries.into(), 0..=1000),
        ("join.busy_retries", join.busy_retries.into(), 1..=1000),
        ("announce.queue", announce.queue as u64, 1..=1_000_000),
        ("announce.batch_max", announce.batch_max as u64, 1..=1000),
        ("webhooks.concurrency", webhooks.concurrency.into(), 1..=256),
    ]
}

fn durations(config: &Config) -> [Span; 22] {
    let Config { broker, database, cache, auth, fairness, settle, outage, announce, requests, shutdown, otlp, .. } =
        config;
    [
        ("broker.heartbeat", broker.heartbeat, SECOND..=MINUTE),
        ("broker.timeout", broker.timeout, MILLISECOND..=HOUR),
        ("broker.confirm_timeout", broker.confirm_timeout, MILLISECOND..=HOUR),
        ("database.connect_timeout", database.connect_timeout, MILLISECOND..=HOUR),
        // PostgreSQL counts milliseconds, and takes 0 for `no limit`.
        ("database.statement_timeout", database.statement_timeout, MILLISECOND..=HOUR),
        ("database.lock_timeout", database.lock_timeout, MILLISECOND..=HOUR),
        ("cache.ttl", cache.ttl, SECOND..=LONGEST),
        ("cache.timeout", cache.timeout, MILLISECOND..=HOUR),
        ("auth.leeway", auth.leeway, Duration::ZERO..=HOUR),
        ("auth.jwks_cooldown", auth.jwks_cooldown, MILLISECOND..=DAY),
        ("fairness.patience", fairness.patience, MILLISECOND..=HOUR),
        ("settle.timeout", settle.timeout, MILLISECOND..=HOUR),
        ("outage.hold", outage.hold, MILLISECOND..=LONGEST),
        ("outage.max_pause", outage.max_pause, MILLISECOND..=HOUR),
        ("announce.sweep_interval", announce.sweep_interval, MILLISECOND..=HOUR),
        ("announce.lease", announce.lease, MILLISECOND..=DAY),
        ("requests.retention", requests.retention, HOUR..=LONGEST),
        ("http.oidc_session", config.http.oidc_session, MINUTE..=SHIFT),
        ("otlp.metrics_interval", otlp.metrics_interval, Duration::ZERO..=HOUR),
        ("otlp.timeout", otlp.timeout, MILLISECOND..=MINUTE),
        ("webhooks.timeout", config.webhooks.timeout, MILLISECOND..=MINUTE),
        ("shutdown.grace", shutdown.grace, MILLISECOND..=HOUR),
    ]
}
