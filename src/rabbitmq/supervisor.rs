//! Keeps a connection alive: dial, run until anything fails, drop the whole connection, start over after a pause.
//! One path for every fault; the built-in recovery of `lapin` stays off, since it leaves silent consumers behind.

use std::sync::Arc;
use std::time::Duration;

use lapin::Connection;
use secrecy::SecretString;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::connect::connect;
use crate::config;
use crate::operations::{Dependency, Health};
use crate::retry::Tries;
use crate::telemetry::chain;

/// What a supervisor needs to know of its connection.
pub struct Supervised<'a> {
    /// Where to connect, with the worker's own user.
    pub url: &'a SecretString,
    /// The name that the broker's dashboard shows.
    pub name: &'static str,
    /// Limits.
    pub broker: &'a config::Broker,
    /// Longest pause between two tries.
    pub longest_pause: Duration,
    /// Which dependency this is, if its outage is told elsewhere than in the log.
    pub dependency: Option<Dependency>,
    /// Where its state is told.
    pub health: &'a Health,
}

/// How long a connection that failed may take to be closed in order.
const FAREWELL: Duration = Duration::from_secs(1);

/// What is done with a connection while it lives.
pub trait Sessions: Send {
    /// Why a session failed.
    type End: std::error::Error + Send + 'static;

    /// Works with one connection until it, or anything on it, fails; or until there is nothing left to do.
    fn session(&mut self, connection: Arc<Connection>) -> impl Future<Output = Result<(), Self::End>> + Send;
}

impl Supervised<'_> {
    /// Runs sessions until one ends well or `stop` fires between two of them.
    pub async fn run(&self, stop: &CancellationToken, sessions: &mut impl Sessions) {
        // Whoever has the broker tried at once means each connection to it.
        let asked = self.health.asked(self.dependency.unwrap_or(Dependency::Publishing));
        let mut tries = Tries::up_to(self.longest_pause, asked);
        loop {
            match connect(self.url, self.name, self.broker).await {
                Ok(connection) => {
                    let connection = Arc::new(connection);
                    let started = tokio::time::Instant::now();
                    let end = sessions.session(Arc::clone(&connection)).await;
                    // One that failed may hang, and would keep the next one, or the end of the worker, waiting.
                    let limit = if end.is_ok() { self.broker.timeout } else { self.broker.timeout.min(FAREWELL) };
                    close(&connection, limit).await;
                    let Err(error) = end else { return };
                    self.tell(&error);
                    if started.elapsed() > self.longest_pause {
                        tries.reset();
                    }
                }
                Err(error) => self.tell(&error),
            }
            tokio::select! {
                () = tries.pause() => {}
                () = stop.cancelled() => return,
            }
        }
    }

    fn tell(&self, error: &dyn std::error::Error) {
        let reason = chain(error);
        warn!(connection = self.name, reason, "connection lost, starting over");
        if let Some(dependency) = self.dependency {
            self.health.down(dependency, reason);
        }
    }
}

/// Closes what may be broken already: within a limit, and whatever comes of it.
pub async fn close(connection: &Connection, limit: Duration) {
    if connection.status().connected() && !connection.status().blocked() {
        let closed = tokio::time::timeout(limit, connection.close(200, "done".into())).await;
        if !matches!(closed, Ok(Ok(()))) {
            warn!("a connection could not be closed in order");
        }
    }
}
