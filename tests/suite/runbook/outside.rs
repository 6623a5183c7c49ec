//! Who is told and does not listen: receivers of webhooks, a collector of traces.

use jsonwebtoken::DecodingKey;
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use super::steps::Steps;
use crate::support::{Collector, Installation, JOINABLE, Message, Proxy, Wire, Worker};
use crate::webhooks::process::environment;
use crate::webhooks::receiver::Receiver;
use crate::webhooks::{REFUSED, TAKEN, tell};

const LETTERS: &str = "join-community.webhooks.dead-letters.crm";
/// What a producer sends who wants to see a request.
const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[tokio::test]
async fn webhooks_are_not_taken() {
    let mut crm = Receiver::start(REFUSED).await;
    let installation = Installation::with(|config| tell(config, &[("crm", &crm)], &[20, 40])).await;
    let (mut producer, worker) = (installation.producer().await, installation.start().await);
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    assert_eq!(producer.ask(&Message::join(site, member)).await.status, 200);
    installation.until_holds(LETTERS, 1).await;

    let mut steps = Steps::of("Webhooks are not taken", &installation)
        .with_broker()
        .with("TARGET", "crm")
        .with("SITE", site.to_string());
    for (name, value) in environment(&installation) {
        steps.set(name, value);
    }
    steps.next().await.tells(&["receiver crm takes connections"]);
    let letters = steps.next().await.json();
    let letter = &letters[0];
    assert_eq!(letter["properties"]["headers"]["x-join-community-reason"], "exhausted", "{letters}");
    assert!(letter["payload"].as_str().is_some_and(|shown| shown.len() <= 1), "{letters}");
    installation.until_holds(LETTERS, 1).await;
    crm.forget();
    crm.answers(TAKEN);
    steps.next().await.tells(&["1 of 1 members"]);
    steps.done();
    crm.until_told_of(&[member]).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_key_for_webhooks_is_made() {
    let mut crm = Receiver::start(TAKEN).await;
    let installation = Installation::with(|config| tell(config, &[("crm", &crm)], &[60_000])).await;
    let mut steps = Steps::of("Webhooks", &installation);
    steps.next().await.tells(&[]);
    let made = |file: &str| std::fs::read_to_string(steps.folder().join(file)).unwrap();
    let (private, public) = (made("webhooks.pem"), made("webhooks-public.pem"));
    steps.done();
    let mut config = installation.config.clone();
    config.webhooks.key = private.into();
    let worker = Worker::start(config).await;
    let (mut producer, site) = (installation.producer().await, Uuid::new_v4());
    let member = installation.member(site, JOINABLE).await;
    assert_eq!(producer.ask(&Message::join(site, member)).await.status, 200);
    // What a receiver has of it.
    let key = DecodingKey::from_rsa_pem(public.as_bytes()).unwrap();
    assert!(crm.next().await.claims_by(&key)["data"].is_string());
    worker.stop().await;
}

#[tokio::test]
async fn spans_are_lost() {
    let mut collector = Collector::start().await;
    let mut url = SecretString::from(collector.url());
    let wire = Proxy::before(&mut url);
    wire.set(Wire::Cut);
    let endpoint = url.expose_secret().trim_end_matches('/');
    let installation = Installation::with(|config| endpoint.clone_into(&mut config.otlp.endpoint)).await;
    let (mut producer, worker) = (installation.producer().await, installation.start().await);
    let site = Uuid::new_v4();
    let members = installation.members(site, JOINABLE, 2).await;
    let request = |place: usize| Message::join(site, members[place]).text_header("traceparent", SAMPLED);
    assert_eq!(producer.ask(&request(0)).await.status, 200);
    worker.until_counts("join_community_spans_total{outcome=\"lost\"}", 1).await;
    let mut steps = Steps::of("Spans are lost", &installation).with("JOIN_COMMUNITY__OTLP__ENDPOINT", endpoint);
    steps.next().await.tells(&["warning collector does not take what is sent"]);
    wire.set(Wire::Whole);
    steps.again().await.tells(&["takes traces and metrics"]);
    steps.done();
    assert_eq!(producer.ask(&request(1)).await.status, 200);
    assert!(!collector.until(1).await.is_empty());
    worker.stop().await;
}
