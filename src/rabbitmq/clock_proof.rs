//! Proof that the broker stamps arrivals itself: a message stamped 1970 is sent, and what comes back is compared.

use std::time::Duration;

use lapin::options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection};

use super::call::{CallError, within};

/// Whether the broker overwrites the timestamp of a publisher.
///
/// # Errors
/// If the proof could not be made.
pub async fn overwrites_timestamps(connection: &Connection, limit: Duration) -> Result<bool, CallError> {
    within(limit, prove(connection)).await
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
