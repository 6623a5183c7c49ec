//! Publishes single messages for commands, each confirmed and routed before the next. Separate from the worker's
//! publishing, which lives as long as the worker and starts over by itself.

use std::time::Duration;

use lapin::{BasicProperties, Connection};
use secrecy::SecretString;

use super::call::{CallError, within};
use super::connect::{ConnectError, connect};
use super::depth;
use super::supervisor::close;
use super::window::{Fate, Window, WindowError};
use crate::config;
use crate::wire::Outgoing;

/// A connection for publishing one message after the other.
pub struct Courier {
    connection: Connection,
    window: Window,
    limit: Duration,
    confirm_limit: Duration,
}

/// Why nothing could be published, or why it is not known whether it was.
#[derive(Debug, thiserror::Error)]
pub enum CourierError {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// There is no channel.
    #[error("no channel to publish on")]
    Channel(#[source] CallError),
    /// The broker does not tell what lies in a queue.
    #[error("the broker does not tell how many dead letters there are")]
    Depth(#[source] CallError),
    /// The channel failed on the way.
    #[error("the broker did not confirm; the message may have been published")]
    Unknown(#[source] WindowError),
    /// No confirm came.
    #[error("the broker did not confirm within {0:?}; the message may have been published")]
    Silent(Duration),
}

impl Courier {
    /// Connects; the broker shows the connection under `name`.
    ///
    /// # Errors
    /// If there is no connection or channel.
    pub async fn connect(url: &SecretString, name: &str, broker: &config::Broker) -> Result<Self, CourierError> {
        let connection = connect(url, name, broker).await?;
        let window = Window::open(&connection, broker.timeout).await.map_err(CourierError::Channel)?;
        Ok(Self { connection, window, limit: broker.timeout, confirm_limit: broker.confirm_timeout })
    }

    /// Publishes one message. One at a time, because then a return can belong to no other.
    ///
    /// # Errors
    /// If it is not known what became of it.
    pub async fn publish(&mut self, message: Outgoing) -> Result<Fate, CourierError> {
        let published = tokio::time::timeout(self.confirm_limit, self.window.publish(&[message])).await;
        let fates = published.map_err(|_| CourierError::Silent(self.confirm_limit))?.map_err(CourierError::Unknown)?;
        Ok(fates.first().copied().unwrap_or(Fate::Refused))
    }

    /// Publishes a message just as it is given; only for what is moved from one queue of ours to another.
    ///
    /// # Errors
    /// As [`Courier::publish`].
    pub(super) async fn forward(
        &mut self,
        (exchange, routing_key): (&str, &str),
        properties: BasicProperties,
        body: &[u8],
    ) -> Result<Fate, CourierError> {
        let forwarded = self.window.forward(exchange, routing_key, properties, body);
        let fate = tokio::time::timeout(self.confirm_limit, forwarded).await;
        fate.map_err(|_| CourierError::Silent(self.confirm_limit))?.map_err(CourierError::Unknown)
    }

    /// How many messages lie in a queue that nobody is reading.
    ///
    /// # Errors
    /// If the broker does not say so.
    pub async fn waiting(&self, queue: &str) -> Result<u32, CourierError> {
        let ready = within(self.limit, depth::ask(&self.connection, queue)).await.map_err(CourierError::Depth)?;
        Ok(ready.messages)
    }

    /// Takes leave of the broker, which spares its log a warning.
    pub async fn close(self) {
        close(&self.connection, self.limit).await;
    }
}
