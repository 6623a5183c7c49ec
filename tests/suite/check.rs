//! `check` as an operator runs it: the program itself, on services in known states.

use std::process::Output;

use serde_json::Value;

use crate::support::{TestVhost, database, empty_database, variable, vhost};

/// Runs the program in an environment that holds nothing of the developer's but the services.
async fn program(arguments: &[&str], vhost: &TestVhost, database: &str) -> Output {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_join-community"));
    command.args(arguments).env_clear();
    command.env("JOIN_COMMUNITY__CACHE__URL", variable("JOIN_COMMUNITY__CACHE__URL"));
    command.env("JOIN_COMMUNITY__DATABASE__URL", database);
    for (name, value) in vhost.values() {
        command.env(format!("JOIN_COMMUNITY__{name}"), value);
    }
    command.output().await.unwrap()
}

/// What is not as it should be, `level area what: value`, in the order it was said.
fn complaints(output: &Output) -> Vec<String> {
    let findings: Vec<Value> =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let text = |finding: &Value, field: &str| finding[field].as_str().unwrap_or_default().to_owned();
    let complaints = findings.iter().filter(|finding| finding["level"] != "ok");
    complaints.map(|finding| ["level", "area", "what", "value"].map(|field| text(finding, field)).join(" ")).collect()
}

#[tokio::test]
async fn an_installation_is_found_wanting_until_it_is_set_up() {
    let (vhost, empty) = (vhost().await, empty_database().await);
    let check = ["check", "--output", "json"];
    let output = program(&check, &vhost, &empty.url()).await;
    let before = complaints(&output);
    assert_eq!(output.status.code(), Some(1), "{before:#?}");
    assert!(before.iter().any(|line| line.contains("queue `join-community.requests` is missing")), "{before:#?}");
    assert!(before.iter().any(|line| line.starts_with("error database the schema is not up to date")), "{before:#?}");

    let migrated = database().await;
    let declared = program(&["topology", "declare"], &vhost, &migrated.url()).await;
    assert!(declared.status.success(), "{declared:?}");
    let output = program(&check, &vhost, &migrated.url()).await;
    let after = complaints(&output);
    assert_eq!(output.status.code(), Some(0), "{after:#?}");
    // The defaults trust nobody, and that is said.
    assert!(after.iter().all(|line| line.starts_with("warning config")) && !after.is_empty(), "{after:#?}");
}

#[tokio::test]
async fn a_service_that_is_not_there_is_an_error_and_its_password_is_not_shown() {
    let (mut vhost, database) = (vhost().await, database().await);
    vhost.worker_url = "amqp://join-worker:hunter2@127.0.0.1:1/%2f".to_owned();
    let output = program(&["check"], &vhost, &database.url()).await;
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("error   broker    the worker gets no connection"), "{said}");
    assert!(!format!("{output:?}").contains("hunter2"), "{output:?}");
}

#[tokio::test]
async fn a_wrong_configuration_ends_with_its_own_exit_code() {
    let (vhost, database) = (vhost().await, database().await);
    let output = program(&["check", "--config", "/nowhere.toml"], &vhost, &database.url()).await;
    assert_eq!(output.status.code(), Some(78), "{output:?}");
    assert!(output.stdout.is_empty() && String::from_utf8_lossy(&output.stderr).starts_with("/nowhere.toml: "));
}
