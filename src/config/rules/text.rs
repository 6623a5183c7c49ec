//! Text with a syntax of its own: URLs, names, addresses, the filter of the log.

use std::net::SocketAddr;

use reqwest::Url;
use reqwest::header::HeaderValue;
use secrecy::ExposeSecret as _;
use tracing_subscriber::EnvFilter;

use super::Report;
use crate::config::{Config, FORMATS};

const AMQP: &[&str] = &["amqp", "amqps"];
pub(super) const HTTP: &[&str] = &["http", "https"];
const POSTGRES: &[&str] = &["postgres", "postgresql"];
/// PostgreSQL may be reached at a Unix socket.
const WITHOUT_HOST: &[&str] = &["postgres", "postgresql", "file"];
const LONGEST_PREFIX: usize = 100;

pub(super) fn apply(config: &Config, report: &mut Report<'_>) {
    urls(config, report);
    prefixes(config, report);
    if config.broker.reply_queues.iter().any(String::is_empty) {
        report.refuse("broker.reply_queues", "a pattern must not be empty");
    }
    if !config.http.listen.is_empty() && config.http.listen.parse::<SocketAddr>().is_err() {
        report.refuse("http.listen", "must be an address and a port like 127.0.0.1:8080 or [::1]:8080, or empty");
    }
    let collector = &config.otlp.endpoint;
    if !collector.is_empty() {
        if let Some(problem) = url_problem(collector, HTTP) {
            report.refuse("otlp.endpoint", problem);
        } else if has_credentials(collector) {
            report.refuse("otlp.endpoint", "must hold no user or password: give them in otlp.authorization");
        }
    }
    if HeaderValue::from_str(config.otlp.authorization.expose_secret()).is_err() {
        report
            .refuse("otlp.authorization", "must be the value of a header: no line breaks or other control characters");
    }
    if !FORMATS.contains(&config.log.format.as_str()) {
        report.refuse("log.format", format!("must be {}", FORMATS.join(" or ")));
    }
    if let Err(error) = EnvFilter::builder().parse(&config.log.filter) {
        report.refuse("log.filter", format!("must be a filter like info,lapin=warn: {error}"));
    }
}

/// What is wrong with a URL, without quoting it.
pub(super) fn url_problem(text: &str, schemes: &[&str]) -> Option<String> {
    let expected = schemes.iter().map(|scheme| format!("{scheme}://")).collect::<Vec<_>>().join(" or ");
    match Url::parse(text) {
        Ok(url) if !schemes.contains(&url.scheme()) => Some(format!("must begin with {expected}")),
        Ok(url) if url.host_str().unwrap_or_default().is_empty() && !WITHOUT_HOST.contains(&url.scheme()) => {
            Some("names no host".to_owned())
        }
        Ok(_) => None,
        Err(error) => {
            let hint = "in user and password, characters such as / ? # @ , are written %2F %3F %23 %40 %2C";
            Some(format!("must be a URL with {expected} ({error}; {hint})"))
        }
    }
}

pub(super) fn has_credentials(url: &str) -> bool {
    Url::parse(url).is_ok_and(|url| !url.username().is_empty() || url.password().is_some())
}

fn urls(config: &Config, report: &mut Report<'_>) {
    let broker = &config.broker;
    let keys = [
        ("broker.url", &broker.url, AMQP, false),
        ("broker.producer_url", &broker.producer_url, AMQP, true),
        ("broker.operator_url", &broker.operator_url, AMQP, true),
        ("broker.management_url", &broker.management_url, HTTP, true),
        ("database.url", &config.database.url, POSTGRES, false),
    ];
    for (key, url, schemes, optional) in keys {
        let url = url.expose_secret();
        if !(optional && url.is_empty())
            && let Some(problem) = url_problem(url, schemes)
        {
            report.refuse(key, problem);
        }
    }
    // A cluster is named by several URLs.
    let nodes = config.cache.url.expose_secret().split(',');
    if let Some(problem) = nodes.map(|node| url_problem(node, &["redis", "rediss"])).find_map(|problem| problem) {
        report.refuse("cache.url", problem);
    }
}

fn prefixes(config: &Config, report: &mut Report<'_>) {
    let broker = &config.broker.prefix;
    let cache = &config.cache.prefix;
    for (key, prefix) in [("broker.prefix", broker), ("cache.prefix", cache)] {
        if prefix.len() > LONGEST_PREFIX || !prefix.bytes().all(|byte| byte.is_ascii_graphic()) {
            report.refuse(key, format!("must be at most {LONGEST_PREFIX} visible ASCII characters without spaces"));
        }
    }
    if broker.starts_with("amq.") {
        report.refuse("broker.prefix", "must not begin with amq., which RabbitMQ keeps for itself");
    }
    if cache.is_empty() {
        report.refuse("cache.prefix", "must not be empty");
    }
    if cache.contains(['{', '}']) {
        report.refuse("cache.prefix", "must hold no braces: they would put every key on one node of a cluster");
    }
}
