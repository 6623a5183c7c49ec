//! Services that are away or hang, by faults on the wire between them and the worker: nothing is lost, nothing happens
//! twice, and the worker recovers by itself. Services that are really stopped are in the test binary `outages`.

mod broker;
mod cache;
mod database;
mod publishing;

use std::time::Duration;

use join_community::config::Config;
use join_community::operations::Dependency;

use crate::support::{Installation, PATIENCE, Worker, eventually};

/// A configuration that notices faults soon.
fn alert(installation: &Installation) -> Config {
    let mut config = installation.config.clone();
    config.broker.heartbeat = Duration::from_secs(2);
    config.broker.timeout = Duration::from_secs(3);
    config.database.connect_timeout = Duration::from_secs(2);
    config.database.statement_timeout = Duration::from_secs(1);
    config.outage.max_pause = Duration::from_millis(500);
    config
}

/// Waits until the worker has noticed that a dependency does not serve, and answers the reason it gives.
async fn until_missed(worker: &Worker, dependency: Dependency) -> String {
    let name = dependency.as_str();
    eventually(&format!("the worker misses {name}"), PATIENCE, async || {
        let (_, report) = worker.health().report();
        let state = &report["dependencies"][name];
        match state["reason"].as_str() {
            Some(reason) if reason != "starting" => Ok(reason.to_owned()),
            _ => Err(state.clone()),
        }
    })
    .await
}
