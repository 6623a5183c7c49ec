//! What lies in the installation's queues. Looking leaves everything where it is.

use lapin::options::{BasicGetOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, ShortString};

use super::Installation;
use super::delivered::Delivered;
use super::waiting::{PATIENCE, eventually};

/// A dead letter as it lies there.
pub(crate) type DeadLetter = Delivered;

impl Installation {
    /// Waits until there are so many dead letters, and reads them, in their order.
    pub(crate) async fn dead_letters(&self, count: u32) -> Vec<DeadLetter> {
        self.messages("join-community.dead-letters", count).await
    }

    /// Waits until a queue holds so many messages, and reads them. They stay.
    pub(crate) async fn messages(&self, queue: &str, count: u32) -> Vec<Delivered> {
        let channel = self.channel().await;
        eventually(&format!("{queue} holds {count} messages"), PATIENCE, async || match self.depth(queue).await {
            found if found == count => Ok(()),
            found => Err(found),
        })
        .await;
        let mut found = Vec::new();
        while let Some(message) = channel.basic_get(queue.into(), BasicGetOptions::default()).await.unwrap() {
            found.push(Delivered::read(&message.delivery));
        }
        // Not acknowledged: all of it goes back when the channel closes.
        channel.close(200, "read".into()).await.unwrap();
        found
    }

    /// How many messages wait in a queue.
    pub(crate) async fn depth(&self, queue: &str) -> u32 {
        let channel = self.channel().await;
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let found = channel.queue_declare(queue.into(), passive, FieldTable::default()).await.unwrap();
        channel.close(200, "counted".into()).await.unwrap();
        found.message_count()
    }

    /// Makes a queue that anybody may look into, for as long as the installation lives.
    pub(crate) async fn foreign_queue(&self, name: &str) {
        let channel = self.channel().await;
        let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(name.into(), options, FieldTable::default()).await.unwrap();
        channel.close(200, "made".into()).await.unwrap();
    }

    /// Puts a message into a queue, past every exchange.
    pub(crate) async fn put(&self, queue: &str, body: &[u8]) {
        let channel = self.channel().await;
        let (exchange, options) = (ShortString::default(), BasicPublishOptions::default());
        channel.basic_publish(exchange, queue.into(), options, body, lapin::BasicProperties::default()).await.unwrap();
        channel.close(200, "put".into()).await.unwrap();
    }
}
