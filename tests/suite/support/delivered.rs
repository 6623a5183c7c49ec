//! A delivery, its headers readable as JSON. Apart, because replies, events and dead letters are all read this way.

use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Map, Value, json};

/// A message that came.
#[derive(Clone, Debug)]
pub(crate) struct Delivered {
    /// The body.
    pub(crate) body: Vec<u8>,
    /// The properties.
    pub(crate) properties: BasicProperties,
    /// The headers, an object.
    pub(crate) headers: Value,
    /// The exchange it was published to last.
    pub(crate) exchange: String,
    /// The routing key it was published with last.
    pub(crate) routing_key: String,
}

impl Delivered {
    pub(super) fn read(delivery: &Delivery) -> Self {
        Self {
            body: delivery.data.clone(),
            headers: delivery.properties.headers().as_ref().map_or_else(|| json!({}), table),
            properties: delivery.properties.clone(),
            exchange: delivery.exchange.to_string(),
            routing_key: delivery.routing_key.to_string(),
        }
    }

    /// A header that must be text.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].as_str().unwrap_or_else(|| panic!("no text in header {name}: {}", self.headers))
    }

    /// The body, which must be JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("no JSON: {error}: {:?}", self.body))
    }

    /// Property `message_id`.
    pub(crate) fn message_id(&self) -> Option<&str> {
        self.properties.message_id().as_ref().map(lapin::types::ShortString::as_str)
    }
}

fn table(table: &FieldTable) -> Value {
    Value::Object(table.inner().iter().map(|(name, header)| (name.to_string(), value(header))).collect::<Map<_, _>>())
}

fn value(header: &AMQPValue) -> Value {
    match header {
        AMQPValue::Boolean(flag) => json!(flag),
        AMQPValue::ShortShortInt(number) => json!(number),
        AMQPValue::ShortShortUInt(number) => json!(number),
        AMQPValue::ShortInt(number) => json!(number),
        AMQPValue::ShortUInt(number) => json!(number),
        AMQPValue::LongInt(number) => json!(number),
        AMQPValue::LongUInt(number) => json!(number),
        AMQPValue::LongLongInt(number) => json!(number),
        AMQPValue::Timestamp(seconds) => json!(seconds),
        AMQPValue::ShortString(text) => json!(text.as_str()),
        AMQPValue::LongString(text) => json!(String::from_utf8_lossy(text.as_bytes())),
        AMQPValue::FieldArray(array) => array.as_slice().iter().map(value).collect(),
        AMQPValue::FieldTable(inner) => table(inner),
        AMQPValue::Float(_)
        | AMQPValue::Double(_)
        | AMQPValue::DecimalValue(_)
        | AMQPValue::ByteArray(_)
        | AMQPValue::Void => Value::Null,
    }
}
