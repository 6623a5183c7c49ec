//! RabbitMQ: whether each of the users gets in, whether the topology is as planned, and what the broker allows.

use secrecy::{ExposeSecret as _, SecretString};

use super::finding::{Finding, Findings};
use crate::config::{Broker, Config};
use crate::rabbitmq::connect::connect;
use crate::rabbitmq::preflight::{PreflightError, leave, takes_message_of};
use crate::telemetry::chain;

/// Requests and events of Join Community all fit. What is larger only fills the memory of broker and worker.
const LARGEST_MESSAGE: usize = 1024 * 1024;

pub(super) async fn look(config: &Config) -> Vec<Finding> {
    let broker = &config.broker;
    let mut found = Findings::of("broker");
    worker(broker, &mut found).await;
    let others = [("producer_url", &broker.producer_url), ("operator_url", &broker.operator_url)];
    for (key, url) in others {
        other(broker, key, url, &mut found).await;
    }
    found.into_vec()
}

async fn worker(broker: &Broker, found: &mut Findings) {
    let connection = match connect(&broker.url, "join-community check", broker).await {
        Ok(connection) => connection,
        Err(error) => return found.failure("the worker gets no connection", &error),
    };
    found.ok("the worker gets in", "broker.url");
    message_size(takes_message_of(&connection, LARGEST_MESSAGE + 1, broker.timeout).await, found);
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
