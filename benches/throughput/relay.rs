//! The bare two-hop relay that latency is held against: it takes a message, publishes it, waits for the confirm, and
//! acknowledges. Through the same queues, with two connections as the worker has, and nothing else.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use futures_util::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions, ConfirmSelectOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::place::{EVENTS, dial, told};
use crate::requests::publish;

/// As many as all lanes of the worker may hold.
const PREFETCH: u16 = 2048;

/// Relays until SIGTERM.
pub(crate) async fn serve() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let url = told("AMQP_URL")?;
    let (consuming, publishing) = (dial(&url).await?, dial(&url).await?);
    let out = publishing.create_channel().await?;
    out.confirm_select(ConfirmSelectOptions::default()).await?;
    let out = Arc::new(out);
    let channel = consuming.create_channel().await?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let (queue, options) = (told("QUEUE")?.into(), BasicConsumeOptions::default());
    let mut deliveries = channel.basic_consume(queue, "".into(), options, FieldTable::default()).await?;
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            Some(relayed) = tasks.join_next() => relayed??,
            delivery = deliveries.next() => {
                let delivery = delivery.context("the consumer ended")??;
                tasks.spawn(relay(Arc::clone(&out), delivery));
            }
        }
    }
    while let Some(relayed) = tasks.join_next().await {
        relayed??;
    }
    consuming.close(200, "done".into()).await?;
    publishing.close(200, "done".into()).await?;
    Ok(())
}

async fn relay(out: Arc<Channel>, delivery: Delivery) -> Result<()> {
    let properties = BasicProperties::default()
        .with_message_id(delivery.properties.message_id().clone().unwrap_or_default())
        .with_content_type("application/json".into())
        .with_delivery_mode(2);
    let body = std::str::from_utf8(&delivery.data)?;
    let confirm = publish(&out, (EVENTS.0.into(), EVENTS.1.into()), body, properties).await?;
    match confirm.await? {
        Confirmation::Ack(None) => delivery.ack(BasicAckOptions::default()).await?,
        Confirmation::Ack(Some(_)) | Confirmation::Nack(_) | Confirmation::NotRequested => {
            delivery.nack(BasicNackOptions { requeue: true, ..BasicNackOptions::default() }).await?
        }
    };
    Ok(())
}
