//! An old broker is emptied into a new one: each queue holds there what it held, and each message means what it meant.

use std::collections::BTreeMap;
use std::time::Duration;

use join_community::domain::IdentityType;
use lapin::options::{BasicGetOptions, BasicNackOptions};
use lapin::types::{AMQPValue, FieldTable};
use reqwest::{Method, Url};
use serde_json::json;
use sqlx::Connection as _;
use uuid::Uuid;

use super::QUEUE;
use super::steps::Steps;
use crate::support::{
    Crowd, Delivered, Installation, Issuer, JOINABLE, MemberSpec, Message, PATIENCE, eventually, finish, vhost,
};
use crate::webhooks::receiver::Receiver;
use crate::webhooks::{REFUSED, TAKEN, tell};

const SECTION: &str = "What an old broker holds is moved";
const REQUESTS: &str = "join-community.requests";
const DEAD_LETTERS: &str = "join-community.dead-letters";
const UNROUTED: &str = "members.events.unrouted";
const WEBHOOKS: &str = "join-community.webhooks.to.crm";
/// What waits in the old broker when its workers have stopped.
const HELD: [(&str, u32); 7] = [
    (REQUESTS, 3),
    ("join-community.retry.10m", 1),
    (DEAD_LETTERS, 2),
    ("join-community.discarded", 1),
    (UNROUTED, 1),
    (WEBHOOKS, 1),
    (QUEUE, 1),
];

/// Members who ask to join, each in another way.
struct Asking {
    site: Uuid,
    /// Has joined before the move.
    joined: Uuid,
    /// Is a dead letter, because its record was locked.
    busy: Uuid,
    /// Is a dead letter of the broker's own.
    rejected: Uuid,
    /// Waits, on the word of a producer.
    vouched: Uuid,
    /// Waits, by token.
    by_token: Uuid,
}

impl Asking {
    async fn at(installation: &Installation) -> Self {
        let site = Uuid::new_v4();
        let members = installation.members(site, JOINABLE, 5).await;
        let [joined, busy, rejected, vouched, by_token] = members.try_into().unwrap();
        Self { site, joined, busy, rejected, vouched, by_token }
    }

    fn all(&self) -> Crowd {
        let members = vec![self.joined, self.busy, self.rejected, self.vouched, self.by_token];
        Crowd { site: self.site, members, requests: Vec::new() }
    }
}

/// What a worker leaves behind: an event and a webhook that nobody has taken yet, and two dead letters. Answers the webhook.
async fn served(old: &Installation, asking: &Asking, crm: &mut Receiver) -> String {
    let (worker, mut producer) = (old.start().await, old.producer().await);
    assert_eq!(producer.ask(&Message::join(asking.site, asking.joined)).await.status, 200);
    let webhook = crm.next().await.body;
    let mut holder = old.stranger().await;
    let mut held = holder.begin().await.unwrap();
    sqlx::query("SELECT FROM members WHERE id = $1 FOR UPDATE").bind(asking.busy).execute(&mut *held).await.unwrap();
    producer.send_all(&[Message::join(asking.site, asking.busy), Message::bytes("no request")]).await;
    old.until_holds(DEAD_LETTERS, 2).await;
    held.rollback().await.unwrap();
    old.outbox_is_empty().await;
    worker.stop().await;
    // It may have been waiting for another try.
    old.until_holds(WEBHOOKS, 1).await;
    webhook
}

/// What comes when no worker runs any more. One letter is given up by the broker, one by an operator.
async fn left_lying(old: &Installation, asking: &Asking, issuer: &Issuer, leaving: Message) {
    let (producer, worker) = (old.producer().await, old.producer_as_worker().await);
    producer.send(&Message::join(asking.site, asking.rejected)).await;
    let channel = old.channel().await;
    let taken = channel.basic_get(REQUESTS.into(), BasicGetOptions::default()).await.unwrap().expect("a request");
    assert!(taken.delivery.nack(BasicNackOptions::default()).await.unwrap());
    old.until_holds(DEAD_LETTERS, 3).await;
    let discard = "join-community dead-letters discard --reason malformed --yes-discard 1 --why mended";
    Steps::of(SECTION, old).run(discard).await.tells(&["1 dead letter discarded"]);

    // By the default exchange it would come to that queue as well.
    let elsewhere = AMQPValue::FieldArray(vec![AMQPValue::LongString(UNROUTED.into())].into());
    let claims = issuer.claims(asking.site, IdentityType::Member, asking.by_token);
    let vouched = Message::join(asking.site, asking.vouched).header("CC", elsewhere);
    let by_token = Message::json(&json!({ "siteId": asking.site })).token(&issuer.token(&claims));
    producer.send_all(&[vouched, by_token, leaving]).await;
    let waiting = Message::join(asking.site, Uuid::new_v4()).to("join-community.internal", "retry.10m");
    let unheard = Message::bytes("an event").to("members.events", "nobody.is.bound");
    worker.send_all(&[waiting, unheard]).await;
}

/// A consumer makes its queue, and binds it.
async fn consumer_comes(to: &Installation) {
    to.foreign_queue(QUEUE).await;
    let vhost = to.vhost();
    let path = format!("bindings/{}/e/members.events/q/{QUEUE}", vhost.name);
    vhost.manage(Method::POST, &path, Some(&json!({ "routing_key": "wix.members.v1.member_updated" }))).await;
}

/// All that there is to the messages of a queue, but for what the broker adds when one is looked at.
async fn lying(at: &Installation, queue: &str, count: u32) -> Vec<String> {
    let mut lying: Vec<String> = at.messages(queue, count).await.into_iter().map(whole).collect();
    // Whoever looks brings their order to nothing.
    lying.sort();
    lying
}

fn whole(message: Delivered) -> String {
    let Delivered { body, properties, mut headers, routing_key, .. } = message;
    for added in ["x-delivery-count", "x-acquired-count"] {
        headers.as_object_mut().unwrap().remove(added);
    }
    let (properties, body) = (properties.with_headers(FieldTable::default()), String::from_utf8_lossy(&body));
    format!("{routing_key} {properties:?} {headers} {body}")
}

/// The section's commands, from the one broker to the other.
fn steps<'a>(old: &'a Installation, new: &Installation) -> Steps<'a> {
    let at: Url = old.vhost().worker_url.parse().unwrap();
    let at = format!("{}:{}", at.host_str().unwrap(), at.port().unwrap());
    let management = |of: &Installation| of.vhost().management_url.trim_end_matches('/').to_owned();
    Steps::of(SECTION, old)
        .with("OLD", management(old))
        .with("NEW", management(new))
        .with("OLD_AMQP", at)
        .with("OLD_VHOST", &old.vhost().name)
        .with("NEW_VHOST", &new.vhost().name)
        .with("PASSWORD", Uuid::new_v4().simple().to_string())
}

/// Moves everything: each message is in its queue there, and nowhere else.
async fn moved(old: &Installation, new: &Installation) {
    let _logins = Logins(new);
    let mut held = BTreeMap::new();
    for (queue, count) in HELD {
        held.insert(queue, lying(old, queue, count).await);
    }
    let mut steps = steps(old, new);
    // The consumer is not there yet: without a place over there nothing leaves.
    let said = steps.next().await;
    assert!(said.code == Some(0) && said.stdout == "search.members stays\n", "{said:#?}");
    for (queue, count) in HELD.into_iter().filter(|(queue, _)| *queue != QUEUE) {
        assert_eq!(lying(new, queue, count).await, held[queue], "{queue}");
    }
    old.until_holds(QUEUE, 1).await;
    consumer_comes(new).await;
    let again = steps.again().await;
    assert!(again.code == Some(0) && again.stdout.is_empty(), "{again:#?}");
    for (queue, count) in HELD {
        assert_eq!(lying(new, queue, count).await, held[queue], "{queue}");
        old.until_holds(queue, 0).await;
    }
    steps.next_until("{}").await;
    let vhost = &new.vhost().name;
    let places = [format!("parameters/shovel/{vhost}"), format!("exchanges/{vhost}"), "users".to_owned()];
    for place in &places {
        let there = new.vhost().manage(Method::GET, place, None).await.to_string();
        assert!(there.contains("moving"), "not in {place}: {there}");
    }
    steps.next().await.tells(&[]);
    steps.done();
    for place in &places {
        let there = new.vhost().manage(Method::GET, place, None).await.to_string();
        assert!(!there.contains("moving"), "left in {place}: {there}");
    }
}

/// Logins are the broker's, not a vhost's: none outlives a test that fails.
struct Logins<'a>(&'a Installation);

impl Drop for Logins<'_> {
    fn drop(&mut self) {
        for login in ["moving-in", "moving-out"] {
            finish(self.0.vhost().manage(Method::DELETE, &format!("users/{login}"), None));
        }
    }
}

#[tokio::test]
async fn what_an_old_broker_holds_is_moved() {
    let (issuer, mut crm) = (Issuer::new(), Receiver::start(REFUSED).await);
    let old = Installation::with(|config| {
        issuer.trusted_by(config);
        tell(config, &[("crm", &crm)], &[2_000; 30]);
        (config.join.busy_retries, config.database.lock_timeout) = (0, Duration::from_millis(100));
        // What takes long is not announced twice.
        (config.announce.lease, config.broker.confirm_timeout) = (PATIENCE * 2, PATIENCE);
    })
    .await;
    consumer_comes(&old).await;
    let asking = Asking::at(&old).await;
    let elsewhere = Uuid::new_v4();
    let leaver = old.member(elsewhere, MemberSpec { privacy: "PUBLIC", ..JOINABLE }).await;
    let webhook = Box::pin(served(&old, &asking, &mut crm)).await;
    Box::pin(left_lying(&old, &asking, &issuer, Message::leave(elsewhere, leaver))).await;

    let new = Installation::around(vhost(), |config| {
        let own = config.clone();
        *config = old.config.clone();
        (config.broker, config.announce, config.join) = (own.broker, own.announce, own.join);
        config.database.lock_timeout = own.database.lock_timeout;
    })
    .await;
    Box::pin(moved(&old, &new)).await;

    crm.forget();
    crm.answers(TAKEN);
    let worker = new.start().await;
    let by_hand = Steps::of(SECTION, &new);
    by_hand
        .run("join-community dead-letters replay --all --why moved")
        .await
        .tells(&["2 dead letters replayed (2 joined)"]);
    by_hand.run("join-community dead-letters restore --all --why moved").await.tells(&["1 dead letter restored"]);
    // The record is one, and nothing came back to the old broker.
    old.all_recorded_once(&asking.all()).await;
    eventually("the leaver has left", PATIENCE, async || match old.record(elsewhere, leaver).await {
        Some(record) if record.privacy == "PRIVATE" => Ok(()),
        record => Err(record),
    })
    .await;
    while crm.next().await.body != webhook {}
    new.until_holds(REQUESTS, 0).await;
    worker.stop().await;
}
