//! Each service stopped, killed, frozen, under load.

use std::time::Duration;

use anyhow::Result;
use futures_util::FutureExt as _;

use crate::stage::Stage;
use crate::suite::support::services::Service;
use crate::trial::{Fault, Outcome, Trial};

pub(super) fn faults() -> Vec<Fault> {
    let fault = |name, what, run| Fault { name, what, quick: true, alone: true, workers: &[1, 3], run };
    vec![
        fault("rabbitmq/stopped", "RabbitMQ stopped and started again", |trial| {
            away(trial, Service::Broker, Service::stop).boxed()
        }),
        fault("rabbitmq/killed", "`kill -9` of RabbitMQ", |trial| away(trial, Service::Broker, Service::kill).boxed()),
        fault("postgres/stopped", "PostgreSQL stopped and started again", |trial| {
            away(trial, Service::Database, Service::stop).boxed()
        }),
        fault("postgres/killed", "`kill -9` of PostgreSQL", |trial| {
            away(trial, Service::Database, Service::kill).boxed()
        }),
        fault("redis/stopped", "Redis stopped and started again", |trial| {
            away(trial, Service::Cache, Service::stop).boxed()
        }),
        fault("rabbitmq/frozen", "SIGSTOP of RabbitMQ for longer than every limit, then SIGCONT", |trial| {
            frozen(trial, Service::Broker).boxed()
        }),
        fault("postgres/frozen", "SIGSTOP of all of PostgreSQL for longer than every limit, then SIGCONT", |trial| {
            frozen(trial, Service::Database).boxed()
        }),
        fault("redis/frozen", "SIGSTOP of Redis for longer than every limit, then SIGCONT", |trial| {
            frozen(trial, Service::Cache).boxed()
        }),
        fault("redis/killed", "`kill -9` of Redis", |trial| away(trial, Service::Cache, Service::kill).boxed()),
    ]
}

async fn away(
    trial: Trial,
    service: Service,
    end: fn(Service) -> crate::suite::support::services::Away,
) -> Result<Outcome> {
    let mut stage = Stage::with_workers(&trial).await?;
    if service == Service::Broker {
        stage.until_queues_are_safe().await;
    }
    let mut sender = stage.load(if trial.quick { 200 } else { 1000 }, Duration::from_millis(30)).await?;
    sender.until(20).await?;
    // The script waits for the service: not in this runtime's way.
    let away = tokio::task::spawn_blocking(move || end(service)).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    tokio::task::spawn_blocking(move || away.end()).await?;
    stage.healed();
    let mut ledger = sender.finish().await?;
    // What was in its memory when it was killed is gone; what it missed is not.
    ledger.allowed.forgotten_cache = service == Service::Cache;
    // Replies are transient.
    stage.installation.reconnect().await;
    stage.compare(ledger).await
}

/// Longer than the longest limit of a stage, a lost heartbeat included.
const FROZEN: Duration = Duration::from_secs(6);

async fn frozen(trial: Trial, service: Service) -> Result<Outcome> {
    let mut stage = Stage::with_workers(&trial).await?;
    let mut sender = stage.load(if trial.quick { 200 } else { 1000 }, Duration::from_millis(30)).await?;
    sender.until(20).await?;
    let frozen = tokio::task::spawn_blocking(move || service.freeze()).await?;
    tokio::time::sleep(FROZEN).await;
    tokio::task::spawn_blocking(move || drop(frozen)).await?;
    stage.healed();
    let ledger = sender.finish().await?;
    stage.installation.reconnect().await;
    stage.compare(ledger).await
}
