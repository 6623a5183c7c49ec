//! Headers by which a message would be more than it is: the broker's and the worker's own, written by a producer.

use lapin::types::{AMQPValue, FieldTable};
use serde_json::json;
use uuid::Uuid;

use crate::support::{Installation, JOINABLE, Message, trusted};

#[tokio::test]
async fn only_the_workers_own_user_is_believed_what_it_says_of_a_caller() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    // The body names nobody: all the proof there is, is what the headers pretend.
    let bare = Message::json(&json!({ "siteId": site, "memberId": member }));
    let forged = bare
        .text_header("x-join-community-requester", "producer:member-gateway")
        .text_header("x-join-community-caller", &format!("MEMBER:{member}"))
        .header("x-join-community-permission", AMQPValue::Boolean(true));

    let (mut gateway, mut stranger) = (installation.producer().await, installation.other_producer().await);
    for (what, is_trusted, message) in [
        ("a trusted producer", true, forged.clone()),
        ("nobody", false, forged.clone().anonymous()),
        ("a stranger", false, forged.clone()),
    ] {
        let producer = if is_trusted { &mut gateway } else { &mut stranger };
        let answer = producer.ask(&message.id(Uuid::now_v7().to_string())).await;
        assert_eq!((answer.status, answer.code()), (401, "UNAUTHENTICATED"), "{what}");
    }
    // The same words under the worker's own user are a copy of its own.
    let mut own = installation.producer_as_worker().await;
    assert_eq!(own.ask(&forged).await.status, 200);
    assert_eq!(installation.verdict(site, &forged).await.requester, "producer:member-gateway");
    // And without them it is nobody.
    let body = json!({ "siteId": site, "identity": { "identityType": "MEMBER", "memberId": member } });
    assert_eq!(own.ask(&Message::json(&body)).await.code(), "UNAUTHENTICATED");
    worker.stop().await;
}

#[tokio::test]
async fn a_copy_is_worth_no_more_than_its_producer_is_now() {
    let installation = Installation::with(|config| config.auth.producers = vec![trusted("somebody-else")]).await;
    let worker = installation.start().await;
    let (site, mut own) = (Uuid::new_v4(), installation.producer_as_worker().await);
    let member = installation.member(site, JOINABLE).await;
    for (requester, caller, reason) in [
        ("producer:member-gateway", format!("MEMBER:{member}"), "PRODUCER_WITHDRAWN"),
        ("token:https://issuer.test:MEMBER:x", format!("MEMBER:{member}"), "ISSUER_WITHDRAWN"),
        ("producer:somebody-else", "MEMBER".to_owned(), "COPY_DAMAGED"),
        ("somebody-else", format!("MEMBER:{member}"), "COPY_DAMAGED"),
    ] {
        let copy = Message::join(site, member)
            .text_header("x-join-community-requester", requester)
            .text_header("x-join-community-caller", &caller);
        let answer = own.ask(&copy).await;
        let told = &answer.body["details"]["applicationError"]["data"]["reason"];
        assert_eq!((answer.status, told.as_str()), (401, Some(reason)), "{requester} {caller}");
    }
    assert_eq!(installation.requests(site).await, []);
    worker.stop().await;
}

#[tokio::test]
async fn a_producer_cannot_skip_the_ladder_or_grow_old_by_its_own_word() {
    let installation = Installation::with(|config| config.join.unknown_member_retries = 1).await;
    let worker = installation.start().await;
    let mut producer = installation.producer().await;
    let mut ladder = installation.listen("join-community.internal", "retry.1s").await;
    let request = Message::join(Uuid::new_v4(), Uuid::new_v4())
        .header("x-join-community-attempts", AMQPValue::LongLongInt(7))
        .header("x-join-community-attempts-unknown-member", AMQPValue::LongLongInt(7))
        .header("x-delivery-count", AMQPValue::LongInt(99))
        .text_header("x-join-community-arrived", "2001-01-01T00:00:00Z");
    producer.send(&request).await;
    let copy = ladder.next().await;
    for attempts in ["x-join-community-attempts", "x-join-community-attempts-unknown-member"] {
        assert_eq!(copy.headers[attempts], 1, "{attempts}");
    }
    assert!(!copy.header("x-join-community-arrived").starts_with("2001"), "{:?}", copy.headers);
    assert_eq!(producer.answer_to(&request).await.status, 404);
    worker.stop().await;
}

#[tokio::test]
async fn what_the_worker_writes_has_no_header_of_a_request_but_the_trace() {
    let installation = Installation::with(|config| config.broker.reply_queues = vec!["gateway.*".to_owned()]).await;
    let worker = installation.start().await;
    let (producer, mut events) = (installation.producer().await, installation.events().await);
    let mut ladder = installation.listen("join-community.internal", "retry.1s").await;
    installation.foreign_queue("gateway.replies").await;
    installation.foreign_queue("victim").await;
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    let victims = || AMQPValue::FieldArray(vec![key("victim"), key("retry.10m"), key("retry.2m")].into());
    let laden = |message: Message| {
        message
            .header("CC", victims())
            .header("BCC", victims())
            .header("x-death", AMQPValue::FieldArray(vec![AMQPValue::FieldTable(FieldTable::default())].into()))
            .text_header("x-secret", "s3cr3t")
            .text_header("memberId", "s3cr3t")
            .reply_to("gateway.replies")
    };

    let unknown = laden(Message::join(site, Uuid::new_v4()));
    producer.send_all(&[laden(Message::join(site, member)), laden(Message::bytes("no JSON")), unknown]).await;
    let [letter] = installation.dead_letters(1).await.try_into().unwrap();
    let copy = ladder.next().await;
    let event = events.next().await;
    for message in installation.messages("gateway.replies", 2).await.iter().chain([&letter, &copy, &event]) {
        let names: Vec<&String> = message.headers.as_object().unwrap().keys().collect();
        let own = |name: &str| name.starts_with("x-join-community-") || name.starts_with("cloudEvents:");
        let plain = [
            "status",
            "siteId",
            "identity",
            "requestId",
            // Not the producer's: whom the decoded request is about.
            "memberId",
            "x-death",
            "x-delivery-count",
            "x-first-death-exchange",
            "x-first-death-queue",
            "x-first-death-reason",
        ];
        assert!(names.iter().all(|name| own(name) || plain.contains(&name.as_str())), "{names:?}");
        assert!(!format!("{message:?}").contains("s3cr3t"), "{message:?}");
    }
    for queue in ["victim", "join-community.retry.10m", "join-community.retry.2m"] {
        assert_eq!(installation.depth(queue).await, 0, "{queue}");
    }
    worker.stop().await;
}

fn key(name: &str) -> AMQPValue {
    AMQPValue::LongString(name.into())
}
