//! RabbitMQ: whether each of the users gets in, whether the topology is as planned, and what the broker allows.

use std::time::Duration;

use humantime::format_duration;
use secrecy::{ExposeSecret as _, SecretString};

use super::finding::{Finding, Findings};
use crate::cli::topology::sentence;
use crate::config::{Broker, Config};
use crate::rabbitmq::address::Address;
use crate::rabbitmq::connect::connect;
use crate::rabbitmq::management::{Management, ManagementError};
use crate::rabbitmq::preflight::{PreflightError, leave, takes_message_of};
use crate::rabbitmq::topology::{Depth, Names, Problem, Report, VerifyError, verify};
use crate::telemetry::chain;

/// Requests and events of Join Community all fit. What is larger only fills the memory of broker and worker.
const LARGEST_MESSAGE: usize = 1024 * 1024;

pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let broker = &config.broker;
    let mut found = Findings::of("broker");
    let management = management(broker, &mut found);
    let names = Names::of(broker).with_webhooks(&config.webhooks);
    worker(broker, &names, management.as_ref(), &mut found).await;
    let others = [("producer_url", &broker.producer_url), ("operator_url", &broker.operator_url)];
    for (key, url) in others {
        other(broker, key, url, &mut found).await;
    }
    if let Some(management) = &management {
        let facts = facts(management, broker).await;
        limits(facts, config.outage.hold, &mut found);
    }
    found.into_vec()
}

fn management(broker: &Broker, found: &mut Findings) -> Option<Management> {
    // A URL that cannot be read was refused at start, and is told again by the connection.
    let vhost = Address::parse(&broker.url).ok()?.vhost().to_owned();
    Management::new(&broker.management_url, &vhost, broker.timeout).unwrap_or_else(|error| {
        found.failure("the management API cannot be used", &error);
        None
    })
}

async fn worker(broker: &Broker, names: &Names, management: Option<&Management>, found: &mut Findings) {
    let connection = match connect(&broker.url, "join-community check", broker).await {
        Ok(connection) => connection,
        Err(error) => return found.failure("the worker gets no connection", &error),
    };
    found.ok("the worker gets in", "broker.url");
    message_size(takes_message_of(&connection, LARGEST_MESSAGE + 1, broker.timeout).await, found);
    topology(verify(&connection, management, names).await, broker.declare, found);
    leave(connection, broker.timeout).await;
}

fn message_size(taken: Result<bool, PreflightError>, found: &mut Findings) {
    match taken {
        Ok(false) => found.ok("messages above 1 MiB are refused", ""),
        Ok(true) => {
            let remedy =
                "set it to 1048576 in rabbitmq.conf: a few large messages fill the memory of broker and worker";
            found.warning("messages above 1 MiB are taken", "max_message_size", remedy);
        }
        Err(error) => found.failure("whether messages above 1 MiB are taken is unknown", &error),
    }
}

fn topology(report: Result<Report, VerifyError>, declares: bool, found: &mut Findings) {
    let report = match report {
        Ok(report) => report,
        Err(error) => return found.failure("the topology cannot be looked at", &error),
    };
    for finding in &report.findings {
        let what = sentence(finding);
        match finding.problem {
            Problem::Missing if declares => found.warning(what, "", "`run` will create it, as broker.declare is true"),
            Problem::Missing => found.error(what, "", "or let `run` create it, with broker.declare = true"),
            Problem::Differs { .. } => found.error(what, "", "delete it when it is empty, then `topology declare`"),
            Problem::LeftOver { .. } => found.warning(what, "", "or raise broker.shards again"),
            Problem::Hidden | Problem::Unexpected => found.warning(what, "", "see `topology verify`"),
        }
    }
    if report.is_well() {
        let depth = match report.depth {
            Depth::Everything => "arguments, bindings and policies compared",
            Depth::Existence => {
                "all exist; set broker.management_url to have arguments, bindings and policies compared"
            }
        };
        found.ok(format!("{} exchanges and queues are as planned", report.objects), depth);
    }
}

/// A worker needs neither a producer nor an operator, so one that is not configured is no finding.
async fn other(broker: &Broker, key: &str, url: &SecretString, found: &mut Findings) {
    if url.expose_secret().is_empty() {
        return;
    }
    match connect(url, "join-community check", broker).await {
        Ok(connection) => {
            leave(connection, broker.timeout).await;
            found.ok(format!("the user of broker.{key} gets in"), "");
        }
        Err(error) => {
            let remedy = format!("without it the commands that use broker.{key} do not work; the worker does");
            found.warning(format!("the user of broker.{key} gets no connection"), chain(&error), remedy);
        }
    }
}

/// The broker's version, and how long it leaves a request unsettled as far as it tells.
async fn facts(management: &Management, broker: &Broker) -> Result<(String, Option<Duration>), ManagementError> {
    let version = management.overview().await?.rabbitmq_version;
    let queue = management.queue(&Names::of(broker).requests()).await?;
    Ok((version, queue.and_then(|queue| queue.consumer_timeout())))
}

fn limits(facts: Result<(String, Option<Duration>), ManagementError>, hold: Duration, found: &mut Findings) {
    let (version, timeout) = match facts {
        Ok(facts) => facts,
        Err(error) => return found.failure("the management API tells nothing", &error),
    };
    found.ok("RabbitMQ", version);
    let hold_shown = format_duration(hold);
    match timeout {
        Some(timeout) if timeout <= hold => {
            let value = format_args!("outage.hold = {hold_shown}, consumer_timeout = {}", format_duration(timeout));
            found.error(
                "deliveries are held too long",
                value,
                "shorten outage.hold: the broker takes them away before",
            );
        }
        Some(timeout) => {
            found
                .ok("deliveries are held briefly enough", format_args!("{hold_shown} of {}", format_duration(timeout)));
        }
        // Its own setting is not to be had from any version; that the default is not exceeded was checked at start.
        None => found.ok("deliveries are held briefly enough", format_args!("{hold_shown} of 30m, the default")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Findings, limits, message_size};
    use crate::cli::check::finding::Level;

    fn levels(judge: impl FnOnce(&mut Findings)) -> Vec<Level> {
        let mut found = Findings::of("broker");
        judge(&mut found);
        found.into_vec().iter().map(|finding| finding.level).collect()
    }

    #[test]
    fn what_the_broker_allows_is_weighed_against_what_the_worker_needs() {
        let hold = Duration::from_mins(1);
        let facts = |timeout| Ok(("4.1.0".to_owned(), timeout));
        assert_eq!(levels(|found| limits(facts(None), hold, found)), [Level::Ok, Level::Ok]);
        assert_eq!(levels(|found| limits(facts(Some(hold * 2)), hold, found)), [Level::Ok, Level::Ok]);
        assert_eq!(levels(|found| limits(facts(Some(hold)), hold, found)), [Level::Ok, Level::Error]);
        assert_eq!(levels(|found| message_size(Ok(true), found)), [Level::Warning]);
        assert_eq!(levels(|found| message_size(Ok(false), found)), [Level::Ok]);
    }
}
