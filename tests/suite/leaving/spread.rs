//! Leaving where requests are spread over several queues: with the joins of the same member in one, and in their order.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::support::{Installation, JOINABLE, Message, PATIENCE, eventually};

#[tokio::test]
async fn joins_and_leaves_of_a_member_lie_in_one_shard_and_take_effect_in_the_order_of_sending() {
    let installation = Installation::with(|config| config.broker.shards = 4).await;
    let (producer, site) = (installation.producer().await, Uuid::new_v4());
    let members = installation.members(site, JOINABLE, 20).await;
    let methods = [Message::join, Message::leave, Message::join, Message::leave, Message::leave];
    let requests: Vec<Message> =
        methods.iter().flat_map(|method| members.iter().map(move |member| method(site, *member))).collect();
    producer.send_all(&requests).await;
    let mut waiting = Vec::new();
    for number in 1..=4 {
        waiting.push(installation.depth(&format!("join-community.requests.{number}")).await);
    }
    assert_eq!(waiting.iter().sum::<u32>(), 100);
    assert!(waiting.iter().all(|depth| depth % 5 == 0), "the five of a member lie apart: {waiting:?}");

    let worker = installation.start().await;
    let recorded = eventually("all are decided", PATIENCE, async || {
        let recorded = installation.requests(site).await;
        if recorded.len() == requests.len() { Ok(recorded) } else { Err(recorded.len()) }
    })
    .await;
    // Ids are in the order of sending.
    let mut by_member: BTreeMap<Uuid, Vec<(String, i64)>> = BTreeMap::new();
    for it in recorded {
        by_member.entry(it.member.unwrap()).or_default().push((it.verdict, it.sequence.unwrap()));
    }
    let expected = [("joined", 17), ("left", 18), ("joined", 19), ("left", 20), ("already_left", 20)];
    let expected = expected.map(|(verdict, sequence)| (verdict.to_owned(), sequence));
    assert_eq!(by_member.len(), members.len());
    for (member, verdicts) in by_member {
        assert_eq!(verdicts, expected, "{member}");
    }
    for number in 1..=4 {
        installation.until_holds(&format!("join-community.requests.{number}"), 0).await;
    }
    worker.stop().await;
}
