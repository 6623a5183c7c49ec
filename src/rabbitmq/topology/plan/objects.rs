//! What a plan is made of. Separate from the plan, because what reads it needs no reasons.

use std::borrow::Cow;
use std::fmt;

use lapin::ExchangeKind;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};

/// A value of an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Yes or no.
    Flag(bool),
    /// Text.
    Text(String),
    /// A number.
    Number(i64),
}

/// Arguments by name.
pub type Arguments = Vec<(&'static str, Value)>;

/// An exchange, always durable.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Its full name.
    pub name: String,
    /// Its type, one of `direct`, `topic`, `fanout`, `x-consistent-hash`.
    pub kind: ExchangeKind,
    /// Its arguments.
    pub arguments: Arguments,
}

/// A quorum queue.
#[derive(Clone, Debug)]
pub struct Queue {
    /// Its full name.
    pub name: String,
    /// Its arguments.
    pub arguments: Arguments,
}

/// What is bound to an exchange, by its full name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Destination {
    /// A queue.
    Queue(String),
    /// Another exchange.
    Exchange(String),
}

/// A queue or an exchange bound to an exchange.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Binding {
    /// The exchange's full name.
    pub exchange: String,
    /// What is bound to it.
    pub destination: Destination,
    /// The routing key.
    pub key: Cow<'static, str>,
}

/// Everything that is declared, in an order in which it can be.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Exchanges.
    pub exchanges: Vec<Exchange>,
    /// Queues.
    pub queues: Vec<Queue>,
    /// Bindings.
    pub bindings: Vec<Binding>,
    /// Bindings of another number of shards, and of webhooks that are off. They go once all of the others are there: what
    /// takes both ways meanwhile comes twice and counts once, what found none would be lost.
    pub former: Vec<Binding>,
}

/// The table that goes over the wire.
pub(in crate::rabbitmq::topology) fn table(arguments: &Arguments) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        table.insert(
            ShortString::from(*name),
            match value {
                Value::Flag(flag) => AMQPValue::Boolean(*flag),
                Value::Text(text) => AMQPValue::LongString(LongString::from(text.as_str())),
                Value::Number(number) => AMQPValue::LongLongInt(*number),
            },
        );
    }
    table
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue(name) => write!(f, "queue `{name}`"),
            Self::Exchange(name) => write!(f, "exchange `{name}`"),
        }
    }
}

impl Value {
    /// The value in JSON, as the management API shows it.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Flag(flag) => (*flag).into(),
            Self::Text(text) => text.as_str().into(),
            Self::Number(number) => (*number).into(),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => flag.fmt(f),
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
        }
    }
}
