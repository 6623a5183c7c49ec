//! The topology as RabbitMQ definitions, for those who deploy by importing them. Separate, because it needs no broker.

use serde_json::{Map, Value as Json, json};

use super::names::Names;
use super::plan::{Arguments, Destination, plan};

/// Definitions (JSON) with exchanges, queues and bindings for a vhost, which is to exist; no users and no rights.
#[must_use]
pub fn export(names: &Names, vhost: &str) -> Json {
    let plan = plan(names);
    let exchanges = plan.exchanges.iter().map(|exchange| {
        let kind = kind(&exchange.kind);
        json!({
            "name": exchange.name, "vhost": vhost, "type": kind, "durable": true, "auto_delete": false,
            "internal": false, "arguments": arguments(&exchange.arguments),
        })
    });
    let queues = plan.queues.iter().map(|queue| {
        json!({
            "name": queue.name, "vhost": vhost, "durable": true, "auto_delete": false,
            "arguments": arguments(&queue.arguments),
        })
    });
    let bindings = plan.bindings.iter().map(|binding| {
        let (kind, name) = match &binding.destination {
            Destination::Queue(name) => ("queue", name),
            Destination::Exchange(name) => ("exchange", name),
        };
        json!({
            "source": binding.exchange, "vhost": vhost, "destination": name, "destination_type": kind,
            "routing_key": binding.key, "arguments": {},
        })
    });
    json!({
        "exchanges": exchanges.collect::<Vec<_>>(),
        "queues": queues.collect::<Vec<_>>(),
        "bindings": bindings.collect::<Vec<_>>(),
    })
}

/// The word for an exchange's type.
pub(super) fn kind(kind: &lapin::ExchangeKind) -> &str {
    match kind {
        lapin::ExchangeKind::Direct => "direct",
        lapin::ExchangeKind::Fanout => "fanout",
        lapin::ExchangeKind::Headers => "headers",
        lapin::ExchangeKind::Topic => "topic",
        lapin::ExchangeKind::Custom(name) => name,
    }
}

fn arguments(arguments: &Arguments) -> Map<String, Json> {
    arguments.iter().map(|(name, value)| ((*name).to_owned(), value.to_json())).collect()
}

#[cfg(test)]
mod tests {
    use super::export;
    use crate::rabbitmq::topology::Names;

    #[test]
    fn the_export_holds_every_object_with_its_arguments_and_no_user() {
        let export = export(&Names::new("eu."), "team/a");
        assert_eq!(export["exchanges"].as_array().map(Vec::len), Some(4));
        assert_eq!(export["queues"].as_array().map(Vec::len), Some(9));
        assert_eq!(export["bindings"].as_array().map(Vec::len), Some(10));
        assert_eq!(export["queues"][0]["name"], "eu.join-community.requests");
        assert_eq!(export["queues"][0]["vhost"], "team/a");
        assert_eq!(export["queues"][0]["arguments"]["x-delivery-limit"], 200);
        assert_eq!(export["exchanges"][3]["arguments"]["alternate-exchange"], "eu.members.events.unrouted");
        assert!(export.get("users").is_none());
    }

    #[test]
    fn the_export_of_a_spread_installation_leads_requests_over_an_exchange_of_the_plugin() {
        let export = export(&Names::new("").sharded(3), "/");
        assert_eq!(export["exchanges"][4]["type"], "x-consistent-hash");
        assert_eq!(export["queues"][11]["name"], "join-community.requests.3");
        assert_eq!(export["queues"][11]["arguments"]["x-single-active-consumer"], true);
        let bindings = export["bindings"].as_array().unwrap();
        let from_intake: Vec<_> = bindings.iter().filter(|binding| binding["source"] == "join-community").collect();
        assert_eq!(from_intake.len(), 2, "{from_intake:?}");
        for (binding, key) in from_intake.into_iter().zip(["request", "leave"]) {
            assert_eq!((&binding["destination_type"], &binding["routing_key"]), (&"exchange".into(), &key.into()));
            assert_eq!(binding["destination"], "join-community.shards");
        }
    }
}
