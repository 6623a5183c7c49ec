//! The one list of exchanges, queues and bindings, each argument with its reason. Everything else reads it: declaring,
//! verifying and exporting cannot differ.

mod objects;
mod webhooks;

use lapin::ExchangeKind;

pub(super) use objects::table;
pub use objects::{Arguments, Binding, Destination, Exchange, Plan, Queue, Value};

use super::names::{Names, RUNGS};
use crate::config::MOST_SHARDS;
use crate::wire::headers;

/// Looking at a message counts as a delivery, and what exceeds the limit is dropped. An absent limit means 20 on
/// RabbitMQ 4, `-1` no limit there and one single delivery on 3.10: so a number that is never reached.
const LOOKING_USES_NOTHING_UP: i64 = 2_000_000_000;
/// A last net, for what the worker itself never gets to settle: it counts attempts by headers of its own.
const REQUESTS_DELIVERY_LIMIT: i64 = 200;
/// Seven days: longer than a long weekend. Fixed, because an argument cannot be changed once the queue is declared.
pub(crate) const DISCARDED_FOR: i64 = 7 * 24 * 60 * 60 * 1000;
/// Nobody is bound for these events: keep some days of them, but never fill the disk.
const UNROUTED_CAP: i64 = 100_000;

/// The type of exchange that RabbitMQ's plugin of that name brings.
pub(super) const CONSISTENT_HASH: &str = "x-consistent-hash";
/// The key of a binding is the share that the queue gets there.
const SAME_WEIGHT: &str = "1";

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
        quorum(names.dead_letters(), [("x-delivery-limit", Value::Number(LOOKING_USES_NOTHING_UP))]),
        quorum(names.discarded(), discarded()),
        quorum(names.unrouted(), dropping_oldest(UNROUTED_CAP)),
    ];
    let bind = |exchange, queue, key: &'static str| Binding {
        exchange,
        destination: Destination::Queue(queue),
        key: key.into(),
    };
    let mut bindings = vec![
        bind(names.internal(), names.dead_letters(), names.dead_letter_key()),
        bind(names.internal(), names.discarded(), names.discarded_key()),
        bind(names.unrouted(), names.unrouted(), ""),
    ];
    for rung in RUNGS {
        let milliseconds = i64::try_from(rung.delay.as_millis()).unwrap_or(i64::MAX);
        let mut arguments = vec![("x-message-ttl", Value::Number(milliseconds))];
        arguments.extend(dead_lettering(names.intake(), names.request_key()));
        queues.push(quorum(names.retry(rung), arguments));
        bindings.push(bind(names.internal(), names.retry(rung), names.retry_key(rung)));
    }
    let mut plan = spread(names, Plan { exchanges, queues, bindings, former: Vec::new() });
    webhooks::add(names, &mut plan);
    plan
}

/// The way of the requests: into the one queue, or spread over the shards.
fn spread(names: &Names, mut plan: Plan) -> Plan {
    let bind = |exchange, destination, key: &'static str| Binding { exchange, destination, key: key.into() };
    let keys = names.request_keys();
    let whole = keys.map(|key| bind(names.intake(), Destination::Queue(names.requests()), key));
    let spread = keys.map(|key| bind(names.intake(), Destination::Exchange(names.spread()), key));
    if names.shards() == 0 {
        plan.bindings.extend(whole);
        return Plan { former: spread.into(), ..plan };
    }
    plan.exchanges.push(Exchange {
        name: names.spread(),
        kind: ExchangeKind::Custom(CONSISTENT_HASH.to_owned()),
        // Requests without the header go all to one shard: slower, and as safe.
        arguments: vec![("hash-header", Value::Text(headers::MEMBER_ID.to_owned()))],
    });
    let shard = |number| bind(names.spread(), Destination::Queue(names.shard(number)), SAME_WEIGHT);
    for number in 1..=names.shards() {
        let mut arguments = requests(names);
        // All requests for a member in one hand at a time: that keeps their order.
        arguments.push(("x-single-active-consumer", Value::Flag(true)));
        plan.queues.push(quorum(names.shard(number), arguments));
        plan.bindings.push(shard(number));
    }
    plan.bindings.extend(spread);
    plan.former.extend(whole);
    plan.former.extend((names.shards() + 1..=MOST_SHARDS).map(shard));
    plan
}

fn requests(names: &Names) -> Arguments {
    let mut arguments = vec![("x-delivery-limit", Value::Number(REQUESTS_DELIVERY_LIMIT))];
    arguments.extend(dead_lettering(names.internal(), names.dead_letter_key()));
    arguments
}

/// What was discarded can be restored for a while, and then goes for good: it is dead-lettered nowhere.
fn discarded() -> Arguments {
    vec![("x-delivery-limit", Value::Number(LOOKING_USES_NOTHING_UP)), ("x-message-ttl", Value::Number(DISCARDED_FOR))]
}

/// What never refuses anything, and never holds more than so many.
fn dropping_oldest(cap: i64) -> Arguments {
    vec![
        ("x-delivery-limit", Value::Number(LOOKING_USES_NOTHING_UP)),
        ("x-max-length", Value::Number(cap)),
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

#[cfg(test)]
mod tests {
    use super::{Binding, Destination, Plan, Value, plan};
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
        for queue in ["join-community.dead-letters", "join-community.discarded", "members.events.unrouted"] {
            assert_eq!(argument(&plan, queue, "x-delivery-limit"), Some(&Value::Number(2_000_000_000)));
        }
        assert_eq!(argument(&plan, "join-community.dead-letters", "x-max-length"), None);
        assert_eq!(argument(&plan, "join-community.dead-letters", "x-message-ttl"), None);
        let week = Some(&Value::Number(604_800_000));
        assert_eq!(argument(&plan, "join-community.discarded", "x-message-ttl"), week);
        assert_eq!(argument(&plan, "join-community.discarded", "x-dead-letter-exchange"), None);
    }

    #[test]
    fn every_queue_is_bound_once_for_each_of_its_keys_and_every_dead_letter_route_leads_somewhere() {
        let plan = plan(&Names::new("eu."));
        assert_eq!((plan.exchanges.len(), plan.queues.len(), plan.bindings.len()), (4, 9, 10));
        for queue in &plan.queues {
            let bound = Destination::Queue(queue.name.clone());
            let keys: Vec<_> =
                plan.bindings.iter().filter(|known| known.destination == bound).map(|it| &*it.key).collect();
            if queue.name == "eu.join-community.requests" {
                assert_eq!(keys, ["request", "leave"]);
            } else {
                assert_eq!(keys.len(), 1, "{}", queue.name);
            }
            let route = |name| argument(&plan, &queue.name, name).map(ToString::to_string);
            if let Some(exchange) = route("x-dead-letter-exchange") {
                let key = route("x-dead-letter-routing-key").expect("a key");
                let leads = plan.bindings.iter().any(|binding| binding.exchange == exchange && binding.key == key);
                assert!(leads, "{} dead-letters into nothing", queue.name);
            }
        }
    }

    #[test]
    fn requests_are_spread_over_shards_or_lie_in_one_queue_and_the_other_way_is_taken_down() {
        let (one, four) = (plan(&Names::new("").sharded(1)), plan(&Names::new("").sharded(4)));
        assert_eq!((four.exchanges.len(), four.queues.len(), four.bindings.len()), (5, 13, 14));
        let intake = |bindings: &[Binding]| -> Vec<Binding> {
            bindings.iter().filter(|binding| binding.exchange == "join-community").cloned().collect()
        };
        assert_eq!(intake(&one.bindings), intake(&four.former));
        assert_eq!(intake(&one.former), intake(&four.bindings));
        // The intake leads to the shards only once each of them is bound.
        assert_eq!(four.bindings.last(), intake(&four.bindings).last());
        let shards =
            |bindings: &[Binding]| bindings.iter().filter(|known| known.exchange == "join-community.shards").count();
        assert_eq!((shards(&four.bindings), shards(&four.former)), (4, 60));
        assert_eq!(argument(&four, "join-community.requests.4", "x-single-active-consumer"), Some(&Value::Flag(true)));
        assert_eq!(argument(&four, "join-community.requests", "x-single-active-consumer"), None);
    }
}
