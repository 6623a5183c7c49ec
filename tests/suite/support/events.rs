//! A listener at an exchange, with a queue of its own that exists before anything is sent.

use futures_util::StreamExt as _;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Consumer};
use serde_json::Value;
use uuid::Uuid;

use super::delivered::Delivered;
use super::waiting::within_patience;

/// An event as it came.
pub(crate) type Event = Delivered;

/// What an exchange routes, in the order in which it came.
pub(crate) struct Events {
    // The queue ends with this channel.
    channel: Channel,
    consumer: Consumer,
    from: (ShortString, ShortString),
}

impl Events {
    pub(super) async fn listen(channel: Channel, exchange: &str, key: &str) -> Self {
        let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let queue = channel.queue_declare("".into(), options, FieldTable::default()).await.unwrap();
        let (name, bind) = (queue.name().clone(), QueueBindOptions::default());
        channel.queue_bind(name.clone(), exchange.into(), key.into(), bind, FieldTable::default()).await.unwrap();
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let consumer = channel.basic_consume(name, "".into(), options, FieldTable::default()).await.unwrap();
        Self { channel, consumer, from: (exchange.into(), key.into()) }
    }

    /// The next message.
    pub(crate) async fn next(&mut self) -> Event {
        let next = within_patience("the next message", self.consumer.next()).await;
        Event::read(&next.expect("the queue lives").expect("the channel lives"))
    }

    /// Everything that was routed before this call.
    pub(crate) async fn all_so_far(&mut self) -> Vec<Event> {
        let end = Uuid::new_v4().to_string();
        let properties = BasicProperties::default().with_message_id(end.as_str().into());
        let ((exchange, key), options) = (self.from.clone(), BasicPublishOptions::default());
        self.channel.basic_publish(exchange, key, options, b"", properties).await.unwrap();
        let mut before = Vec::new();
        loop {
            let event = self.next().await;
            if event.message_id() == Some(&end) {
                return before;
            }
            before.push(event);
        }
    }

    /// The events that come before the first one about this member, and that one.
    pub(crate) async fn until(&mut self, member: Uuid) -> (Vec<Event>, Event) {
        let mut before = Vec::new();
        loop {
            let event = self.next().await;
            if subject(&event) == member {
                return (before, event);
            }
            before.push(event);
        }
    }

    /// Proves that nothing was announced before the marker, a member whose change was made after everything was paid.
    pub(crate) async fn none_before(&mut self, marker: Uuid) {
        let (before, _) = self.until(marker).await;
        let before: Vec<Value> = before.iter().map(Event::json).collect();
        assert!(before.is_empty(), "unexpected events: {before:#?}");
    }
}

/// The member that an event is about.
pub(crate) fn subject(event: &Event) -> Uuid {
    event.json()["entityId"].as_str().and_then(|id| id.parse().ok()).expect("an event names its member")
}
