//! The queues of webhooks, where there are any. Apart, because most installations have none.

use super::{
    Arguments, Binding, Destination, Plan, REQUESTS_DELIVERY_LIMIT, UNROUTED_CAP, Value, dead_lettering,
    dropping_oldest, quorum,
};
use crate::rabbitmq::topology::names::Names;
use crate::wire::headers::EVENT_TYPE;
use crate::wire::webhook::dead_letter_key;

/// What waits for one receiver is bounded, queue by queue: one that is out for days must not fill the disk, where the broker
/// would block every publisher. What finds no room becomes a dead letter, and of these the oldest go.
const WAITING_CAP: i64 = UNROUTED_CAP;
/// Events that wait to be signed: signing is slower than joining can be, so a resync of many members piles them up.
const EVENTS_CAP: i64 = 1_000_000;
/// Most bytes of bodies in a queue, whatever their number: some hundred thousand usual ones.
const MOST_BYTES: i64 = 256 * 1024 * 1024;

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
    plan.queues.push(quorum(names.webhook_dead_letters(), bounded(dropping_oldest(WAITING_CAP))));
    plan.bindings.push(bind(names.webhook_dead_letters(), dead_letter_key("")));
    for target in names.targets() {
        // Each its own: else a receiver that is out would drive the others' letters out.
        let (letters, key) = (names.webhook_dead_letters_of(target), dead_letter_key(target));
        plan.queues.push(quorum(letters.clone(), bounded(dropping_oldest(WAITING_CAP))));
        plan.bindings.push(bind(letters, key.clone()));
        // The last net for what the worker never gets to settle.
        let limit = ("x-delivery-limit", Value::Number(REQUESTS_DELIVERY_LIMIT));
        plan.queues.push(quorum(names.webhook(target), waiting(names, limit, &key)));
        plan.bindings.push(bind(names.webhook(target), Names::webhook_key(target)));
        for wait in names.waits() {
            let milliseconds = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
            let limit = ("x-message-ttl", Value::Number(milliseconds));
            let arguments = waiting(names, limit, &Names::webhook_key(target));
            plan.queues.push(quorum(names.webhook_retry(target, *wait), arguments));
            plan.bindings.push(bind(names.webhook_retry(target, *wait), Names::webhook_retry_key(target, *wait)));
        }
    }
    // Bounded, or sustained load would fill the disk; and what it rejected would keep events from being confirmed to
    // everybody. So the oldest go, unseen by the worker: the newest event of a member holds its whole state, and
    // `events resync --to` tells the others again.
    plan.queues.push(quorum(names.webhooks(), bounded(dropping_oldest(EVENTS_CAP))));
    // Last: an event comes only once its whole way is there.
    plan.bindings.push(events);
}

/// What waits for a receiver: taken out by this limit to where the key leads, and rejected where there is no room.
fn waiting(names: &Names, limit: (&'static str, Value), key: &str) -> Arguments {
    let mut arguments = vec![limit, ("x-max-length", Value::Number(WAITING_CAP))];
    arguments.extend(dead_lettering(names.internal(), key));
    bounded(arguments)
}

/// The same with room for so many bytes: messages may be large.
fn bounded(mut arguments: Arguments) -> Arguments {
    arguments.push(("x-max-length-bytes", Value::Number(MOST_BYTES)));
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
        assert_eq!((plan.exchanges.len(), plan.queues.len(), plan.bindings.len()), (4, 9 + 10, 10 + 10));
        for queue in names.webhook_queues() {
            let bound = Destination::Queue(queue.clone());
            assert_eq!(plan.bindings.iter().filter(|known| known.destination == bound).count(), 1, "{queue}");
            let route = |name| argument(&plan, &queue, name).map(ToString::to_string);
            let Some(exchange) = route("x-dead-letter-exchange") else { continue };
            let key = route("x-dead-letter-routing-key").expect("a key");
            let leads = plan.bindings.iter().find(|binding| binding.exchange == exchange && binding.key == key);
            let Destination::Queue(to) = &leads.expect(&queue).destination else { panic!("{queue}") };
            let letters = queue.replace(".to.", ".dead-letters.");
            let home = queue.split_once(".retry.").map_or(letters.as_str(), |(home, _)| home);
            assert_eq!(to, home, "of {queue}");
        }
        let rung = "join-community.webhooks.to.crm.retry.1h30m";
        assert_eq!(argument(&plan, rung, "x-message-ttl"), Some(&Value::Number(5_400_000)));
        assert_eq!(plan.bindings.last(), of_events(&plan.bindings).first().copied());
        assert!(of_events(&plan.former).is_empty());
    }

    #[test]
    fn no_queue_grows_without_end_and_events_are_never_rejected() {
        let names = Names::new("").with_webhooks(&sample());
        let plan = plan(&names);
        let text = |text: &str| Some(Value::Text(text.to_owned()));
        for queue in names.webhook_queues() {
            let is_events = queue == "join-community.webhooks";
            let cap = if is_events { 1_000_000 } else { 100_000 };
            assert_eq!(argument(&plan, &queue, "x-max-length"), Some(&Value::Number(cap)), "{queue}");
            assert_eq!(argument(&plan, &queue, "x-max-length-bytes"), Some(&Value::Number(268_435_456)), "{queue}");
            let drops = is_events || queue.contains(".dead-letters");
            let overflow = text(if drops { "drop-head" } else { "reject-publish" });
            assert_eq!(argument(&plan, &queue, "x-overflow").cloned(), overflow, "{queue}");
        }
    }

    #[test]
    fn where_they_are_off_there_is_no_queue_and_an_earlier_one_gets_no_more_events() {
        let plan = plan(&Names::new("").sharded(4));
        assert!(plan.queues.iter().all(|queue| !queue.name.contains("webhooks")));
        assert!(of_events(&plan.bindings).is_empty());
        assert_eq!(of_events(&plan.former).len(), 1);
    }
}
