//! Running and stopping, in the order that loses nothing.

use std::sync::Arc;
use std::time::Duration;

use lapin::Connection;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::consuming::Consuming;
use super::depths::Depths;
use super::watch::Watch;
use super::{App, StartError, housekeeping};
use crate::console;
use crate::operations::{Dependency, Health, Traces};
use crate::rabbitmq::publisher::{Publishing, PublishingEnd};
use crate::rabbitmq::supervisor::{Sessions, Supervised};
use crate::telemetry::chain;

/// How the worker stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Everything in flight was finished.
    Drained,
    /// The grace period ended first; what was cut comes again, and counts once.
    Cut,
}

impl App {
    /// Runs until `stop`, then drains within the grace period.
    ///
    /// # Errors
    /// If the broker proves that the configuration cannot be used.
    pub async fn run(mut self, stop: CancellationToken) -> Result<Stopped, StartError> {
        let grace = self.config.shutdown.grace;
        let health = self.health.clone();
        let background = self.background.clone();
        let publishing_stop = CancellationToken::new();
        self.serve_operations();
        let pushing = self.push_metrics();
        self.keep_house();
        self.stop_when_drained(&stop);
        let mut consuming = Box::pin(Consuming::new(&self, stop.clone()).run());
        let publishing = self.publish(publishing_stop.clone());
        let webhooks_stop = stop.child_token();
        let webhooks = self.send_webhooks(&webhooks_stop);
        let (traces, longest_export) = (self.traces.clone(), self.config.otlp.timeout);
        let App { mut announcer, publisher, .. } = self;
        // What is left of this handle would keep the publishing connection waiting for more.
        drop(publisher);
        info!("worker started");

        let ended = tokio::select! {
            ended = &mut consuming => Some(ended),
            () = announcer.broken() => return Err(StartError::AnnouncerBroken),
            () = stop.cancelled() => None,
        };
        let deadline = Instant::now() + grace;
        health.draining();
        webhooks_stop.cancel();
        info!("stopping: no more requests are taken");
        // Requests first, for they make announcements; then announcements, for they need the publisher; then that.
        let drained = timeout_at(deadline, async {
            let ended = match ended {
                Some(ended) => ended,
                None => consuming.as_mut().await,
            };
            drop(consuming);
            announcer.drain().await;
            publishing_stop.cancel();
            if let Err(error) = publishing.await {
                error!(error = chain(&error), "publishing ended badly");
            }
            end_of(webhooks).await;
            ended
        })
        .await;
        background.cancel();
        let limit = longest_export.min(deadline - Instant::now());
        let last_words = async { tokio::join!(close(traces, limit), end_of(pushing)) };
        drop(tokio::time::timeout(limit, last_words).await);
        if let Ok(ended) = drained {
            return ended.map(|()| Stopped::Drained);
        }
        warn!(grace = ?grace, "the grace period ended before everything was finished; the rest comes again");
        Ok(Stopped::Cut)
    }

    fn serve_operations(&mut self) {
        let Some((listener, console)) = self.operations.take() else { return };
        let stop = self.background.clone();
        tokio::spawn(async move {
            if let Err(error) = console::serve(listener, console, stop).await {
                error!(error = chain(&error), "the operations server ended");
            }
        });
    }

    /// An operator may stop this worker as a signal does.
    fn stop_when_drained(&self, stop: &CancellationToken) {
        let (drain, stop) = (self.drain.clone(), stop.clone());
        tokio::spawn(async move {
            if stop.run_until_cancelled(drain.cancelled()).await.is_some() {
                stop.cancel();
            }
        });
    }

    fn keep_house(&mut self) {
        let (authenticator, stop) = (Arc::clone(&self.authenticator), self.background.clone());
        tokio::spawn(housekeeping::keep_metrics(self.meters.clone(), authenticator, stop));
        if let Some(pruner) = self.pruner.take() {
            let (controls, stop) = (self.controls.clone(), self.background.clone());
            tokio::spawn(housekeeping::prune(pruner, self.config.requests.retention, controls, stop));
        }
        if let Some(store) = self.watcher.take() {
            let several_sites = Arc::clone(&self.several_sites);
            let (controls, health, meters) = (self.controls.clone(), self.health.clone(), self.meters.clone());
            let watch = Watch { store, several_sites, controls, health, meters };
            tokio::spawn(watch.run(self.background.clone()));
        }
    }

    fn push_metrics(&mut self) -> Option<JoinHandle<()>> {
        let (interval, stop) = (self.config.otlp.metrics_interval, self.background.clone());
        self.push.take().map(|push| tokio::spawn(push.run(interval, stop)))
    }

    fn publish(&mut self, stop: CancellationToken) -> JoinHandle<()> {
        let publishing = std::mem::replace(&mut self.publishing, Publishing::idle());
        let (config, health) = (self.config.clone(), self.health.clone());
        let (dead_letters, shards) = (Arc::clone(&self.dead_letters), Arc::clone(&self.shards));
        let depths = Depths::new(&self.names, self.meters.clone(), dead_letters, shards);
        tokio::spawn(async move {
            let mut sessions = PublishingSessions { publishing, health: health.clone(), depths, stop: stop.clone() };
            let supervised = Supervised {
                url: &config.broker.url,
                name: "join-community publishing",
                broker: &config.broker,
                longest_pause: config.outage.max_pause,
                dependency: Some(Dependency::Publishing),
                health: &health,
            };
            supervised.run(&stop, &mut sessions).await;
        })
    }
}

/// Sends the last spans, on a thread that may block.
async fn close(traces: Traces, limit: Duration) {
    if traces.are_on() {
        drop(tokio::task::spawn_blocking(move || traces.close(limit)).await);
    }
}

/// Waits for a task that ends by itself now, if there is one. One that panicked has nothing left to be waited for.
async fn end_of(task: Option<JoinHandle<()>>) {
    if let Some(task) = task {
        drop(task.await);
    }
}

/// The publishing connection: what is handed over goes out, and the messages in our queues are counted.
struct PublishingSessions {
    publishing: Publishing,
    health: Health,
    depths: Depths,
    stop: CancellationToken,
}

impl Sessions for PublishingSessions {
    type End = PublishingEnd;

    async fn session(&mut self, connection: Arc<Connection>) -> Result<(), PublishingEnd> {
        self.depths.connected();
        tokio::select! {
            end = self.publishing.run(&connection, &self.health) => end,
            never = self.depths.watch(&connection) => match never {},
            () = stuck(&connection, &self.stop) => Ok(()),
        }
    }
}

/// Ends if the broker blocks publishers after `stop`, maybe for hours. What it does not take is still owed.
pub(super) async fn stuck(connection: &Connection, stop: &CancellationToken) {
    stop.cancelled().await;
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    while !connection.status().blocked() {
        ticks.tick().await;
    }
}
