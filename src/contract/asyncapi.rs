//! The `AsyncAPI` 3 document: channels, operations as the worker sees them, messages, and every schema.
//!
//! Exchanges, queues and keys come from the same names that the worker declares, those of an installation without prefix.

mod channels;
mod messages;

use serde_json::{Map, Value, json};

use super::schemas;
use crate::rabbitmq::topology::Names;

/// The version of the contract: what breaks producers or consumers raises it.
const VERSION: &str = "1.0.0";

const DESCRIPTION: &str = "The queue worker behind `members.joinCommunity()` and `members.leaveCommunity()`. Operations are told from its side: it receives \
    requests, and sends everything else. Requests are answered at least once and take effect once; events come at least once. \
    Names are those of an installation without prefix (`broker.prefix` stands in front of exchange and queue names). What \
    AMQP calls properties stands in `x-amqp-properties` of each message, since AsyncAPI has no place for them. \
    `docs/messages.md` tells the same in prose.";

pub(super) fn document() -> Value {
    let names = Names::new("");
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Join Community",
            "version": VERSION,
            "description": DESCRIPTION,
            "license": { "name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0" },
        },
        "defaultContentType": "application/json",
        "servers": {
            "broker": {
                "host": "broker.example:5672",
                "protocol": "amqp",
                "protocolVersion": "0-9-1",
                "description": "RabbitMQ: requests in; replies, events and dead letters out.",
            },
            "cache": {
                "host": "cache.example:6379",
                "protocol": "redis",
                "description": "Redis or Valkey: public profiles.",
            },
            "receiver": {
                "host": "receiver.example",
                "protocol": "https",
                "description": "Whoever an operator has webhooks sent to; by `http` where the operator says so.",
            },
        },
        "channels": channels::channels(&names),
        "operations": channels::operations(),
        "components": {
            "schemas": components(),
            "messages": messages::messages(),
            "messageTraits": messages::traits(),
        },
    })
}

fn components() -> Map<String, Value> {
    schemas::all().into_iter().map(|named| (named.name.to_owned(), named.schema)).collect()
}

/// A reference to a part of the document.
fn reference(pointer: &str) -> Value {
    json!({ "$ref": format!("#/{pointer}") })
}
