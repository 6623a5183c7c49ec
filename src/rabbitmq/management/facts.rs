//! What the management API tells, as far as it is asked for. Separate from the asking, because versions spell it differently.

use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// The broker.
#[derive(Clone, Debug, Deserialize)]
pub struct Overview {
    /// Its version.
    pub rabbitmq_version: String,
}

/// An exchange.
#[derive(Clone, Debug, Deserialize)]
pub struct ExchangeFacts {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it survives a restart.
    pub durable: bool,
    /// Whether it goes with its last binding.
    pub auto_delete: bool,
    /// Whether clients are kept from publishing to it.
    pub internal: bool,
    /// Its arguments.
    #[serde(default, deserialize_with = "object")]
    pub arguments: Map<String, Value>,
    /// The policy that applies to it.
    pub policy: Option<String>,
}

/// A queue.
#[derive(Clone, Debug, Deserialize)]
pub struct QueueFacts {
    /// Whether it survives a restart.
    pub durable: bool,
    /// Whether it goes with its last consumer.
    pub auto_delete: bool,
    /// Its arguments.
    #[serde(default, deserialize_with = "object")]
    pub arguments: Map<String, Value>,
    /// What policies, the operator's included, come to.
    #[serde(default, rename = "effective_policy_definition", deserialize_with = "object")]
    pub policy: Map<String, Value>,
    /// Messages that somebody has taken and not settled; absent in the first moments of a queue.
    #[serde(default)]
    pub messages_unacknowledged: Option<u64>,
}

/// A binding.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct BindingFacts {
    /// The exchange; empty for the default one.
    pub source: String,
    /// What is bound.
    pub destination: String,
    /// Whether that is a `queue` or an `exchange`.
    pub destination_type: String,
    /// The routing key.
    pub routing_key: String,
}

#[derive(Deserialize)]
pub(super) struct Policy {
    pub(super) name: String,
    #[serde(deserialize_with = "object")]
    pub(super) definition: Map<String, Value>,
}

#[derive(Deserialize)]
pub(super) struct FeatureFlag {
    pub(super) name: String,
    pub(super) state: String,
}

impl QueueFacts {
    /// How long a delivery may stay unsettled, if argument or policy say so. The broker's own setting is not to be had
    /// from any version: `None` means unknown, not unlimited.
    #[must_use]
    pub fn consumer_timeout(&self) -> Option<Duration> {
        let value = self.arguments.get("x-consumer-timeout").or_else(|| self.policy.get("consumer-timeout"));
        value.and_then(Value::as_u64).map(Duration::from_millis)
    }
}

/// An object, which some versions spell `[]` when it is empty.
fn object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    if let Value::Object(object) = Value::deserialize(deserializer)? { Ok(object) } else { Ok(Map::new()) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::QueueFacts;

    #[test]
    fn an_empty_object_may_be_spelled_as_a_list() {
        let json = r#"{"durable":true,"auto_delete":false,"arguments":[],"effective_policy_definition":[]}"#;
        let queue: QueueFacts = serde_json::from_str(json).unwrap();
        assert!(queue.arguments.is_empty() && queue.policy.is_empty());
        assert_eq!(queue.consumer_timeout(), None);
    }

    #[test]
    fn the_limit_of_a_delivery_is_read_from_argument_or_policy() {
        let json = r#"{"durable":true,"auto_delete":false,"effective_policy_definition":{"consumer-timeout":60000}}"#;
        let queue: QueueFacts = serde_json::from_str(json).unwrap();
        assert_eq!(queue.consumer_timeout(), Some(Duration::from_mins(1)));
    }
}
