//! Properties and headers that are no good: some make a message malformed, the others are of no consequence.

use lapin::BasicProperties;
use lapin::types::{AMQPValue, ShortString};
use serde_json::json;
use uuid::Uuid;

use crate::support::{Installation, JOINABLE, Message};

type Change = fn(Message) -> Message;

/// What is wrong, how it comes about, and which rule of which field it breaks.
fn malformed_properties() -> [(&'static str, Change, &'static str, &'static str); 16] {
    [
        ("no request id", Message::without_id, "messageId", "REQUIRED"),
        ("an empty request id", |message| message.id(""), "messageId", "REQUIRED"),
        ("129 characters", |message| message.id("x".repeat(129)), "messageId", "MAX_LENGTH"),
        ("no ASCII", |message| message.id("caf\u{e9}"), "messageId", "FORMAT"),
        ("a space", |message| message.id("a b"), "messageId", "FORMAT"),
        ("NUL", |message| message.id("a\0b"), "messageId", "FORMAT"),
        ("a line break", |message| message.id("a\nb"), "messageId", "FORMAT"),
        (
            "another type",
            |message| with(message, |it| it.with_type("join-community.v2".into())),
            "type",
            "UNKNOWN_VALUE",
        ),
        ("an empty type", |message| with(message, |it| it.with_type("".into())), "type", "UNKNOWN_VALUE"),
        (
            "text",
            |message| with(message, |it| it.with_content_type("text/plain".into())),
            "contentType",
            "UNKNOWN_VALUE",
        ),
        (
            "nearly JSON",
            |message| with(message, |it| it.with_content_type("application/jsonx".into())),
            "contentType",
            "UNKNOWN_VALUE",
        ),
        (
            "gzip",
            |message| with(message, |it| it.with_content_encoding("gzip".into())),
            "contentEncoding",
            "UNKNOWN_VALUE",
        ),
        (
            "identity",
            |message| with(message, |it| it.with_content_encoding("identity".into())),
            "contentEncoding",
            "UNKNOWN_VALUE",
        ),
        (
            "a token of 8 KiB and a byte",
            |message| message.text_header("authorization", &"x".repeat(8 * 1024 + 1)),
            "authorization",
            "MAX_LENGTH",
        ),
        (
            "a long traceparent",
            |message| message.text_header("traceparent", &"x".repeat(513)),
            "traceparent",
            "MAX_LENGTH",
        ),
        (
            "a long tracestate",
            |message| message.text_header("tracestate", &"x".repeat(513)),
            "tracestate",
            "MAX_LENGTH",
        ),
    ]
}

#[tokio::test]
async fn a_malformed_property_is_answered_and_dead_lettered_without_pointer_or_token() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let mut producer = installation.producer().await;
    let site = Uuid::new_v4();
    for (number, (what, change, field, rule)) in malformed_properties().into_iter().enumerate() {
        let member = installation.member(site, JOINABLE).await;
        let name = format!("case {number}");
        let message = Message::join(site, member).correlation_id(&name).text_header("authorization", "Bearer s3cr3t");
        let answer = producer.ask(&change(message)).await;
        assert_eq!((answer.status, answer.violation()), (400, (field, rule)), "{what}");
        assert_eq!(installation.record(site, member).await.unwrap().privacy, "PRIVATE", "{what}");

        let letters = installation.dead_letters(u32::try_from(number + 1).unwrap()).await;
        let of_this = |correlation: &ShortString| correlation.as_str() == name;
        let letter = letters.iter().find(|it| it.properties.correlation_id().as_ref().is_some_and(of_this)).unwrap();
        assert_eq!(letter.header("x-join-community-reason"), "malformed", "{what}");
        assert_eq!(letter.headers["x-join-community-pointer"], json!(null), "{what}");
        assert!(letter.header("x-join-community-error").starts_with(field), "{what}");
        assert!(!format!("{letter:?}").contains("s3cr3t"), "{what}: {letter:?}");
    }
    assert_eq!(installation.requests(site).await, []);
    worker.stop().await;
}

#[tokio::test]
async fn a_message_without_any_name_is_answered_all_the_same() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let mut producer = installation.producer().await;
    let answer = producer.ask(&Message::join(Uuid::new_v4(), Uuid::new_v4()).without_id()).await;
    assert_eq!((answer.status, answer.violation()), (400, ("messageId", "REQUIRED")));
    assert_eq!(answer.correlation_id, None);
    worker.stop().await;
}

#[tokio::test]
async fn a_property_that_only_looks_odd_keeps_nobody_out() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let mut producer = installation.producer().await;
    let site = Uuid::new_v4();
    let cases: [(&str, Change); 9] = [
        ("nothing but what is needed", |message| with(message, |_| BasicProperties::default())),
        ("a charset", |message| with(message, |it| it.with_content_type("Application/JSON; charset=utf-8".into()))),
        ("128 characters", |message| message.id(format!("{:~<128}", Uuid::new_v4()))),
        ("a trace of no standard", |message| {
            message.text_header("traceparent", "00-0-0-0").text_header("tracestate", "=")
        }),
        ("a trace that is no text", |message| message.header("traceparent", AMQPValue::LongInt(1))),
        ("broker headers", |message| {
            message.header("x-delivery-count", AMQPValue::LongInt(99)).header("x-death", deaths())
        }),
        ("a time of long ago", |message| with(message, |it| it.with_timestamp(0))),
        ("the highest priority", |message| with(message, |it| it.with_priority(255))),
        ("255 characters to correlate by", |message| message.correlation_id(&"\u{1}".repeat(255))),
    ];
    for (what, change) in cases {
        let member = installation.member(site, JOINABLE).await;
        let answer = producer.ask(&change(Message::join(site, member))).await;
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        assert_eq!(installation.record(site, member).await.unwrap().privacy, "PUBLIC", "{what}");
    }
    assert_eq!(installation.depth("join-community.dead-letters").await, 0);
    worker.stop().await;
}

fn with(message: Message, change: fn(BasicProperties) -> BasicProperties) -> Message {
    message.properties(change)
}

/// What a broker writes of a message that died a thousand times.
fn deaths() -> AMQPValue {
    let mut death = lapin::types::FieldTable::default();
    death.insert("count".into(), AMQPValue::LongLongInt(1000));
    death.insert("reason".into(), AMQPValue::LongString("delivery_limit".into()));
    death.insert("queue".into(), AMQPValue::LongString("join-community.requests".into()));
    AMQPValue::FieldArray(vec![AMQPValue::FieldTable(death)].into())
}
