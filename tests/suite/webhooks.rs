//! Webhooks, with receivers of HTTP at the other end that fail, hang, and verify what they are sent.

mod exhausted;
mod limits;
pub(crate) mod process;
pub(crate) mod receiver;

use std::time::Duration;

use axum::http::StatusCode;
use join_community::config::{Config, WebhookTarget};
use join_community::operations::Dependency;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use self::receiver::{Answer, KEY, Receiver, within};
use crate::support::{Installation, JOINABLE, Message, PATIENCE, Proxy, Wire, Worker, eventually};

pub(crate) const TAKEN: Answer = Answer::Status(StatusCode::OK);
pub(crate) const REFUSED: Answer = Answer::Status(StatusCode::SERVICE_UNAVAILABLE);
const ACCOUNT: &str = "9a0c3b52-6a0e-4a7c-8e0b-3f1f4c1b2a77";

/// Has a worker tell these receivers, with these waits between tries.
pub(crate) fn tell(config: &mut Config, targets: &[(&str, &Receiver)], waits: &[u64]) {
    let target =
        |(name, receiver): &(&str, &Receiver)| WebhookTarget { name: (*name).to_owned(), url: receiver.url().into() };
    config.webhooks.targets = targets.iter().map(target).collect();
    config.webhooks.key = KEY.0.as_str().into();
    config.webhooks.ladder = waits.iter().copied().map(Duration::from_millis).collect();
    // Nothing is late on a machine that is busy with other tests.
    config.webhooks.timeout = PATIENCE * 2;
}

fn outcome(worker: &Worker, target: &str, outcome: &str) -> u64 {
    let series = format!("join_community_webhook_deliveries_total{{target=\"{target}\",outcome=\"{outcome}\"}}");
    worker.counted(&series)
}

async fn until_delivered(worker: &Worker, target: &str, least: u64) {
    eventually("webhooks are delivered", PATIENCE, async || match outcome(worker, target, "delivered") {
        delivered if delivered >= least => Ok(()),
        delivered => Err(delivered),
    })
    .await;
}

/// Has a member of a new site join.
async fn one_joins(installation: &Installation) -> (Uuid, Uuid) {
    let (mut producer, site) = (installation.producer().await, Uuid::new_v4());
    let member = installation.member(site, JOINABLE).await;
    assert_eq!(producer.ask(&Message::join(site, member)).await.status, 200);
    (site, member)
}

#[tokio::test]
async fn a_join_is_posted_signed_and_nested_as_the_members_api_nests_it() {
    let mut crm = Receiver::start(TAKEN).await;
    let installation = Installation::with(|config| {
        tell(config, &[("crm", &crm)], &[60_000]);
        ACCOUNT.clone_into(&mut config.webhooks.account_id);
    })
    .await;
    let worker = installation.start().await;
    let mut events = installation.events().await;
    let (site, member) = one_joins(&installation).await;
    let (_, event) = events.until(member).await;

    let posted = crm.next().await;
    assert_eq!(posted.kind, "text/plain; charset=utf-8");
    let claims = posted.claims();
    let names: Vec<&str> = claims.as_object().unwrap().keys().map(String::as_str).collect();
    assert!(names.len() == 3 && ["data", "iat", "exp"].iter().all(|name| names.contains(name)), "{names:?}");
    let seconds = |claim: &str| claims[claim].as_i64().unwrap();
    assert_eq!(seconds("exp") - seconds("iat"), 60 + 24 * 3600, "good for longer than its ladder is");

    let said = posted.said();
    let identity = said["identity"].clone();
    let expected = json!({
        "eventType": "wix.members.v1.member_updated",
        "instanceId": site,
        "data": String::from_utf8(event.body.clone()).unwrap(),
        "identity": identity,
        "accountInfo": { "accountId": ACCOUNT, "siteId": site },
    });
    assert_eq!(said, expected);
    assert_eq!(within(&identity), json!({ "identityType": "MEMBER", "memberId": member }));
    let told = posted.event();
    assert_eq!(told, event.json());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    assert_eq!(text(&told["id"]), event.message_id().unwrap());
    assert_eq!(text(&told["entityFqdn"]), "wix.members.v1.member");
    assert_eq!(text(&told["slug"]), "updated");
    assert_eq!(text(&told["entityId"]), member.to_string());
    assert_eq!(text(&told["entityEventSequence"]), (JOINABLE.sequence + 1).to_string());
    assert_eq!(told["updatedEvent"]["currentEntity"]["privacyStatus"], "PUBLIC");
    until_delivered(&worker, "crm", 1).await;
    worker.stop().await;
}

#[tokio::test]
async fn each_try_posts_the_same_bytes_until_one_is_answered_with_200() {
    // A redirection, and a success that is not the one.
    let mut crm = Receiver::start(Answer::Status(StatusCode::FOUND)).await;
    let installation = Installation::with(|config| tell(config, &[("crm", &crm)], &[100; 30])).await;
    let worker = installation.start().await;
    let (_, member) = one_joins(&installation).await;

    let first = crm.next().await;
    assert_eq!(first.event()["entityId"], member.to_string());
    for answer in [Answer::Status(StatusCode::NO_CONTENT), TAKEN] {
        crm.answers(answer);
        // A change that takes long is announced again, and is then another webhook of the same event.
        while crm.next().await.body != first.body {}
    }
    until_delivered(&worker, "crm", 1).await;
    assert!(outcome(&worker, "crm", "failed") >= 2);
    assert_eq!(crm.led_away(), 0, "a redirect was followed");
    for queue in ["to.crm", "to.crm.retry.100ms", "dead-letters.crm"] {
        installation.until_holds(&format!("join-community.webhooks.{queue}"), 0).await;
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_receiver_that_hangs_holds_up_neither_the_other_nor_joins() {
    let (mut hung, mut crm) = (Receiver::start(Answer::Never).await, Receiver::start(TAKEN).await);
    let installation = Installation::with(|config| {
        tell(config, &[("hung", &hung), ("crm", &crm)], &[60_000]);
        config.webhooks.concurrency = 2;
    })
    .await;
    let worker = installation.start().await;
    let producer = installation.producer().await;
    let crowd = installation.crowd_at_the_door(&producer, 20).await;
    installation.all_joined_once(&crowd).await;
    crm.until_told_of(&crowd.members).await;
    until_delivered(&worker, "crm", 20).await;
    eventually("the others wait for the receiver that hangs", PATIENCE, async || {
        match installation.depth("join-community.webhooks.to.hung").await {
            waiting if waiting >= 18 => Ok(()),
            waiting => Err(waiting),
        }
    })
    .await;
    worker.until_counts("join_community_webhook_waiting_deliveries{target=\"hung\"}", 18).await;
    assert_eq!(outcome(&worker, "hung", "delivered"), 0);
    assert!(worker.health().report().0, "a receiver makes no worker unready");

    hung.answers(TAKEN);
    hung.until_told_of(&crowd.members).await;
    worker.stop().await;
}

#[tokio::test]
async fn where_they_are_off_nothing_is_declared_and_nothing_consumed() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let mut events = installation.events().await;
    let (_, member) = one_joins(&installation).await;
    events.until(member).await;
    let queues = format!("queues/{}?columns=name", installation.vhost().name);
    let queues = installation.vhost().manage(Method::GET, &queues, None).await;
    let names: Vec<&str> = queues.as_array().unwrap().iter().filter_map(|queue| queue["name"].as_str()).collect();
    assert!(names.contains(&"join-community.requests"), "{names:?}");
    assert!(names.iter().all(|name| !name.contains("webhook")), "{names:?}");
    assert_eq!(worker.counted("join_community_connections_opened_total{connection=\"broker_webhooks\"}"), 0);
    worker.stop().await;
}

#[tokio::test]
async fn a_broker_that_is_lost_while_webhooks_are_on_their_way_loses_none() {
    let mut crm = Receiver::start(Answer::Never).await;
    let installation = Installation::with(|config| {
        tell(config, &[("crm", &crm)], &[200; 30]);
        config.webhooks.concurrency = 4;
    })
    .await;
    let mut config = installation.alert();
    let wire = Proxy::before(&mut config.broker.url);
    let worker = Worker::start(config).await;
    let producer = installation.producer().await;
    let crowd = installation.crowd_at_the_door(&producer, 30).await;
    installation.until_answered(&crowd, 30).await;
    // Some are on their way, some wait in the queues, some are not even events.
    crm.next().await;
    wire.set(Wire::Cut);
    worker.until_misses(Dependency::Consuming).await;
    wire.set(Wire::Whole);
    crm.answers(TAKEN);
    crm.until_told_of(&crowd.members).await;
    worker.until_ready().await;
    installation.all_joined_once(&crowd).await;
    for queue in ["join-community.webhooks", "join-community.webhooks.to.crm"] {
        installation.until_holds(queue, 0).await;
    }
    assert_eq!(installation.depth("join-community.webhooks.dead-letters.crm").await, 0);
    worker.stop().await;
}
