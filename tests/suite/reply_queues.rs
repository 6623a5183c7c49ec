//! Where replies may go: nowhere that a producer could harm by naming it.

use uuid::Uuid;

use crate::support::{Installation, JOINABLE, Message, PATIENCE, eventually};

#[tokio::test]
async fn a_reply_goes_nowhere_it_may_not_go_and_the_request_is_processed_all_the_same() {
    // Even where every queue is allowed, the worker's own are not.
    let installation =
        Installation::with(|config| config.broker.reply_queues = vec!["*join-community*".to_owned()]).await;
    let worker = installation.start().await;
    let mut producer = installation.producer().await;
    installation.foreign_queue("payroll").await;
    let site = Uuid::new_v4();
    let queues = [
        "nowhere",
        "payroll",
        "",
        "amq.rabbitmq.reply-to.",
        "amq.gen-of-somebody",
        "join-community.requests",
        "join-community.retry.10m",
        "join-community.dead-letters",
        "members.events.unrouted",
    ];
    for queue in queues {
        let member = installation.member(site, JOINABLE).await;
        producer.send(&Message::join(site, member).reply_to(queue)).await;
        eventually(&format!("the member joins although its reply goes to {queue:?}"), PATIENCE, async || {
            match installation.record(site, member).await.unwrap() {
                record if record.privacy == "PUBLIC" => Ok(()),
                record => Err(record),
            }
        })
        .await;
    }
    let last = installation.member(site, JOINABLE).await;
    assert_eq!(producer.ask(&Message::join(site, last)).await.status, 200);
    installation.outbox_is_empty().await;
    assert_eq!(worker.counted("join_community_replies_dropped_total"), queues.len() as u64);
    worker.stop().await;
    // The events have no consumer in this test, and lie where such events are kept.
    for queue in ["payroll", "join-community.requests", "join-community.retry.10m", "join-community.dead-letters"] {
        assert_eq!(installation.depth(queue).await, 0, "{queue}");
    }
    assert_eq!(installation.depth("members.events.unrouted").await, u32::try_from(queues.len() + 1).unwrap());
}

#[tokio::test]
async fn a_queue_that_is_allowed_gets_replies_and_one_that_is_gone_harms_nobody() {
    let installation = Installation::with(|config| config.broker.reply_queues = vec!["gateway.*".to_owned()]).await;
    let worker = installation.start().await;
    let producer = installation.producer().await;
    installation.foreign_queue("gateway.replies").await;
    let site = Uuid::new_v4();
    let members = installation.members(site, JOINABLE, 2).await;

    let gone = Message::join(site, members[0]).reply_to("gateway.gone");
    let allowed = Message::join(site, members[1]).reply_to("gateway.replies").correlation_id("c-1");
    producer.send_all(&[gone, allowed]).await;
    let [reply] = installation.messages("gateway.replies", 1).await.try_into().unwrap();
    let correlation = reply.properties.correlation_id().as_ref().map(lapin::types::ShortString::as_str);
    assert_eq!((reply.headers["status"].as_i64(), correlation), (Some(200), Some("c-1")));
    assert_eq!((reply.exchange.as_str(), reply.routing_key.as_str()), ("", "gateway.replies"));
    assert!(members.iter().any(|member| reply.json()["member"]["id"] == member.to_string()));
    installation.outbox_is_empty().await;
    assert_eq!(worker.counted("join_community_replies_dropped_total"), 0);
    worker.stop().await;
}
