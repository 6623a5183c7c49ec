//! Sites beside each other in one queue: a request that comes while the backlog of another site lies there does not wait for
//! all of it, and nothing is lost by that, or done twice.

use std::time::Duration;

use join_community::config::Config;
use join_community::domain::IdentityType;
use join_community::rabbitmq::ahead;
use join_community::rabbitmq::connect::connect;
use join_community::rabbitmq::topology::Names;
use serde_json::json;
use sqlx::{Connection as _, Executor as _};
use uuid::Uuid;

use crate::support::{Crowd, Installation, Issuer, JOINABLE, Message, PATIENCE, PUBLIC, Producer, Worker, eventually};

/// Seconds of work, for what a lane does here: with each batch as slow as `SLOW` makes it, on any machine.
const BACKLOG: usize = 1_500;
/// A database that is slow to keep verdicts: however fast the machine, a backlog lasts while a test looks at it.
pub(crate) const SLOW: &str = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        PERFORM pg_sleep(0.03); RETURN NULL; END $$;
    CREATE TRIGGER slow BEFORE INSERT ON join_requests EXECUTE FUNCTION slow()";
const LIMIT: Duration = Duration::from_secs(10);

/// One lane, small batches, no patience: a backlog of thousands is a crowd for seconds.
fn impatient(config: &mut Config) {
    config.join.steered = false;
    config.join.lanes = 1;
    config.join.batch_max = 8;
    config.join.prefetch = 16;
    config.fairness.patience = Duration::from_millis(1);
}

impl Installation {
    /// A backlog of another site, of seconds: what comes after it has all the time to be seen ahead.
    async fn backlog(&self, producer: &Producer) -> Crowd {
        let mut records = self.stranger().await;
        records.execute(SLOW).await.unwrap();
        records.close().await.unwrap();
        self.crowd_at_the_door(producer, BACKLOG).await
    }

    /// How many of a crowd were decided before this request of another site, or with it.
    async fn decided_before(&self, crowd: &Crowd, site: Uuid, request: &Message) -> usize {
        let mut records = self.stranger().await;
        let earlier = "SELECT count(*) FROM join_requests WHERE site_id = $1 AND decided_at <=
            (SELECT decided_at FROM join_requests WHERE site_id = $2 AND request_id = $3)";
        let earlier = sqlx::query_scalar(earlier).bind(crowd.site).bind(site).bind(request.request_id());
        let earlier: i64 = earlier.fetch_one(&mut records).await.unwrap();
        records.close().await.unwrap();
        usize::try_from(earlier).unwrap()
    }
}

async fn until_it_looks_ahead(worker: &Worker, looks: u64) {
    eventually("the worker looks ahead, or no longer", PATIENCE, async || {
        let seen = worker.counted("join_community_looks_ahead");
        if seen == looks { Ok(()) } else { Err(seen) }
    })
    .await;
}

#[tokio::test]
async fn a_request_that_comes_while_another_site_s_backlog_lies_there_is_decided_before_the_rest_of_it() {
    let issuer = Issuer::new();
    let installation = Installation::with(|config| {
        impatient(config);
        issuer.trusted_by(config);
    })
    .await;
    let mut producer = installation.producer().await;
    let site = Uuid::new_v4();
    let members = installation.members(site, JOINABLE, 2).await;
    let mut events = installation.events().await;
    let crowd = installation.backlog(&producer).await;
    let worker = installation.start().await;
    until_it_looks_ahead(&worker, 1).await;

    let vouched = Message::join(site, members[0]);
    let by_token = issuer.token(&issuer.claims(site, IdentityType::Member, members[1]));
    let by_token = Message::json(&json!({ "siteId": site })).token(&by_token);
    for request in [&vouched, &by_token] {
        producer.send(request).await;
        assert_eq!(producer.answer_to(request).await.status, 200);
        let before = installation.decided_before(&crowd, site, request).await;
        assert!(before < BACKLOG, "all were decided before it");
    }
    assert_eq!(worker.counted("join_community_ahead_total"), 2);

    // Each comes from the queue as well, and is answered again with what stands recorded.
    installation.all_recorded_once(&crowd).await;
    assert_eq!([producer.answer_to(&vouched).await.status, producer.answer_to(&by_token).await.status], [200, 200]);
    assert_eq!(worker.counted("join_community_requests_repeated_total"), 2);
    let verdicts = installation.requests(site).await;
    assert_eq!(verdicts.len(), 2);
    assert!(verdicts.iter().any(|verdict| verdict.requester == "producer:member-gateway"), "{verdicts:?}");
    assert!(verdicts.iter().any(|verdict| verdict.requester.starts_with("token:")), "{verdicts:?}");
    events.tell_of(&[&crowd]).await;
    until_it_looks_ahead(&worker, 0).await;
    worker.stop().await;
}

#[tokio::test]
async fn who_asks_for_several_at_once_waits_for_none_of_them_until_the_crowd_is_done() {
    let installation = Installation::with(impatient).await;
    let mut producer = installation.producer().await;
    let site = Uuid::new_v4();
    let members = installation.members(site, JOINABLE, 12).await;
    let crowd = installation.backlog(&producer).await;
    let worker = installation.start().await;
    until_it_looks_ahead(&worker, 1).await;
    // Beside a batch of eight only one request of a site goes ahead.
    let requests: Vec<Message> = members.iter().map(|member| Message::join(site, *member)).collect();
    for request in &requests {
        producer.send(request).await;
    }
    for request in &requests {
        assert_eq!(producer.answer_to(request).await.status, 200);
        let before = installation.decided_before(&crowd, site, request).await;
        assert!(before < BACKLOG, "all were decided before it");
    }
    assert_eq!(worker.counted("join_community_ahead_total"), 12);
    worker.stop().await;
}

#[tokio::test]
async fn a_backlog_that_lies_there_from_the_start_is_a_crowd_before_anything_is_known_of_it() {
    let installation = Installation::with(|config| {
        impatient(config);
        config.fairness.patience = Duration::from_hours(1);
    })
    .await;
    let producer = installation.producer().await;
    installation.member(Uuid::new_v4(), JOINABLE).await;
    installation.backlog(&producer).await;
    let worker = installation.start().await;
    until_it_looks_ahead(&worker, 1).await;
    worker.stop().await;
}

#[tokio::test]
async fn leaving_goes_ahead_as_joining_does_and_what_comes_again_from_the_queue_changes_nothing() {
    let installation = Installation::with(impatient).await;
    let mut producer = installation.producer().await;
    let site = Uuid::new_v4();
    let member = installation.member(site, PUBLIC).await;
    let crowd = installation.backlog(&producer).await;
    let worker = installation.start().await;
    until_it_looks_ahead(&worker, 1).await;

    let (leave, join) = (Message::leave(site, member), Message::join(site, member));
    for (request, privacy) in [(&leave, "PRIVATE"), (&join, "PUBLIC")] {
        producer.send(request).await;
        let answer = producer.answer_to(request).await;
        assert_eq!((answer.status, &answer.body["member"]["privacyStatus"]), (200, &json!(privacy)));
        let before = installation.decided_before(&crowd, site, request).await;
        assert!(before < BACKLOG, "all were decided before it");
    }
    assert_eq!(worker.counted("join_community_ahead_total"), 2);

    installation.all_recorded_once(&crowd).await;
    // The answer from the queue has the first verdict, and the member as they are now.
    for request in [&leave, &join] {
        let again = producer.answer_to(request).await;
        assert_eq!((again.status, &again.body["member"]["privacyStatus"]), (200, &json!("PUBLIC")));
    }
    for (request, verdict, sequence) in [(&leave, "left", 17), (&join, "joined", 18)] {
        let recorded = installation.verdict(site, request).await;
        assert_eq!((recorded.verdict.as_str(), recorded.sequence), (verdict, Some(sequence)));
    }
    let record = installation.record(site, member).await.unwrap();
    assert_eq!((record.privacy.as_str(), record.sequence), ("PUBLIC", 18));
    worker.stop().await;
}

#[tokio::test]
async fn what_comes_to_no_verdict_ahead_is_left_to_the_queue() {
    let installation = Installation::with(impatient).await;
    let mut producer = installation.producer().await;
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    let crowd = installation.backlog(&producer).await;
    let worker = installation.start().await;
    until_it_looks_ahead(&worker, 1).await;

    // Of sites of their own: beside a batch of eight only one request of a site goes ahead.
    let (malformed, unknown) = (Message::json(&json!({ "siteId": 7 })), Message::join(Uuid::new_v4(), Uuid::new_v4()));
    let known = Message::join(site, member);
    for request in [&malformed, &unknown, &known] {
        producer.send(request).await;
    }
    assert_eq!(producer.answer_to(&known).await.status, 200);
    assert_eq!(worker.counted("join_community_dead_letters_total"), 0, "it was not read ahead, or not left alone");
    assert_eq!(worker.counted("join_community_retries_total"), 0, "it was not read ahead, or not left alone");

    installation.until_answered(&crowd, BACKLOG).await;
    assert_eq!(installation.dead_letters(1).await.len(), 1);
    worker.stop().await;
}

#[tokio::test]
async fn nobody_goes_ahead_where_no_share_is_left_for_it() {
    let installation = Installation::with(|config| {
        impatient(config);
        config.fairness.share = 0.0;
    })
    .await;
    let mut producer = installation.producer().await;
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    let crowd = installation.backlog(&producer).await;
    let worker = installation.start().await;
    installation.until_answered(&crowd, BACKLOG / 4).await;
    let single = Message::join(site, member);
    producer.send(&single).await;
    assert_eq!(producer.answer_to(&single).await.status, 200);
    assert_eq!(installation.decided_before(&crowd, site, &single).await, BACKLOG);
    worker.stop().await;
}

#[tokio::test]
async fn requests_of_a_site_that_crowds_the_queue_itself_wait_their_turn() {
    let installation = Installation::with(impatient).await;
    let mut producer = installation.producer().await;
    installation.member(Uuid::new_v4(), JOINABLE).await;
    let crowd = installation.backlog(&producer).await;
    let member = installation.member(crowd.site, JOINABLE).await;
    let worker = installation.start().await;
    until_it_looks_ahead(&worker, 1).await;
    let last = Message::join(crowd.site, member);
    producer.send(&last).await;
    assert_eq!(producer.answer_to(&last).await.status, 200);
    assert_eq!(worker.counted("join_community_ahead_total"), 0);
    worker.stop().await;
}

#[tokio::test]
async fn one_worker_looks_ahead_and_another_can_once_it_is_gone() {
    let installation = Installation::new().await;
    let names = Names::new("");
    let broker = &installation.config.broker;
    let [one, other] = [connect(&broker.url, "one", broker).await, connect(&broker.url, "other", broker).await];
    let (one, other) = (one.unwrap(), other.unwrap());
    let held = ahead::look(&one, &names, LIMIT).await.unwrap().expect("nobody else looks");
    assert!(ahead::look(&other, &names, LIMIT).await.unwrap().is_none(), "both look");
    held.close(LIMIT).await.unwrap();
    let held = ahead::look(&other, &names, LIMIT).await.unwrap().expect("the first is gone");
    drop((held, other));
    eventually("the queue goes with the connection", PATIENCE, async || {
        ahead::look(&one, &names, LIMIT).await.unwrap().map(drop).ok_or("it is still held")
    })
    .await;
}
