//! Requests spread over several queues: each member's in one of them, in their order, in one hand at a time.

mod changing;

use std::collections::BTreeMap;
use std::time::Duration;

use join_community::config::Config;
use join_community::rabbitmq::connect::connect;
use join_community::rabbitmq::consumer::{Deliveries, Source};
use sqlx::Row as _;
use uuid::Uuid;

use crate::support::{Installation, JOINABLE, Message, PATIENCE, Producer, Worker, eventually};

pub(crate) const SHARDS: u16 = 4;
const LIMIT: Duration = Duration::from_secs(10);

pub(crate) fn spread(config: &mut Config) {
    config.broker.shards = SHARDS;
}

fn shard(number: u16) -> String {
    format!("join-community.requests.{number}")
}

/// How many requests wait in each shard.
async fn depths(installation: &Installation) -> Vec<u32> {
    let mut depths = Vec::new();
    for number in 1..=SHARDS {
        depths.push(installation.depth(&shard(number)).await);
    }
    depths
}

async fn until_empty(installation: &Installation) {
    for number in 1..=SHARDS {
        installation.until_holds(&shard(number), 0).await;
    }
}

#[tokio::test]
async fn requests_are_spread_over_all_shards_and_each_joins_its_member_once() {
    let installation = Installation::with(spread).await;
    let crowd = installation.crowd_at_the_door(&installation.producer().await, 50).await;
    let waiting = depths(&installation).await;
    assert!(waiting.iter().all(|depth| *depth > 0), "a shard is not used: {waiting:?}");
    assert_eq!((waiting.iter().sum::<u32>(), installation.depth("join-community.requests").await), (50, 0));

    let worker = installation.start().await;
    installation.all_joined_once(&crowd).await;
    until_empty(&installation).await;
    worker.stop().await;
}

#[tokio::test]
async fn requests_that_name_no_member_in_a_header_go_to_one_shard_and_join_as_well() {
    let installation = Installation::with(spread).await;
    let producer = installation.producer().await;
    let mut crowd = installation.crowd(20).await;
    crowd.requests = crowd.requests.iter().map(Message::without_headers).collect();
    producer.send_all(&crowd.requests).await;
    let waiting = depths(&installation).await;
    assert_eq!(waiting.iter().filter(|depth| **depth == 20).count(), 1, "{waiting:?}");

    let worker = installation.start().await;
    installation.all_joined_once(&crowd).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_request_comes_back_from_the_ladder_into_the_shard_of_its_member() {
    let installation = Installation::with(spread).await;
    let (producer, site) = (installation.producer().await, Uuid::new_v4());
    // Whatever the header of the producer says, the copy's says who is to join.
    let members: Vec<Uuid> = (0..8).map(|_| Uuid::new_v4()).collect();
    let unknown: Vec<Message> = members.iter().map(|member| Message::join(site, *member).without_headers()).collect();
    let mut ladder = installation.listen("join-community.internal", "retry.1s").await;
    let worker = installation.start().await;
    producer.send_all(&unknown).await;
    for _ in &members {
        let copy = ladder.next().await;
        let body: serde_json::Value = serde_json::from_slice(&copy.body).unwrap();
        assert_eq!(copy.headers["memberId"], body["memberId"]);
    }
    worker.stop().await;
    let whole = async || match depths(&installation).await {
        waiting if waiting.iter().sum::<u32>() == 8 => Ok(waiting),
        waiting => Err(waiting),
    };
    let returned = eventually("all are back from the ladder", PATIENCE, whole).await;
    producer.send_all(&members.iter().map(|member| Message::join(site, *member)).collect::<Vec<_>>()).await;
    let both = depths(&installation).await;
    let doubled: Vec<u32> = returned.iter().map(|depth| depth * 2).collect();
    assert_eq!(both, doubled, "copies lie elsewhere than requests with the header");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_share_the_shards_keep_each_member_s_order_and_take_over_from_each_other() {
    let installation = Installation::with(|config| {
        spread(config);
        config.join.batch_max = 8;
    })
    .await;
    let producer = installation.producer().await;
    let (first, second) = (installation.start().await, installation.start().await);
    until_shared(&installation, &producer, [&first, &second]).await;
    in_order(&installation, &producer).await;

    let while_it_stops = installation.crowd_at_the_door(&producer, 100).await;
    first.stop().await;
    let afterwards = installation.crowd_at_the_door(&producer, 100).await;
    for crowd in [while_it_stops, afterwards] {
        installation.all_recorded_once(&crowd).await;
    }
    until_empty(&installation).await;
    // Who holds a shard is known by what the broker gives, and it may just have left one to the worker that is gone.
    eventually("the one that is left holds all shards", PATIENCE, async || {
        let crowd = installation.crowd_at_the_door(&producer, 20).await;
        installation.until_answered(&crowd, 20).await;
        match second.counted("join_community_shards_held") {
            held if held == u64::from(SHARDS) => Ok(()),
            held => Err(held),
        }
    })
    .await;
    second.stop().await;
}

/// Sends until each of the two holds half of the shards: who holds one is known by what the broker gives.
async fn until_shared(installation: &Installation, producer: &Producer, workers: [&Worker; 2]) {
    eventually("each worker holds half of the shards", PATIENCE * 2, async || {
        let crowd = installation.crowd_at_the_door(producer, 20).await;
        installation.until_answered(&crowd, 20).await;
        let held = workers.map(|worker| worker.counted("join_community_shards_held"));
        if held == [u64::from(SHARDS / 2); 2] { Ok(()) } else { Err(held) }
    })
    .await;
}

/// Many requests for few members: none is decided before one that was sent before it.
async fn in_order(installation: &Installation, producer: &Producer) {
    const EACH: usize = 30;
    let site = Uuid::new_v4();
    let members = installation.members(site, JOINABLE, 10).await;
    let requests: Vec<Message> =
        (0..EACH).flat_map(|_| members.iter().map(|member| Message::join(site, *member))).collect();
    producer.send_all(&requests).await;
    let all = requests.len();
    let mut database = installation.stranger().await;
    let decided = eventually("all are decided", PATIENCE, async || {
        // Ids are in the order of sending, so that of two with one time the first comes first.
        let order =
            "SELECT member_id, request_id FROM join_requests WHERE site_id = $1 ORDER BY decided_at, request_id";
        let rows = sqlx::query(order).bind(site).fetch_all(&mut database).await.unwrap();
        if rows.len() == all { Ok(rows) } else { Err(rows.len()) }
    })
    .await;
    let mut by_member: BTreeMap<Uuid, Vec<String>> = BTreeMap::new();
    for row in decided {
        by_member.entry(row.get("member_id")).or_default().push(row.get("request_id"));
    }
    assert_eq!(by_member.len(), members.len());
    for (member, ids) in by_member {
        assert!(ids.is_sorted(), "{member}: a request overtook another");
    }
}

#[tokio::test]
async fn who_stands_last_finishes_what_it_was_given_and_the_next_in_line_gets_the_rest() {
    let installation = Installation::with(spread).await;
    let producer = installation.producer().await;
    let without_header = |count| async move { (0..count).map(|_| Message::bytes("{}")).collect::<Vec<_>>() };
    producer.send_all(&without_header(5).await).await;
    let waiting = depths(&installation).await;
    let place = waiting.iter().position(|depth| *depth == 5).expect("all in one shard");
    let source = Source { queue: shard(u16::try_from(place).unwrap() + 1), prefetch: 10 };
    let broker = &installation.config.broker;
    let connection = connect(&broker.url, "test", broker).await.unwrap();

    let mut before = Deliveries::open(&connection, std::slice::from_ref(&source), LIMIT).await.unwrap();
    let mut taken = before.next_batch(2).await.unwrap();
    let mut after = Deliveries::open(&connection, std::slice::from_ref(&source), LIMIT).await.unwrap();
    assert_eq!((before.delivering().count(), after.delivering().count()), (1, 0));
    before.stand_last(0, LIMIT).await.unwrap();
    producer.send_all(&without_header(3).await).await;
    let mut next = Vec::new();
    while next.len() < 3 {
        next.extend(after.next_batch(10).await.unwrap());
    }
    assert!(next.iter().all(|(_, incoming)| !incoming.redelivered), "what the first one holds was given away");
    while taken.len() < 5 {
        taken.extend(before.next_batch(10).await.unwrap());
    }
    assert_eq!((before.delivering().count(), after.delivering().count()), (0, 1));
    // It takes over again once the other is gone.
    before.settlements().ack(taken.last().unwrap().0, true).await.unwrap();
    after.settlements().ack(next.last().unwrap().0, true).await.unwrap();
    after.close(LIMIT).await.unwrap();
    producer.send(&Message::bytes("{}")).await;
    let (_, last) = before.next_batch(10).await.unwrap().remove(0);
    assert!(!last.redelivered, "something of before was not acknowledged");
    before.close(LIMIT).await.unwrap();
}
