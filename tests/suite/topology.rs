//! The topology against a real broker, with the rights that the worker has in production.

use join_community::rabbitmq::connect::connect;
use join_community::rabbitmq::management::Management;
use join_community::rabbitmq::topology::{self, Depth, Existence, Names, Problem, Report, TopologyError};
use lapin::Connection;
use reqwest::Method;
use serde_json::json;

use crate::support::{PATIENCE, TestVhost, config, eventually, vhost};

async fn worker(vhost: &TestVhost) -> Connection {
    let broker = config(&vhost.values()).broker;
    connect(&broker.url, "test", &broker).await.unwrap()
}

async fn verify(connection: &Connection, vhost: &TestVhost, names: &Names) -> Report {
    let url = vhost.management_url.as_str().into();
    let management = Management::new(&url, &vhost.name, PATIENCE).unwrap();
    topology::verify(connection, management.as_ref(), names).await.unwrap()
}

#[tokio::test]
async fn what_is_missing_is_declared_once_and_then_found_as_planned() {
    let vhost = vhost().await;
    let (connection, names) = (worker(&vhost).await, Names::new(""));
    let before = topology::existing(&connection, &names).await.unwrap();
    assert!(before.iter().all(|(_, existence)| *existence == Existence::Missing), "{before:?}");
    assert_eq!(verify(&connection, &vhost, &names).await.findings.len(), 23);

    assert!(topology::declare(&connection, &names).await.unwrap().created_queues);
    assert!(!topology::declare(&connection, &names).await.unwrap().created_queues);
    let report = verify(&connection, &vhost, &names).await;
    assert!(report.is_well() && report.depth == Depth::Everything, "{report:#?}");
    let by_amqp = topology::verify(&connection, None, &names).await.unwrap();
    assert!(by_amqp.is_well() && by_amqp.depth == Depth::Existence, "{by_amqp:#?}");
}

#[tokio::test]
async fn what_was_exported_is_what_would_have_been_declared() {
    let vhost = vhost().await;
    let names = Names::new("eu.");
    let definitions = topology::export(&names, &vhost.name);
    vhost.manage(Method::POST, "definitions", Some(&definitions)).await;
    let connection = worker(&vhost).await;
    let report = verify(&connection, &vhost, &names).await;
    assert!(report.is_well(), "{report:#?}");
}

#[tokio::test]
async fn a_queue_with_other_arguments_stops_the_declaration_and_is_named_with_both_values() {
    let vhost = vhost().await;
    let path = format!("queues/{}/join-community.retry.5s", vhost.name);
    let arguments = json!({
        "x-queue-type": "quorum", "x-message-ttl": 7, "x-dead-letter-exchange": "join-community",
        "x-dead-letter-routing-key": "request", "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    });
    vhost.manage(Method::PUT, &path, Some(&json!({ "durable": true, "arguments": arguments }))).await;
    let (connection, names) = (worker(&vhost).await, Names::new(""));
    let error = topology::declare(&connection, &names).await.unwrap_err();
    let TopologyError::Mismatch { object, argument, source } = error else { panic!("{error:?}") };
    assert_eq!((object.as_str(), argument.as_str()), ("queue `join-community.retry.5s`", "x-message-ttl"));
    let said = source.to_string();
    assert!(said.contains("'5000'") && said.contains("'7'"), "{said}");

    let report = verify(&connection, &vhost, &names).await;
    let differs = report.findings.iter().find(|finding| matches!(finding.problem, Problem::Differs { .. })).unwrap();
    let (argument, expected, found) = ("x-message-ttl".to_owned(), "5000".to_owned(), "7".to_owned());
    assert_eq!(differs.problem, Problem::Differs { argument, expected, found });
    assert_eq!(differs.object, "queue `join-community.retry.5s`");
}

#[tokio::test]
async fn a_lost_binding_a_spy_and_a_harmful_policy_are_found() {
    let vhost = vhost().await;
    let (connection, names) = (worker(&vhost).await, Names::new(""));
    topology::declare(&connection, &names).await.unwrap();
    let name = &vhost.name;
    let binding = format!("bindings/{name}/e/join-community.internal/q/join-community.dead-letters/dead-letter");
    vhost.manage(Method::DELETE, &binding, None).await;
    vhost.manage(Method::PUT, &format!("queues/{name}/spy"), Some(&json!({ "durable": true }))).await;
    let spy = format!("bindings/{name}/e/join-community/q/spy");
    vhost.manage(Method::POST, &spy, Some(&json!({ "routing_key": "request" }))).await;
    let policy = json!({ "pattern": "dead-letters$", "definition": { "expires": 9_000_000 }, "apply-to": "queues" });
    vhost.manage(Method::PUT, &format!("policies/{name}/short"), Some(&policy)).await;

    let mut expected = [
        "binding of queue `join-community.dead-letters` to exchange `join-community.internal` with key `dead-letter`",
        "binding of queue `spy` to exchange `join-community` with key `request`",
        "queue `join-community.dead-letters`",
    ];
    expected.sort_unstable();
    // The broker tells of a policy's effect within seconds.
    let report = eventually("everything is found", PATIENCE, async || {
        // A new connection each time: `lapin` remembers the error of a closed channel for the next one with its number.
        let report = verify(&worker(&vhost).await, &vhost, &names).await;
        let mut found: Vec<_> = report.findings.iter().map(|finding| finding.object.clone()).collect();
        found.sort_unstable();
        if found == expected { Ok(report) } else { Err(report) }
    })
    .await;
    let problems: Vec<_> = report.findings.into_iter().map(|finding| finding.problem).collect();
    assert!(problems.contains(&Problem::Missing) && problems.contains(&Problem::Unexpected), "{problems:?}");
}

#[tokio::test]
async fn a_user_without_the_right_to_configure_is_told_so() {
    let vhost = vhost().await;
    let mut broker = config(&vhost.values()).broker;
    broker.url = broker.producer_url.clone();
    let connection = connect(&broker.url, "test", &broker).await.unwrap();
    let error = topology::declare(&connection, &Names::new("")).await.unwrap_err();
    assert!(matches!(error, TopologyError::Refused { .. }), "{error:?}");
}
