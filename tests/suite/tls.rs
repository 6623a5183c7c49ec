//! TLS to all three services, each of which must prove itself; RabbitMQ asks the same of the worker. The certificates are
//! made by `scripts/services`, for `localhost` alone: by its number the same server is another host.

use std::path::{Path, PathBuf};
use std::process::Output;

use join_community::cache::Profiles;
use join_community::config::{Broker, Config};
use join_community::operations::Dependency;
use join_community::postgres::{Role, Session, migrate};
use join_community::rabbitmq::connect::{ConnectError, connect};
use join_community::telemetry::chain;
use reqwest::{Method, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use uuid::Uuid;

use crate::support::logs::lines_with;
use crate::support::{Installation, JOINABLE, Message, PATIENCE, Worker, eventually, variable};

/// The authority that the certificates of the services come from, and one that nobody knows.
pub(crate) const OURS: &str = "ca.pem";
pub(crate) const STRANGERS: &str = "stranger-ca.pem";

/// A file of theirs.
pub(crate) fn file(name: &str) -> PathBuf {
    Path::new(&variable("TLS_FOLDER")).join(name)
}

fn changed(url: &str, change: impl FnOnce(&mut Url)) -> SecretString {
    let mut url: Url = url.parse().unwrap();
    change(&mut url);
    String::from(url).into()
}

/// The same worker, speaking TLS to all three services and trusting this authority.
fn by_tls(plain: &Config, authority: &str) -> Config {
    let mut config = plain.clone();
    let authority = file(authority);
    let vhost = plain.broker.url.expose_secret().parse::<Url>().unwrap().path().to_owned();
    config.broker.url = changed(&variable("RABBITMQ_TLS_URL"), |url| url.set_path(&vhost));
    config.broker.ca_file.clone_from(&authority);
    shows(&mut config.broker, "client");
    config.cache.url = variable("REDIS_TLS_URL").into();
    config.cache.ca_file.clone_from(&authority);
    config.database.url = changed(plain.database.url.expose_secret(), |url| {
        url.set_host(Some("localhost")).unwrap();
        let authority = authority.to_str().unwrap();
        url.query_pairs_mut().clear().append_pair("sslmode", "verify-full").append_pair("sslrootcert", authority);
    });
    // On a machine that is busy with other tests.
    config.cache.timeout = PATIENCE;
    config.database.connect_timeout = PATIENCE;
    config
}

/// Shows RabbitMQ this certificate.
fn shows(broker: &mut Broker, name: &str) {
    broker.client_cert_file = file(&format!("{name}.pem"));
    broker.client_key_file = file(&format!("{name}-key.pem"));
}

/// What RabbitMQ, PostgreSQL and Redis are each told to be, by somebody who cannot get through to them.
async fn complaints(config: &Config) -> [String; 3] {
    let broker = connect(&config.broker.url, "test", &config.broker).await.unwrap_err();
    assert!(matches!(broker, ConnectError::Untrusted { .. }), "{broker:?}");
    let database = Session::new(&config.database, Role::Tool).unwrap().probe().await.unwrap_err();
    let migration = migrate(&config.database.url).await.unwrap_err();
    assert!(chain(&migration).contains("sslrootcert"), "{migration:?}");
    let cache = Profiles::new(&config.cache).unwrap().probe().await.unwrap_err();
    [chain(&broker), chain(&database), chain(&cache)]
}

/// That each complaint names its service, what to look at, and what is wrong.
#[track_caller]
fn tell(complaints: &[String; 3], wrong: &str) {
    let named = [("RabbitMQ", "broker.ca_file"), ("PostgreSQL", "sslrootcert"), ("Redis", "cache.ca_file")];
    for ((service, remedy), said) in named.into_iter().zip(complaints) {
        let complete = said.starts_with(service) && said.contains(remedy) && said.contains("must name");
        assert!(complete && said.contains(wrong), "{service}: {said}");
        assert!(!said.contains("join-worker:") && !said.contains("join_community:"), "{said}");
    }
}

#[tokio::test]
async fn a_member_joins_by_tls_to_all_three_with_a_certificate_of_the_workers_own() {
    let installation = Installation::new().await;
    let key = std::fs::read_to_string(file("client-key.pem")).unwrap();
    let mut told = lines_with(key.lines().nth(1).unwrap());
    let worker = Worker::start(by_tls(&installation.config, OURS)).await;
    let (mut producer, mut events) = (installation.producer().await, installation.events().await);
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    assert_eq!(producer.ask(&Message::join(site, member)).await.status, 200);
    events.until(member).await;
    assert!(installation.cached_at(site, member, JOINABLE.sequence + 1).await.is_some());

    let sessions = "SELECT s.ssl FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid)
                    WHERE a.datname = current_database() AND a.application_name LIKE 'join-community%'";
    let mut stranger = installation.stranger().await;
    let encrypted: Vec<bool> = sqlx::query_scalar(sessions).fetch_all(&mut stranger).await.unwrap();
    assert!(!encrypted.is_empty() && encrypted.iter().all(|encrypted| *encrypted), "{encrypted:?}");
    let path = format!("vhosts/{}/connections", installation.vhost().name);
    eventually("RabbitMQ knows its connections by their certificate", PATIENCE, async || {
        let connections = installation.vhost().manage(Method::GET, &path, None).await;
        let all = connections.as_array().into_iter().flatten();
        let ours: Vec<&Value> = all.filter(|connection| connection["user"] == "join-worker").collect();
        let known =
            |connection: &&Value| connection["peer_cert_subject"] == "CN=join-worker" && connection["ssl"] == true;
        if ours.len() >= 2 && ours.iter().all(known) { Ok(()) } else { Err(connections) }
    })
    .await;
    worker.stop().await;
    assert!(told.try_recv().is_err(), "the key is logged");
}

#[tokio::test]
async fn a_service_whose_certificate_comes_from_somebody_else_is_refused_and_told_with_its_remedy() {
    let installation = Installation::new().await;
    tell(&complaints(&by_tls(&installation.config, STRANGERS)).await, "UnknownIssuer");
}

#[tokio::test]
async fn a_service_whose_certificate_names_another_host_is_refused_and_told_with_its_remedy() {
    let installation = Installation::new().await;
    let mut config = by_tls(&installation.config, OURS);
    for url in [&mut config.broker.url, &mut config.database.url, &mut config.cache.url] {
        *url = changed(url.expose_secret(), |url| url.set_host(Some("127.0.0.1")).unwrap());
    }
    tell(&complaints(&config).await, "not valid for name");
}

#[tokio::test]
async fn a_worker_without_a_certificate_or_with_a_strangers_is_kept_out_by_rabbitmq_and_says_so() {
    let installation = Installation::new().await;
    let mut config = by_tls(&installation.config, OURS);
    shows(&mut config.broker, "stranger");
    let error = connect(&config.broker.url, "test", &config.broker).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unproven { .. }), "{error:?}");
    [config.broker.client_cert_file, config.broker.client_key_file] = [PathBuf::new(), PathBuf::new()];
    let worker = Worker::launch(config).await;
    let reason = worker.until_misses(Dependency::Consuming).await;
    assert!(reason.contains("RabbitMQ at amqps://") && reason.contains("broker.client_cert_file"), "{reason}");
    assert!(!reason.contains("join-worker:"), "{reason}");
    worker.stop().await;
}

/// The program with this configuration, in an environment that holds nothing else.
async fn check(config: &Config) -> Output {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_join-community"));
    command.args(["check", "--output", "json"]).env_clear();
    let (broker, cache) = (&config.broker, &config.cache);
    for (name, value) in [
        ("BROKER__URL", broker.url.expose_secret()),
        ("BROKER__PRODUCER_URL", ""),
        ("BROKER__OPERATOR_URL", ""),
        ("BROKER__CA_FILE", broker.ca_file.to_str().unwrap()),
        ("BROKER__CLIENT_CERT_FILE", broker.client_cert_file.to_str().unwrap()),
        ("BROKER__CLIENT_KEY_FILE", broker.client_key_file.to_str().unwrap()),
        ("BROKER__TIMEOUT", "20s"),
        ("DATABASE__URL", config.database.url.expose_secret()),
        ("CACHE__URL", cache.url.expose_secret()),
        ("CACHE__CA_FILE", cache.ca_file.to_str().unwrap()),
        ("CACHE__TIMEOUT", "20s"),
    ] {
        command.env(format!("JOIN_COMMUNITY__{name}"), value);
    }
    command.output().await.unwrap()
}

#[tokio::test]
async fn check_finds_nothing_wrong_by_tls_and_looks_at_the_key_as_at_any_secret() {
    let installation = Installation::new().await;
    let output = check(&by_tls(&installation.config, OURS)).await;
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(said.contains("client-key.pem") && !said.contains("PRIVATE KEY"), "{said}");
    let output = check(&by_tls(&installation.config, STRANGERS)).await;
    let findings: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let errors = findings.iter().filter(|finding| finding["level"] == "error");
    let areas: Vec<&str> = errors.filter_map(|finding| finding["area"].as_str()).collect();
    assert_eq!(areas, ["broker", "database", "cache"], "{findings:#?}");
}
