//! Proof that the broker stamps arrivals itself: a message stamped 1970 is sent, and what comes back is compared.

use lapin::options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection};

use super::call::{CallError, within};
use super::connect::{ConnectError, connect};
use crate::config;

/// Why the proof could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The broker refused, or did not answer: it may block publishers.
    #[error("the broker's clock cannot be proven")]
    Call(#[from] CallError),
}

/// Whether the broker overwrites the timestamp of a publisher. On a connection of its own: one that publishes can be
/// blocked, and the one that consumes must never be.
///
/// # Errors
/// If the proof could not be made.
pub async fn overwrites_timestamps(broker: &config::Broker) -> Result<bool, ProofError> {
    let connection = connect(&broker.url, "join-community clock proof", broker).await?;
    let proven = within(broker.timeout, prove(&connection)).await?;
    // A broker that has just answered is not asked for more.
    drop(tokio::time::timeout(broker.timeout, connection.close(200, "proven".into())).await);
    Ok(proven)
}

async fn prove(connection: &Connection) -> Result<bool, lapin::Error> {
    const FORGED: u64 = 1;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let private = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare("".into(), private, FieldTable::default()).await?;
    let forged = BasicProperties::default().with_timestamp(FORGED);
    let options = BasicPublishOptions::default();
    channel.basic_publish("".into(), queue.name().clone(), options, b"when?", forged).await?.await?;
    let back = channel.basic_get(queue.name().clone(), BasicGetOptions { no_ack: true }).await?;
    channel.close(200, "proven".into()).await?;
    Ok(back.is_some_and(|message| message.properties.timestamp().is_some_and(|stamp| stamp != FORGED)))
}
