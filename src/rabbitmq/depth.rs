//! How many messages lie in queues, asked now and then.

use std::convert::Infallible;
use std::time::Duration;

use lapin::Connection;
use lapin::options::QueueDeclareOptions;
use lapin::types::{FieldTable, ShortString};
use tracing::debug;

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
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    let name = ShortString::try_new(queue.to_owned()).unwrap_or_default();
    let found = channel.queue_declare(name, passive, FieldTable::default()).await?;
    channel.close(200, "asked".into()).await?;
    Ok(found.message_count())
}
