//! Publishes batches for commands, some side by side, each message confirmed and routed. Apart from the courier, which sends
//! one message after the other, and from the worker's publishing, which starts over by itself: here it is told what is not
//! proven, in the order in which it went out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use lapin::Connection;
use secrecy::SecretString;
use tokio::task::{JoinError, JoinHandle};

use super::call::CallError;
use super::connect::{ConnectError, connect};
use super::publisher::EVENT_WINDOWS;
use super::supervisor::close;
use super::window::{Fate, Window, WindowError};
use crate::config;
use crate::wire::Outgoing;

/// A connection for publishing batches.
pub struct Convoy {
    connection: Connection,
    windows: Vec<Arc<Window>>,
    sent: usize,
    under_way: VecDeque<JoinHandle<Result<Vec<Fate>, WindowError>>>,
    limit: Duration,
}

/// Why nothing could be published, or why it is not known whether it was.
#[derive(Debug, thiserror::Error)]
pub enum ConvoyError {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// There is no channel.
    #[error("no channel to publish on")]
    Channel(#[source] CallError),
    /// A channel failed on the way, or no confirm came.
    #[error("the broker did not confirm; what was on its way may have been published")]
    Unknown(#[source] WindowError),
    /// A fault of ours.
    #[error("publishing broke down; what was on its way may have been published")]
    BrokeDown(#[source] JoinError),
}

impl Convoy {
    /// Connects; the broker shows the connection under `name`.
    ///
    /// # Errors
    /// If there is no connection or channel.
    pub async fn connect(url: &SecretString, name: &str, broker: &config::Broker) -> Result<Self, ConvoyError> {
        let connection = connect(url, name, broker).await?;
        let mut windows = Vec::with_capacity(EVENT_WINDOWS);
        while windows.len() < EVENT_WINDOWS {
            let window = Window::open(&connection, broker.confirm_timeout).await.map_err(ConvoyError::Channel)?;
            windows.push(Arc::new(window));
        }
        Ok(Self {
            connection,
            windows,
            sent: 0,
            under_way: VecDeque::with_capacity(EVENT_WINDOWS),
            limit: broker.timeout,
        })
    }

    /// Whether an answer must be taken before another batch is sent.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.under_way.len() >= self.windows.len()
    }

    /// Sends a batch on its way. There must be room for it, or a return could not be told from another batch's.
    pub fn send(&mut self, messages: Vec<Outgoing>) {
        debug_assert!(!self.is_full(), "an answer is to be taken first");
        // Batches are answered in turn, so the window of the batch that lies a round back is free again.
        let window = Arc::clone(&self.windows[self.sent % self.windows.len()]);
        self.sent += 1;
        // Spawned, so that it goes on while the next batch is being read.
        self.under_way.push_back(tokio::spawn(async move { window.publish(&messages).await }));
    }

    /// What became of the oldest batch that is under way, message by message; `None` if there is none. A caller that stops
    /// waiting may ask again.
    ///
    /// # Errors
    /// If any message of the batch is unproven; all of them may have been published.
    pub async fn answer(&mut self) -> Result<Option<Vec<Fate>>, ConvoyError> {
        let Some(oldest) = self.under_way.front_mut() else { return Ok(None) };
        let answered = oldest.await;
        self.under_way.pop_front();
        let fates = answered.map_err(ConvoyError::BrokeDown)?.map_err(ConvoyError::Unknown)?;
        Ok(Some(fates))
    }

    /// Takes leave of the broker, which spares its log a warning.
    pub async fn close(self) {
        for batch in &self.under_way {
            batch.abort();
        }
        close(&self.connection, self.limit).await;
    }
}
