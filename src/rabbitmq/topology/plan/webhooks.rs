//! The queues of webhooks, where there are any. Apart, because most installations have none.

use super::{
    Arguments, Binding, Destination, Plan, REQUESTS_DELIVERY_LIMIT, UNROUTED_CAP, Value, dead_lettering, quorum,
    unrouted,
};
use crate::rabbitmq::topology::names::Names;
use crate::wire::headers::{EVENT_TYPE, WEBHOOK_DEAD_LETTER_KEY};

/// What waits for one receiver is bounded, queue by queue: one that is out for days must not fill the disk, where the broker
/// would block every publisher. What finds no room becomes a dead letter, and of these the oldest go.
const WAITING_CAP: i64 = UNROUTED_CAP;

pub(super) fn add(names: &Names, plan: &mut Plan) {
    let events =
        Binding { exchange: names.events(), destination: Destination::Queue(names.webhooks()), key: EVENT_TYPE.into() };
    if names.targets().next().is_none() {
        // Switched off: else a queue that nobody takes from would grow with every event.
        plan.former.push(events);
        return;
    }
    let bind = |queue, key: String| Binding {
        exchange: names.internal(),
        destination: Destination::Queue(queue),
        key: key.into(),
    };
    plan.queues.push(quorum(names.webhook_dead_letters(), unrouted()));
    plan.bindings.push(bind(names.webhook_dead_letters(), WEBHOOK_DEAD_LETTER_KEY.to_owned()));
    for target in names.targets() {
        let mut arguments = delivered(names);
        arguments.push(("x-max-length", Value::Number(WAITING_CAP)));
        plan.queues.push(quorum(names.webhook(target), arguments));
        plan.bindings.push(bind(names.webhook(target), Names::webhook_key(target)));
        for wait in names.waits() {
            let milliseconds = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
            let mut arguments = vec![("x-message-ttl", Value::Number(milliseconds))];
            arguments.push(("x-max-length", Value::Number(WAITING_CAP)));
            arguments.extend(dead_lettering(names.internal(), &Names::webhook_key(target)));
            plan.queues.push(quorum(names.webhook_retry(target, *wait), arguments));
            plan.bindings.push(bind(names.webhook_retry(target, *wait), Names::webhook_retry_key(target, *wait)));
        }
    }
    // No limit to its length: it is emptied as fast as the broker confirms, whatever receivers do, and what it rejected would
    // keep events from being confirmed to everybody.
    plan.queues.push(quorum(names.webhooks(), delivered(names)));
    // Last: an event comes only once its whole way is there.
    plan.bindings.push(events);
}

/// The last net for what the worker never gets to settle.
fn delivered(names: &Names) -> Arguments {
    let mut arguments = vec![("x-delivery-limit", Value::Number(REQUESTS_DELIVERY_LIMIT))];
    arguments.extend(dead_lettering(names.internal(), WEBHOOK_DEAD_LETTER_KEY));
    arguments
}

#[cfg(test)]
mod tests {
    use super::super::plan;
    use super::{Binding, Destination, Plan, Value};
    use crate::rabbitmq::topology::names::Names;
    use crate::rabbitmq::topology::names::webhooks::tests::sample;

    fn argument<'a>(plan: &'a Plan, queue: &str, name: &str) -> Option<&'a Value> {
        let queue = plan.queues.iter().find(|known| known.name == queue).expect(queue);
        queue.arguments.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    fn of_events(bindings: &[Binding]) -> Vec<&Binding> {
        bindings.iter().filter(|binding| binding.exchange == "members.events").collect()
    }

    #[test]
    fn a_webhook_waits_and_comes_back_to_its_own_target_and_nothing_leads_nowhere() {
        let names = Names::new("").with_webhooks(&sample());
        let plan = plan(&names);
        assert_eq!((plan.exchanges.len(), plan.queues.len(), plan.bindings.len()), (4, 9 + 8, 10 + 8));
        for queue in names.webhook_queues() {
            let bound = Destination::Queue(queue.clone());
            assert_eq!(plan.bindings.iter().filter(|known| known.destination == bound).count(), 1, "{queue}");
            let route = |name| argument(&plan, &queue, name).map(ToString::to_string);
            let Some(exchange) = route("x-dead-letter-exchange") else { continue };
            let key = route("x-dead-letter-routing-key").expect("a key");
            let leads = plan.bindings.iter().find(|binding| binding.exchange == exchange && binding.key == key);
            let Destination::Queue(to) = &leads.expect(&queue).destination else { panic!("{queue}") };
            let home = queue.split_once(".retry.").map_or("join-community.webhooks.dead-letters", |(home, _)| home);
            assert_eq!(to, home, "of {queue}");
        }
        let rung = "join-community.webhooks.to.crm.retry.1h30m";
        assert_eq!(argument(&plan, rung, "x-message-ttl"), Some(&Value::Number(5_400_000)));
        assert_eq!(plan.bindings.last(), of_events(&plan.bindings).first().copied());
        assert!(of_events(&plan.former).is_empty());
    }

    #[test]
    fn what_waits_for_one_receiver_is_bounded_and_what_waits_for_us_is_not() {
        let plan = plan(&Names::new("").with_webhooks(&sample()));
        for queue in ["to.crm", "to.crm.retry.1m", "dead-letters"] {
            let queue = format!("join-community.webhooks.{queue}");
            assert_eq!(argument(&plan, &queue, "x-max-length"), Some(&Value::Number(100_000)), "{queue}");
        }
        assert_eq!(argument(&plan, "join-community.webhooks", "x-max-length"), None);
    }

    #[test]
    fn where_they_are_off_there_is_no_queue_and_an_earlier_one_gets_no_more_events() {
        let plan = plan(&Names::new("").sharded(4));
        assert!(plan.queues.iter().all(|queue| !queue.name.contains("webhooks")));
        assert!(of_events(&plan.bindings).is_empty());
        assert_eq!(of_events(&plan.former).len(), 1);
    }
}
