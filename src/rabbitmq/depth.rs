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

/// What lies in a queue, ready to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ready {
    /// Messages that nobody has taken.
    pub messages: u32,
    /// Those who take, or stand in line to.
    pub consumers: u32,
}

impl Ready {
    fn of(queue: &Queue) -> Self {
        Self { messages: queue.message_count(), consumers: queue.consumer_count() }
    }

    /// Together with what lies in the queues before it.
    fn after(self, before: Option<Self>) -> Self {
        before.map_or(self, |before| Self { messages: before.messages.saturating_add(self.messages), ..before })
    }
}

/// Tells for each kind of queue what lies in those of that kind together, and how many consume the first of them; as long as
/// it is polled.
pub async fn watch(
    connection: &Connection,
    kinds: impl Fn() -> Vec<Vec<String>>,
    seen: impl Fn(usize, Ready),
) -> Infallible {
    let mut ticks = tokio::time::interval(INTERVAL);
    loop {
        ticks.tick().await;
        for (place, queues) in kinds().iter().enumerate() {
            if let Some(ready) = together(connection, queues).await {
                seen(place, ready);
            }
        }
    }
}

/// Nothing if it is not to be had of all of them: a part would look like the whole.
async fn together(connection: &Connection, queues: &[String]) -> Option<Ready> {
    let mut sum = None;
    for queue in queues {
        match ask(connection, queue).await {
            Ok(found) => sum = Some(found.after(sum)),
            Err(error) => {
                debug!(queue, %error, "the depth of a queue is not to be had");
                return None;
            }
        }
    }
    sum
}

/// A channel of its own each time: asking for a queue that is missing closes the channel.
pub(super) async fn ask(connection: &Connection, queue: &str) -> Result<Ready, lapin::Error> {
    let channel = connection.create_channel().await?;
    let found = declared(&channel, queue).await?;
    channel.close(200, "asked".into()).await?;
    Ok(Ready::of(&found))
}

/// Tells again and again what lies in queues together, and how many consume the first of them, as long as it is polled; `None`
/// where that is not to be had. Unlike [`watch`] so often that it keeps its channel.
pub async fn follow(
    connection: &Connection,
    queues: &[String],
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
            let mut sum = None;
            for queue in queues {
                sum = Some(Ready::of(&declared(&channel, queue).await?).after(sum));
            }
            Ok((channel, sum))
        });
        match asked.await {
            Ok((channel, ready)) => {
                kept = Some(channel);
                seen(ready);
            }
            Err(error) => {
                debug!(error = chain(&error), "what lies in the queues of requests is not to be had");
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
