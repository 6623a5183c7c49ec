//! The connection of the webhooks: one of its own, so that whatever happens on it is nothing to joins and events.

use std::sync::Arc;

use lapin::Connection;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::App;
use super::running::stuck;
use crate::rabbitmq::supervisor::{Sessions, Supervised};
use crate::webhooks::{SessionEnd, Webhooks};

impl App {
    /// Sends webhooks until `stop`, if they are on.
    pub(super) fn send_webhooks(&mut self, stop: &CancellationToken) -> Option<JoinHandle<()>> {
        let webhooks = self.webhooks.take()?;
        let (config, health, stop) = (self.config.clone(), self.health.clone(), stop.clone());
        Some(tokio::spawn(async move {
            let supervised = Supervised {
                url: &config.broker.url,
                name: "join-community webhooks",
                broker: &config.broker,
                longest_pause: config.outage.max_pause,
                // No request waits for it, so it makes no worker unready.
                dependency: None,
                health: &health,
            };
            supervised.run(&stop, &mut WebhookSessions { webhooks, stop: stop.clone() }).await;
        }))
    }
}

struct WebhookSessions {
    webhooks: Webhooks,
    stop: CancellationToken,
}

impl Sessions for WebhookSessions {
    type End = SessionEnd;

    async fn session(&mut self, connection: Arc<Connection>) -> Result<(), SessionEnd> {
        tokio::select! {
            end = self.webhooks.session(&connection, &self.stop) => end,
            () = stuck(&connection, &self.stop) => Ok(()),
        }
    }
}
