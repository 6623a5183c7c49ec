//! Compares by the management API: arguments, policies, bindings. Separate, because it works on plain facts and is
//! tested without a broker.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json};

use super::{Finding, Problem};
use crate::rabbitmq::management::{BindingFacts, ExchangeFacts, Management, ManagementError, QueueFacts};
use crate::rabbitmq::topology::export::kind;
use crate::rabbitmq::topology::names::Names;
use crate::rabbitmq::topology::plan::{Arguments, Exchange, Plan, Queue};

/// What a policy can change about a queue, with the argument that says the same. Where both give a number, the lower
/// counts; where both give text, the argument.
const POLICIES: [(&str, &str); 9] = [
    ("delivery-limit", "x-delivery-limit"),
    ("message-ttl", "x-message-ttl"),
    ("expires", "x-expires"),
    ("max-length", "x-max-length"),
    ("max-length-bytes", "x-max-length-bytes"),
    ("overflow", "x-overflow"),
    ("dead-letter-exchange", "x-dead-letter-exchange"),
    ("dead-letter-routing-key", "x-dead-letter-routing-key"),
    ("dead-letter-strategy", "x-dead-letter-strategy"),
];

/// Everything that differs. What is missing altogether is found by AMQP already.
pub(super) async fn everything(
    management: &Management,
    names: &Names,
    plan: &Plan,
) -> Result<Vec<Finding>, ManagementError> {
    let mut findings = Vec::new();
    for planned in &plan.exchanges {
        if let Some(found) = management.exchange(&planned.name).await? {
            let policy = match &found.policy {
                Some(name) => management.policy(name).await?,
                None => Map::new(),
            };
            findings.extend(exchange(planned, &found, &policy));
        }
    }
    for planned in &plan.queues {
        if let Some(found) = management.queue(&planned.name).await? {
            findings.extend(queue(planned, &found));
        }
    }
    let mut found = BTreeSet::new();
    for planned in &plan.queues {
        found.extend(management.bindings_of(&planned.name).await?.into_iter().filter_map(binding));
    }
    // Events are there for others to be bound to; what is bound to these gets a copy of requests.
    let spread = (names.shards() > 0).then(|| names.spread());
    for exchange in [names.intake(), names.internal()].into_iter().chain(spread) {
        found.extend(management.bindings_from(&exchange).await?.into_iter().filter_map(binding));
    }
    findings.extend(bindings(plan, &found));
    // Without it RabbitMQ 3.10 silently dead-letters at most once.
    if management.feature("stream_queue").await? == Some(false) {
        findings.push(differs("feature flag `stream_queue`", "state", "enabled", "disabled"));
    }
    Ok(findings)
}

fn exchange(planned: &Exchange, found: &ExchangeFacts, policy: &Map<String, Json>) -> Vec<Finding> {
    let object = format!("exchange `{}`", planned.name);
    let mut findings = Vec::new();
    let facts = [
        ("type", kind(&planned.kind).to_owned(), found.kind.clone()),
        ("durable", "true".to_owned(), found.durable.to_string()),
        ("auto_delete", "false".to_owned(), found.auto_delete.to_string()),
        ("internal", "false".to_owned(), found.internal.to_string()),
    ];
    findings.extend(
        facts
            .iter()
            .filter(|(_, expected, found)| expected != found)
            .map(|(name, expected, found)| differs(&object, name, expected, found)),
    );
    findings.extend(arguments(&object, &planned.arguments, &found.arguments));
    // An argument wins over a policy; where there is none, a policy would take what should be returned.
    let has_own = planned.arguments.iter().any(|(name, _)| *name == "alternate-exchange");
    if let Some(value) = policy.get("alternate-exchange").filter(|_| !has_own) {
        findings.push(differs(&object, "alternate-exchange by policy", "none", &shown(value)));
    }
    findings
}

fn queue(planned: &Queue, found: &QueueFacts) -> Vec<Finding> {
    let object = format!("queue `{}`", planned.name);
    let mut findings = Vec::new();
    for (name, expected, found) in [("durable", true, found.durable), ("auto_delete", false, found.auto_delete)] {
        if expected != found {
            findings.push(differs(&object, name, &expected.to_string(), &found.to_string()));
        }
    }
    findings.extend(arguments(&object, &planned.arguments, &found.arguments));
    for (policy, argument) in POLICIES {
        let Some(value) = found.policy.get(policy) else { continue };
        let expected = planned.arguments.iter().find(|(name, _)| *name == argument).map(|(_, value)| value.to_json());
        let changes = match (&expected, value.as_i64()) {
            (None, _) => true,
            (Some(expected), Some(number)) => expected.as_i64().is_some_and(|expected| number < expected),
            (Some(_), None) => false,
        };
        if changes {
            let expected = expected.as_ref().map_or_else(|| "none".to_owned(), shown);
            findings.push(differs(&object, &format!("{policy} by policy"), &expected, &shown(value)));
        }
    }
    findings
}

fn arguments(object: &str, planned: &Arguments, found: &Map<String, Json>) -> Vec<Finding> {
    let none = || "none".to_owned();
    let mut findings: Vec<Finding> = planned
        .iter()
        .filter(|(name, value)| found.get(*name) != Some(&value.to_json()))
        .map(|(name, value)| differs(object, name, &value.to_string(), &found.get(*name).map_or_else(none, shown)))
        .collect();
    let is_planned = |name: &str| planned.iter().any(|(known, _)| *known == name);
    let unplanned = found.iter().filter(|(name, _)| !is_planned(name));
    findings.extend(unplanned.map(|(name, value)| differs(object, name, "none", &shown(value))));
    findings
}

/// Exchange, what is bound, key.
type Bound = (String, String, String);

/// A binding as it is compared; none for the default exchange's, which every queue has.
fn binding(found: BindingFacts) -> Option<Bound> {
    (!found.source.is_empty()).then(|| {
        let destination = format!("{} `{}`", found.destination_type, found.destination);
        (found.source, destination, found.routing_key)
    })
}

fn bindings(plan: &Plan, found: &BTreeSet<Bound>) -> Vec<Finding> {
    let planned: BTreeSet<Bound> = plan
        .bindings
        .iter()
        .map(|binding| (binding.exchange.clone(), binding.destination.to_string(), binding.key.to_string()))
        .collect();
    let named = |(exchange, destination, key): &Bound, problem| {
        let key = if key.is_empty() { String::new() } else { format!(" with key `{key}`") };
        let object = format!("binding of {destination} to exchange `{exchange}`{key}");
        Finding::new(object, problem)
    };
    let missing = planned.difference(found).map(|bound| named(bound, Problem::Missing));
    missing.chain(found.difference(&planned).map(|bound| named(bound, Problem::Unexpected))).collect()
}

fn differs(object: &str, argument: &str, expected: &str, found: &str) -> Finding {
    let problem =
        Problem::Differs { argument: argument.to_owned(), expected: expected.to_owned(), found: found.to_owned() };
    Finding::new(object.to_owned(), problem)
}

fn shown(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Map, json};

    use super::{arguments, bindings, differs, exchange, queue};
    use crate::rabbitmq::management::{ExchangeFacts, QueueFacts};
    use crate::rabbitmq::topology::verify::Problem;
    use crate::rabbitmq::topology::{Names, Plan, plan};

    fn planned() -> Plan {
        plan(&Names::new(""))
    }

    fn facts(plan: &Plan, index: usize, policy: &serde_json::Value) -> QueueFacts {
        let arguments: Map<_, _> =
            plan.queues[index].arguments.iter().map(|(name, value)| ((*name).to_owned(), value.to_json())).collect();
        let json = json!({
            "durable": true, "auto_delete": false, "arguments": arguments, "effective_policy_definition": policy,
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn an_argument_that_differs_lacks_or_is_too_many_is_named_with_both_values() {
        let plan = planned();
        let queue = &plan.queues[1];
        let found = json!({ "x-queue-type": "quorum", "x-delivery-limit": 20, "x-max-length": 5 });
        let findings = arguments("queue `q`", &queue.arguments, found.as_object().unwrap());
        let expected = [
            differs("queue `q`", "x-delivery-limit", "2000000000", "20"),
            differs("queue `q`", "x-max-length", "none", "5"),
        ];
        assert_eq!(findings, expected);
        let lacking = arguments("queue `q`", &queue.arguments, &Map::new());
        assert_eq!(lacking[0], differs("queue `q`", "x-queue-type", "quorum", "none"));
    }

    #[test]
    fn a_policy_counts_where_it_adds_or_lowers_and_not_where_the_argument_wins() {
        let plan = planned();
        let harmless = json!({ "delivery-limit": 300, "overflow": "drop-head", "queue-master-locator": "x" });
        assert_eq!(queue(&plan.queues[0], &facts(&plan, 0, &harmless)), []);
        let harmful = json!({ "delivery-limit": 3, "expires": 1000 });
        let object = "queue `join-community.requests`";
        let expected = [
            differs(object, "delivery-limit by policy", "200", "3"),
            differs(object, "expires by policy", "none", "1000"),
        ];
        assert_eq!(queue(&plan.queues[0], &facts(&plan, 0, &harmful)), expected);
    }

    #[test]
    fn an_alternate_exchange_is_compared_whether_argument_or_policy() {
        let plan = planned();
        let facts = |kind: &str, arguments: &serde_json::Value| -> ExchangeFacts {
            let json = json!({
                "type": kind, "durable": true, "auto_delete": false, "internal": false, "arguments": arguments,
            });
            serde_json::from_value(json).unwrap()
        };
        let policy = json!({ "alternate-exchange": "elsewhere" });
        let policy = policy.as_object().unwrap();
        let [intake, .., events] = &plan.exchanges[..] else { panic!("four exchanges") };
        let own = facts("topic", &json!({ "alternate-exchange": "members.events.unrouted" }));
        assert_eq!(exchange(events, &own, policy), []);
        assert_eq!(exchange(events, &facts("topic", &json!({})), &Map::new()).len(), 1);
        let taken = differs("exchange `join-community`", "alternate-exchange by policy", "none", "elsewhere");
        assert_eq!(exchange(intake, &facts("direct", &json!({})), policy), [taken]);
    }

    #[test]
    fn a_binding_that_lacks_and_one_too_many_are_told_apart() {
        let plan = planned();
        let mut found: BTreeSet<_> = plan
            .bindings
            .iter()
            .map(|bound| (bound.exchange.clone(), bound.destination.to_string(), bound.key.to_string()))
            .collect();
        assert_eq!(bindings(&plan, &found), []);
        found.pop_first();
        found.insert(("join-community".to_owned(), "queue `spy`".to_owned(), "request".to_owned()));
        let problems: Vec<_> = bindings(&plan, &found).into_iter().map(|finding| finding.problem).collect();
        assert_eq!(problems, [Problem::Missing, Problem::Unexpected]);
    }
}
