//! How many messages lie in queues, asked now and then.

use std::convert::Infallible;
use std::time::Duration;

use lapin::options::QueueDeclareOptions;
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Connection, Queue};
use tokio::time::MissedTickBehavior;
use tracing::debug;

use super::call::within;
use crate::telemetry::chain;

const INTERVAL: Duration = Duration::from_secs(10);

/// Tells for each queue, by its place in the list, how many messages lie in it; as long as it is polled.
pub async fn watch(connection: &Connection, queues: &[String], seen: impl Fn(usize, u32)) -> Infallible {
    let mut ticks = tokio::time::interval(INTERVAL);
    loop {
        ticks.tick().await;
        for (place, queue) in queues.iter().enumerate() {
            match ask(connection, queue).await {
                Ok(messages) => seen(place, messages),
                Err(error) => debug!(queue, %error, "the depth of a queue is not to be had"),
            }
        }
    }
}

/// A channel of its own each time: asking for a queue that is missing closes the channel.
async fn ask(connection: &Connection, queue: &str) -> Result<u32, lapin::Error> {
    let channel = connection.create_channel().await?;
    let found = declared(&channel, queue).await?;
    channel.close(200, "asked".into()).await?;
    Ok(found.message_count())
}

/// What lies in a queue, ready to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Messages that nobody has taken.
    pub messages: u32,
    /// Those who take.
    pub consumers: u32,
}

/// Tells again and again what lies in a queue, as long as it is polled; `None` where that is not to be had. Unlike
/// [`watch`] so often that it keeps its channel.
pub async fn follow(
    connection: &Connection,
    queue: &str,
    between: Duration,
    limit: Duration,
    mut seen: impl FnMut(Option<Ready>),
) -> Infallible {
    let mut ticks = tokio::time::interval(between);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut kept: Option<Channel> = None;
    loop {
        ticks.tick().await;
        let asked = within(limit, async {
            let channel = match kept.take() {
                Some(channel) => channel,
                None => connection.create_channel().await?,
            };
            let found = declared(&channel, queue).await?;
            Ok((channel, Ready { messages: found.message_count(), consumers: found.consumer_count() }))
        });
        match asked.await {
            Ok((channel, ready)) => {
                kept = Some(channel);
                seen(Some(ready));
            }
            Err(error) => {
                debug!(queue, error = chain(&error), "what lies in a queue is not to be had");
                seen(None);
            }
        }
    }
}

async fn declared(channel: &Channel, queue: &str) -> Result<Queue, lapin::Error> {
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let name = ShortString::try_new(queue.to_owned()).unwrap_or_default();
    channel.queue_declare(name, passive, FieldTable::default()).await
}
