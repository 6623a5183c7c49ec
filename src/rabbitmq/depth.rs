//! How many messages lie in a queue, asked now and then.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use lapin::Connection;
use lapin::options::QueueDeclareOptions;
use lapin::types::{FieldTable, ShortString};
use tracing::debug;

const INTERVAL: Duration = Duration::from_secs(10);

/// Keeps `depth` in step with the queue, as long as it is polled.
pub async fn watch(connection: &Connection, queue: &str, depth: &AtomicU32) -> Infallible {
    let mut ticks = tokio::time::interval(INTERVAL);
    loop {
        ticks.tick().await;
        match ask(connection, queue).await {
            Ok(messages) => depth.store(messages, Ordering::Relaxed),
            Err(error) => debug!(queue, %error, "the depth of a queue is not to be had"),
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
