//! The one list of exchanges, queues and bindings, each argument with its reason. Everything else reads it: declaring,
//! verifying and exporting cannot differ.

use std::fmt;

use lapin::ExchangeKind;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};

use super::names::{Names, RUNGS};

/// Looking at a message counts as a delivery, and what exceeds the limit is dropped. An absent limit means 20 on
/// RabbitMQ 4, `-1` no limit there and one single delivery on 3.10: so a number that is never reached.
const LOOKING_USES_NOTHING_UP: i64 = 2_000_000_000;
/// A last net, for what the worker itself never gets to settle: it counts attempts by headers of its own.
const REQUESTS_DELIVERY_LIMIT: i64 = 200;
/// Nobody is bound for these events: keep some days of them, but never fill the disk.
const UNROUTED_CAP: i64 = 100_000;

/// A value of an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
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
    /// Its type, one of `direct`, `topic`, `fanout`.
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

/// A queue bound to an exchange.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Binding {
    /// The exchange's full name.
    pub exchange: String,
    /// The queue's full name.
    pub queue: String,
    /// The routing key.
    pub key: &'static str,
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
}

/// The plan of one installation.
#[must_use]
pub fn plan(names: &Names) -> Plan {
    let direct = |name| Exchange { name, kind: ExchangeKind::Direct, arguments: Vec::new() };
    let exchanges = vec![
        // Producers write here and nowhere else.
        direct(names.intake()),
        // Apart from the intake, because topic permissions do not apply to direct exchanges: whoever may write to one,
        // may write with every key, and here lie messages that are believed.
        direct(names.internal()),
        Exchange { name: names.unrouted(), kind: ExchangeKind::Fanout, arguments: Vec::new() },
        Exchange {
            name: names.events(),
            kind: ExchangeKind::Topic,
            // An event that nobody is bound for is kept; one that is returned tells that this exchange is damaged.
            arguments: vec![("alternate-exchange", Value::Text(names.unrouted()))],
        },
    ];
    let mut queues = vec![
        quorum(names.requests(), requests(names)),
        // What waits in it are requests still.
        quorum(names.deferred(), requests(names)),
        quorum(names.dead_letters(), [("x-delivery-limit", Value::Number(LOOKING_USES_NOTHING_UP))]),
        quorum(names.unrouted(), unrouted()),
    ];
    let bind = |exchange, queue, key| Binding { exchange, queue, key };
    let mut bindings = vec![
        bind(names.intake(), names.requests(), names.request_key()),
        bind(names.internal(), names.deferred(), names.deferred_key()),
        bind(names.internal(), names.dead_letters(), names.dead_letter_key()),
        bind(names.unrouted(), names.unrouted(), ""),
    ];
    for rung in RUNGS {
        let milliseconds = i64::try_from(rung.delay.as_millis()).unwrap_or(i64::MAX);
        let mut arguments = vec![("x-message-ttl", Value::Number(milliseconds))];
        arguments.extend(dead_lettering(names.intake(), names.request_key()));
        queues.push(quorum(names.retry(rung), arguments));
        bindings.push(bind(names.internal(), names.retry(rung), names.retry_key(rung)));
    }
    Plan { exchanges, queues, bindings }
}

fn requests(names: &Names) -> Arguments {
    let mut arguments = vec![("x-delivery-limit", Value::Number(REQUESTS_DELIVERY_LIMIT))];
    arguments.extend(dead_lettering(names.internal(), names.dead_letter_key()));
    arguments
}

fn unrouted() -> Arguments {
    vec![
        ("x-delivery-limit", Value::Number(LOOKING_USES_NOTHING_UP)),
        ("x-max-length", Value::Number(UNROUTED_CAP)),
        // The oldest goes: the newest event of a member holds its whole state.
        ("x-overflow", Value::Text("drop-head".to_owned())),
    ]
}

/// Dead-lettering that loses nothing, not even while its target is missing.
fn dead_lettering(exchange: String, key: &str) -> Arguments {
    vec![
        ("x-dead-letter-exchange", Value::Text(exchange)),
        // Without it, all original keys would be used again, those of CC and BCC included.
        ("x-dead-letter-routing-key", Value::Text(key.to_owned())),
        ("x-dead-letter-strategy", Value::Text("at-least-once".to_owned())),
        // Without it, the broker silently falls back to at-most-once.
        ("x-overflow", Value::Text("reject-publish".to_owned())),
    ]
}

/// A replicated queue: what is confirmed survives the loss of a node.
fn quorum(name: String, arguments: impl IntoIterator<Item = (&'static str, Value)>) -> Queue {
    let mut all = vec![("x-queue-type", Value::Text("quorum".to_owned()))];
    all.extend(arguments);
    Queue { name, arguments: all }
}

/// The table that goes over the wire.
pub(super) fn table(arguments: &Arguments) -> FieldTable {
    let mut table = FieldTable::default();
    for (name, value) in arguments {
        table.insert(
            ShortString::from(*name),
            match value {
                Value::Text(text) => AMQPValue::LongString(LongString::from(text.as_str())),
                Value::Number(number) => AMQPValue::LongLongInt(*number),
            },
        );
    }
    table
}

impl Value {
    /// The value in JSON, as the management API shows it.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Number(number) => (*number).into(),
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Plan, Value, plan};
    use crate::rabbitmq::topology::Names;

    fn argument<'a>(plan: &'a Plan, queue: &str, name: &str) -> Option<&'a Value> {
        let queue = plan.queues.iter().find(|known| known.name == queue).expect(queue);
        queue.arguments.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    #[test]
    fn every_queue_that_dead_letters_does_so_at_least_once_and_rejects_what_overflows() {
        let plan = plan(&Names::new("eu."));
        let text = |text: &str| Some(Value::Text(text.to_owned()));
        for queue in &plan.queues {
            let strategy = argument(&plan, &queue.name, "x-dead-letter-strategy").cloned();
            let overflow = argument(&plan, &queue.name, "x-overflow").cloned();
            if argument(&plan, &queue.name, "x-dead-letter-exchange").is_some() {
                assert_eq!((strategy, overflow), (text("at-least-once"), text("reject-publish")), "{}", queue.name);
            }
            assert_eq!(argument(&plan, &queue.name, "x-queue-type").cloned(), text("quorum"), "{}", queue.name);
        }
        assert_eq!(argument(&plan, "eu.join-community.retry.2m", "x-message-ttl"), Some(&Value::Number(120_000)));
    }

    #[test]
    fn looking_uses_nothing_up_and_the_dead_letters_have_no_other_limit() {
        let plan = plan(&Names::new(""));
        for queue in ["join-community.dead-letters", "members.events.unrouted"] {
            assert_eq!(argument(&plan, queue, "x-delivery-limit"), Some(&Value::Number(2_000_000_000)));
        }
        assert_eq!(argument(&plan, "join-community.dead-letters", "x-max-length"), None);
    }

    #[test]
    fn every_queue_is_bound_once_and_every_dead_letter_route_leads_somewhere() {
        let plan = plan(&Names::new("eu."));
        assert_eq!((plan.exchanges.len(), plan.queues.len(), plan.bindings.len()), (4, 9, 9));
        for queue in &plan.queues {
            assert_eq!(plan.bindings.iter().filter(|binding| binding.queue == queue.name).count(), 1, "{}", queue.name);
            let route = |name| argument(&plan, &queue.name, name).map(ToString::to_string);
            if let Some(exchange) = route("x-dead-letter-exchange") {
                let key = route("x-dead-letter-routing-key").expect("a key");
                let leads = plan.bindings.iter().any(|binding| binding.exchange == exchange && binding.key == key);
                assert!(leads, "{} dead-letters into nothing", queue.name);
            }
        }
    }
}
