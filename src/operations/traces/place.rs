//! Where messages come from and go to, in the words of OpenTelemetry's conventions for messaging. Apart, because those
//! words are not ours, and may change.

use opentelemetry::KeyValue;

/// Where messages come from or go to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Destination<'a> {
    /// The exchange that they are published to.
    pub exchange: &'a str,
    /// With this key.
    pub routing_key: &'a str,
    /// The queue that they are taken from; empty where they are sent.
    pub queue: &'a str,
}

/// A destination in the words of the conventions for messaging.
pub(super) struct Place {
    pub(super) join: String,
    pub(super) process: String,
    pub(super) send: String,
    name: String,
    routing_key: String,
}

impl Place {
    pub(super) fn new(destination: Destination<'_>) -> Self {
        let Destination { exchange, routing_key, queue } = destination;
        let name = [exchange, routing_key, queue].into_iter().filter(|part| !part.is_empty());
        let name = name.collect::<Vec<_>>().join(":");
        let [join, process, send] = ["join", "process", "send"].map(|operation| format!("{operation} {name}"));
        Self { join, process, send, name, routing_key: routing_key.to_owned() }
    }

    pub(super) fn attributes(&self, operation: &'static str, kind: &'static str) -> Vec<KeyValue> {
        vec![
            KeyValue::new("messaging.system", "rabbitmq"),
            KeyValue::new("messaging.operation.name", operation),
            KeyValue::new("messaging.operation.type", kind),
            KeyValue::new("messaging.destination.name", self.name.clone()),
            KeyValue::new("messaging.rabbitmq.destination.routing_key", self.routing_key.clone()),
        ]
    }
}
