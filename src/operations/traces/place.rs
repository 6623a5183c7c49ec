//! Where messages come from and go to, in the words of OpenTelemetry's conventions for messaging. Apart, because those
//! words are not ours, and may change.

use opentelemetry::KeyValue;

/// Where messages come from or go to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Destination<'a> {
    /// The exchange that they are published to.
    pub exchange: &'a str,
    /// With this key; empty where it may be one or another.
    pub routing_key: &'a str,
    /// The queue that they are taken from; empty where they are sent.
    pub queue: &'a str,
}

/// What is done at a destination, in the words of the conventions for messaging.
pub(super) struct Place {
    /// What a span of it is called.
    pub(super) span: String,
    operation: &'static str,
    kind: &'static str,
    name: String,
    routing_key: String,
}

impl Place {
    pub(super) fn new(operation: &'static str, kind: &'static str, destination: Destination<'_>) -> Self {
        let Destination { exchange, routing_key, queue } = destination;
        let name = [exchange, routing_key, queue].into_iter().filter(|part| !part.is_empty());
        let name = name.collect::<Vec<_>>().join(":");
        Self { span: format!("{operation} {name}"), operation, kind, name, routing_key: routing_key.to_owned() }
    }

    pub(super) fn attributes(&self) -> Vec<KeyValue> {
        let mut attributes = vec![
            KeyValue::new("messaging.system", "rabbitmq"),
            KeyValue::new("messaging.operation.name", self.operation),
            KeyValue::new("messaging.operation.type", self.kind),
            KeyValue::new("messaging.destination.name", self.name.clone()),
        ];
        if !self.routing_key.is_empty() {
            let key = "messaging.rabbitmq.destination.routing_key";
            attributes.push(KeyValue::new(key, self.routing_key.clone()));
        }
        attributes
    }
}
