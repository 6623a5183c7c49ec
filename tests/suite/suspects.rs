//! Deliveries that came back: tried one at a time, marked while they are, and given up where workers died of them.

mod floor;

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use join_community::app::Stopped;
use join_community::operations::Dependency;
use join_community::postgres::{Fingerprint, Role, Session};
use lapin::Channel;
use lapin::options::BasicGetOptions;
use sqlx::{Executor as _, PgConnection};
use uuid::Uuid;

use crate::support::{Installation, JOINABLE, Message, PATIENCE, Producer, Proxy, Wire, Worker, eventually};

const REQUESTS: &str = "join-community.requests";
/// Counts what it refuses: a sequence is not rolled back.
const REFUSE: &str = "CREATE SEQUENCE refused; CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        PERFORM nextval('refused'); RAISE EXCEPTION 'no space left' USING ERRCODE = 'disk_full'; END $$";
const REFUSE_MARKS: &str = "CREATE TRIGGER refuse BEFORE INSERT ON suspects EXECUTE FUNCTION refuse()";
const REFUSE_VERDICTS: &str = "CREATE TRIGGER refuse BEFORE INSERT ON join_requests EXECUTE FUNCTION refuse()";
const MEND: &str = "DROP FUNCTION refuse CASCADE";

#[tokio::test]
async fn what_comes_back_is_tried_alone_and_joins_as_ever() {
    let installation = Installation::new().await;
    let producer = installation.producer().await;
    let mut events = installation.events().await;
    let crowd = installation.crowd_at_the_door(&producer, 50).await;
    come_back(&installation, 50).await;
    let fresh = installation.crowd_at_the_door(&producer, 50).await;
    let worker = installation.start().await;
    for crowd in [&crowd, &fresh] {
        installation.all_joined_once(crowd).await;
    }
    events.tell_of(&[&crowd, &fresh]).await;
    assert_eq!(worker.counted("join_community_suspects_total"), 50);
    worker.stop().await;
    assert_eq!(marks(&installation).await, 0);
}

#[tokio::test]
async fn what_two_processes_died_of_is_a_dead_letter_unread_and_sent_again_it_starts_afresh() {
    let installation = Installation::new().await;
    let mut producer = installation.producer().await;
    let (site, request) = one_came_back(&installation, &producer).await;
    for _ in 0..2 {
        mark_as_by_another(&installation, &request, producer.user()).await;
    }
    let worker = installation.start().await;
    let [letter] = installation.dead_letters(1).await.try_into().unwrap();
    assert_eq!(letter.header("x-join-community-reason"), "crash_loop");
    assert_eq!((letter.message_id(), letter.body.as_slice()), (Some(request.request_id()), request.body()));
    assert_eq!(letter.headers["x-join-community-attempts"], 0);
    // Who sent it stands in what the broker vouches for; who calls stands in what was not read.
    assert_eq!(letter.header("x-join-community-requester"), "producer:member-gateway");
    assert!(letter.headers["x-join-community-caller"].is_null(), "{letter:?}");
    assert!(installation.requests(site).await.is_empty());
    worker.stop().await;
    assert_eq!(marks(&installation).await, 0);

    producer.send(&request).await;
    come_back(&installation, 1).await;
    let worker = installation.start().await;
    assert_eq!(producer.answer_to(&request).await.status, 200);
    worker.stop().await;
}

#[tokio::test]
async fn while_no_mark_can_be_made_a_delivery_is_held_and_does_not_use_up_its_deliveries() {
    let installation = Installation::new().await;
    let (mut producer, mut stranger) = (installation.producer().await, installation.stranger().await);
    let (_, request) = one_came_back(&installation, &producer).await;
    stranger.execute(sqlx::raw_sql(REFUSE)).await.unwrap();
    stranger.execute(REFUSE_MARKS).await.unwrap();
    let mut config = installation.alert();
    config.outage.max_pause = Duration::from_millis(100);
    let worker = Worker::launch(config.clone()).await;
    until_refused(&mut stranger, 20).await;
    assert!(worker.until_misses(Dependency::Database).await.contains("no space left"));
    worker.stop().await;
    let [lying] = installation.messages(REQUESTS, 1).await.try_into().unwrap();
    // Once by `come_back`, once because the worker stopped.
    assert_eq!(lying.headers["x-delivery-count"], 2, "{}", lying.headers);

    let worker = Worker::launch(config).await;
    stranger.execute(MEND).await.unwrap();
    assert_eq!(producer.answer_to(&request).await.status, 200);
    worker.stop().await;
}

#[tokio::test]
async fn a_try_that_is_stopped_takes_its_own_mark_away_and_no_other() {
    let installation = Installation::new().await;
    let (producer, mut stranger) = (installation.producer().await, installation.stranger().await);
    let crowd = installation.crowd_at_the_door(&producer, 1).await;
    come_back(&installation, 1).await;
    mark_as_by_another(&installation, &crowd.requests[0], producer.user()).await;
    stranger.execute(sqlx::raw_sql(REFUSE)).await.unwrap();
    stranger.execute(REFUSE_VERDICTS).await.unwrap();
    let worker = Worker::launch(installation.alert()).await;
    until_refused(&mut stranger, 2).await;
    worker.stop().await;
    assert_eq!(marks(&installation).await, 1);
    installation.until_holds(REQUESTS, 1).await;

    stranger.execute(MEND).await.unwrap();
    let worker = installation.start().await;
    installation.all_joined_once(&crowd).await;
    worker.stop().await;
    assert_eq!(marks(&installation).await, 0);
}

#[tokio::test]
async fn a_worker_that_loses_broker_and_database_in_the_middle_of_a_try_did_not_die_of_it() {
    let installation = Installation::new().await;
    let (producer, mut stranger) = (installation.producer().await, installation.stranger().await);
    let crowd = installation.crowd_at_the_door(&producer, 1).await;
    come_back(&installation, 1).await;
    stranger.execute(sqlx::raw_sql(REFUSE)).await.unwrap();
    stranger.execute(REFUSE_VERDICTS).await.unwrap();
    let mut config = installation.alert();
    config.join.lanes = 1;
    let wire = Proxy::of_some(&mut config.broker.url, "join-community consuming");
    let worker = Worker::launch(config).await;
    for tries in [2, 6, 10, 14] {
        until_refused(&mut stranger, tries).await;
        wire.set(Wire::Cut);
        worker.until_misses(Dependency::Consuming).await;
        wire.set(Wire::Whole);
    }
    stranger.execute(MEND).await.unwrap();
    installation.all_joined_once(&crowd).await;
    worker.stop().await;
    assert_eq!(marks(&installation).await, 0);
}

#[tokio::test]
async fn whoever_lives_and_tries_the_same_message_did_not_die_of_it() {
    let installation = Installation::new().await;
    let mut producer = installation.producer().await;
    let (_, request) = one_came_back(&installation, &producer).await;
    let _others = tried_by_others(&installation, &request, producer.user()).await;
    let worker = installation.start().await;
    assert_eq!(producer.answer_to(&request).await.status, 200);
    worker.stop().await;
}

#[tokio::test]
async fn whoever_dies_while_another_asks_whether_it_lives_is_counted() {
    let installation = Installation::new().await;
    let producer = installation.producer().await;
    let (site, request) = one_came_back(&installation, &producer).await;
    let others = tried_by_others(&installation, &request, producer.user()).await;
    let worker = installation.start().await;
    eventually("the worker has marked it, too", PATIENCE, async || match marks(&installation).await {
        3 => Ok(()),
        marks => Err(marks),
    })
    .await;
    drop(others);
    let [letter] = installation.dead_letters(1).await.try_into().unwrap();
    assert_eq!(letter.header("x-join-community-reason"), "crash_loop");
    assert!(installation.requests(site).await.is_empty());
    worker.stop().await;
}

#[tokio::test]
async fn a_suspect_that_waits_for_the_database_keeps_nobody_else_waiting_and_does_not_hold_up_the_end() {
    let installation = Installation::new().await;
    let (producer, mut stranger) = (installation.producer().await, installation.stranger().await);
    installation.crowd_at_the_door(&producer, 1).await;
    come_back(&installation, 1).await;
    stranger.execute(sqlx::raw_sql(REFUSE)).await.unwrap();
    stranger.execute(REFUSE_VERDICTS).await.unwrap();
    let mut config = installation.alert();
    (config.join.lanes, config.outage.hold) = (3, Duration::from_mins(5));
    // One statement that is not answered and one connection that is not made; a second of these would be too late.
    config.database.connect_timeout = Duration::from_secs(3);
    config.shutdown.grace = Duration::from_secs(7);
    let wire = Proxy::before(&mut config.database.url);
    let worker = Worker::launch(config).await;
    until_refused(&mut stranger, 2).await;
    wire.set(Wire::Hung);
    eventually("the suspect waits for an answer in vain", PATIENCE, async || {
        let reason = worker.until_misses(Dependency::Database).await;
        if reason.contains("did not answer") { Ok(()) } else { Err(reason) }
    })
    .await;
    producer.send_all(&installation.crowd(20).await.requests).await;
    installation.until_holds(REQUESTS, 0).await;
    assert_eq!(worker.stop().await, Stopped::Drained);
    installation.until_holds(REQUESTS, 21).await;
}

/// Two processes that live, and have a request in hand.
async fn tried_by_others(installation: &Installation, request: &Message, user: &str) -> Vec<Session> {
    let mut others = Vec::new();
    for _ in 0..2 {
        let id = Uuid::new_v4();
        let mut session = Session::new(&installation.config.database, Role::Lane).unwrap().standing_for(id);
        session.mark_suspect(&fingerprint(request, user), id).await.unwrap();
        others.push(session);
    }
    others
}

/// Sends a request of a member of a new site, which comes back.
async fn one_came_back(installation: &Installation, producer: &Producer) -> (Uuid, Message) {
    let site = Uuid::now_v7();
    let request = Message::join(site, installation.member(site, JOINABLE).await);
    producer.send(&request).await;
    come_back(installation, 1).await;
    (site, request)
}

/// Takes the requests that wait and gives them back, as a worker that dies does.
pub(crate) async fn come_back(installation: &Installation, count: u32) {
    take(installation, count).await.close(200, "read".into()).await.unwrap();
    installation.until_holds(REQUESTS, count).await;
}

/// Takes the requests that wait. They are back when the channel closes.
async fn take(installation: &Installation, count: u32) -> Channel {
    let channel = installation.channel().await;
    for _ in 0..count {
        channel.basic_get(REQUESTS.into(), BasicGetOptions::default()).await.unwrap().expect("a request waits");
    }
    channel
}

/// Marks a request as a process that died of it, alone, leaves it behind.
pub(crate) async fn mark_as_by_another(installation: &Installation, request: &Message, user: &str) {
    sqlx::query("INSERT INTO suspects (fingerprint, process) VALUES ($1, $2)")
        .bind(fingerprint(request, user).as_slice())
        .bind(Uuid::new_v4())
        .execute(&mut installation.stranger().await)
        .await
        .unwrap();
}

fn fingerprint(request: &Message, user: &str) -> Fingerprint {
    let mut told = Vec::new();
    for part in [user.as_bytes(), request.request_id().as_bytes(), b"join-community.v1", request.body()] {
        told.extend(u64::try_from(part.len()).unwrap().to_be_bytes());
        told.extend(part);
    }
    digest(&SHA256, &told).as_ref().try_into().unwrap()
}

async fn marks(installation: &Installation) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM suspects").fetch_one(&mut installation.stranger().await).await.unwrap()
}

async fn until_refused(stranger: &mut PgConnection, least: i64) {
    eventually(&format!("PostgreSQL refused {least} times"), PATIENCE, async || {
        let refused: i64 =
            sqlx::query_scalar("SELECT last_value FROM refused").fetch_one(&mut *stranger).await.unwrap();
        if refused >= least { Ok(()) } else { Err(refused) }
    })
    .await;
}
