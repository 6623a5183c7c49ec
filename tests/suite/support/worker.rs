//! The worker as `run` builds it, in this process. Apart, because starting and stopping are waits of their own kind.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use join_community::app::{App, StartError, Stopped};
use join_community::config::Config;
use join_community::operations::{Dependency, Health, Meters};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::logs::{self, Heard};
use super::waiting::{PATIENCE, eventually, within_patience};

/// A running worker.
pub(crate) struct Worker {
    health: Health,
    meters: Meters,
    operations: Option<SocketAddr>,
    stop: CancellationToken,
    running: JoinHandle<Result<Stopped, StartError>>,
    _log: Heard,
}

impl Worker {
    /// Starts it and waits until it consumes.
    pub(crate) async fn start(config: Config) -> Self {
        let worker = Self::launch(config).await;
        worker.until_ready().await;
        worker
    }

    /// Starts it, whatever comes of that.
    pub(crate) async fn launch(config: Config) -> Self {
        let log = logs::listen(&config);
        let app = Box::pin(App::build(config)).await.expect("the worker can be built");
        let (health, meters, stop) = (app.health(), app.meters(), CancellationToken::new());
        let operations = app.operations_address();
        let running = tokio::spawn(app.run(stop.clone()));
        Self { health, meters, operations, stop, running, _log: log }
    }

    /// Waits until it consumes.
    pub(crate) async fn until_ready(&self) {
        eventually("the worker is ready", PATIENCE, async || {
            assert!(!self.running.is_finished(), "the worker ended before it was ready");
            let (ready, report) = self.health.report();
            if ready { Ok(()) } else { Err(report) }
        })
        .await;
    }

    /// Waits until it has noticed that a dependency does not serve, and answers the reason it gives.
    pub(crate) async fn until_misses(&self, dependency: Dependency) -> String {
        let name = dependency.as_str();
        eventually(&format!("the worker misses {name}"), PATIENCE, async || {
            let (_, report) = self.health.report();
            let state = &report["dependencies"][name];
            match state["reason"].as_str() {
                Some(reason) if reason != "starting" => Ok(reason.to_owned()),
                _ => Err(state.clone()),
            }
        })
        .await
    }

    /// Waits until it keeps away from a dependency, as an operator has told it to.
    pub(crate) async fn until_held(&self, dependency: Dependency) {
        eventually(&format!("the worker keeps away from {}", dependency.as_str()), PATIENCE, async || {
            if self.health.is_held(dependency) { Ok(()) } else { Err(self.health.report()) }
        })
        .await;
    }

    /// Tells it to stop, as SIGTERM does.
    pub(crate) fn tell_to_stop(&self) {
        self.stop.cancel();
    }

    /// Waits until a counter or gauge is at least so high.
    pub(crate) async fn until_counts(&self, name: &str, least: u64) {
        eventually(&format!("{name} comes to {least}"), PATIENCE, async || match self.counted(name) {
            counted if counted >= least => Ok(()),
            counted => Err(counted),
        })
        .await;
    }

    /// Waits until it refuses to run, and answers why.
    pub(crate) async fn until_refused(self) -> StartError {
        let ended = within_patience("the worker ends", self.running).await;
        ended.expect("the worker did not panic").expect_err("the worker does not run like this")
    }

    /// Stops it as SIGTERM does, and waits for its end.
    pub(crate) async fn stop(self) -> Stopped {
        self.stop.cancel();
        let ended = within_patience("the worker ends", self.running).await;
        ended.expect("the worker did not panic").expect("the worker ended well")
    }

    /// Waits until it ends by itself.
    pub(crate) async fn until_ended(self) -> Stopped {
        let ended = within_patience("the worker ends", self.running).await;
        ended.expect("the worker did not panic").expect("the worker ended well")
    }

    /// Where its operations server listens, if its configuration says that one shall.
    pub(crate) fn operations(&self) -> Option<SocketAddr> {
        self.operations
    }

    /// The state of its dependencies.
    pub(crate) fn health(&self) -> &Health {
        &self.health
    }

    /// The value of a counter, by its name and labels as Prometheus writes them. A name alone counts all of its series.
    pub(crate) fn counted(&self, name: &str) -> u64 {
        self.values::<u64>(name).iter().sum()
    }

    /// The time that a gauge shows.
    pub(crate) fn seconds(&self, name: &str) -> Duration {
        Duration::from_secs_f64(self.values::<f64>(name).iter().sum())
    }

    fn values<T: FromStr>(&self, name: &str) -> Vec<T> {
        // As with each scrape.
        self.health.show(&self.meters);
        let text = self.meters.render();
        let series = text.lines().filter_map(|line| {
            let rest = line.strip_prefix(name).filter(|rest| rest.starts_with([' ', '{']))?;
            rest.rsplit(' ').next()
        });
        series.map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is {value}"))).collect()
    }
}
