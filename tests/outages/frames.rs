//! Properties that take a large frame. A broker hands them over in one, with what it adds to them, whatever was agreed on;
//! whoever takes smaller ones alone would be thrown out by the first such request, again and again.

use join_community::rabbitmq::connect::connect;
use lapin::message::BasicGetMessage;
use lapin::options::{BasicGetOptions, BasicRejectOptions};
use lapin::types::AMQPValue;
use lapin::{Channel, Connection};
use uuid::Uuid;

use crate::support::services::{LargeFrames, alone};
use crate::support::{Field, Installation, JOINABLE, Message, raw_header};

/// What a broker offers by default.
const FRAME_MAX: usize = 128 * 1024;
const REQUESTS: &str = "join-community.requests";
const DEAD_LETTERS: &str = "join-community.dead-letters";
const USER: (Field, &[u8]) = (Field::UserId, b"member-gateway");

#[tokio::test]
async fn a_request_whose_headers_need_a_larger_frame_than_usual_joins() {
    let _turn = alone().await;
    let _large = LargeFrames::offer();
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    let padding = AMQPValue::LongString("x".repeat(200_000).into());
    let request = Message::join(site, member).header("padding", padding);
    installation.producer().await.ask(&request).await;
    assert_eq!(installation.record(site, member).await.unwrap().privacy, "PUBLIC");
    worker.stop().await;
}

#[tokio::test]
async fn requests_that_fill_a_frame_and_come_back_larger_join_and_disturb_nobody() {
    let _turn = alone().await;
    let installation = Installation::new().await;
    let (producer, mut raw) = (installation.producer().await, installation.raw_producer().await);
    let crowd = installation.crowd(2).await;
    // The second takes eight bytes more than was agreed on, which the broker lets pass.
    for (request, size) in crowd.requests.iter().zip([FRAME_MAX, FRAME_MAX + 8]) {
        let id = request.request_id();
        let headers = filling(size, id);
        let fields = [USER, (Field::MessageId, id.as_bytes()), (Field::Headers, headers.as_slice())];
        raw.send(b"request", &fields, request.body()).await;
    }
    let (reader, channel) = reader(&installation).await;
    for _ in 0..2 {
        take(&channel, REQUESTS).await;
    }
    channel.close(200, "back".into()).await.unwrap();
    installation.until_holds(REQUESTS, 2).await;
    let neighbours = installation.crowd_at_the_door(&producer, 50).await;
    let worker = installation.start().await;
    installation.all_joined_once(&crowd).await;
    installation.all_joined_once(&neighbours).await;
    assert_eq!(worker.counted("join_community_suspects_total"), 2, "neighbours came back, too");
    assert_eq!(worker.counted(r#"join_community_connections_opened_total{connection="broker_consuming"}"#), 1);
    worker.stop().await;
    reader.close(200, "done".into()).await.unwrap();
}

#[tokio::test]
async fn a_message_that_fills_a_frame_and_is_dead_lettered_by_the_broker_can_be_read() {
    let _turn = alone().await;
    let installation = Installation::new().await;
    let id = Uuid::now_v7().to_string();
    let headers = filling(FRAME_MAX, &id);
    let fields = [USER, (Field::MessageId, id.as_bytes()), (Field::Headers, headers.as_slice())];
    installation.raw_producer().await.send(b"request", &fields, b"{").await;
    let (reader, channel) = reader(&installation).await;
    let taken = take(&channel, REQUESTS).await;
    taken.reject(BasicRejectOptions { requeue: false }).await.unwrap();
    installation.until_holds(DEAD_LETTERS, 1).await;
    let letter = take(&channel, DEAD_LETTERS).await;
    let properties = &letter.delivery.properties;
    assert_eq!(properties.message_id().as_ref().unwrap().as_str(), id);
    let headers = properties.headers().as_ref().unwrap().inner();
    // As much as tells that it was too long, and beside it why it lies there.
    assert!(headers.contains_key("x-death"), "{:?}", headers.keys());
    assert!(headers["padding"].as_long_string().is_some_and(|text| text.as_bytes().len() < 10_000));
    reader.close(200, "done".into()).await.unwrap();
}

/// A header that, beside user and id, has the properties take a frame of this size.
fn filling(size: usize, id: &str) -> Vec<u8> {
    // Head, class, weight, size of the body, flags, size of the headers, end mark; and the sizes of user and id.
    let others = 26 + 2 + USER.1.len() + id.len() + raw_header(b"padding", b"").len();
    raw_header(b"padding", &vec![b'x'; size - others])
}

/// Somebody who may look everywhere, and is connected as the worker is.
async fn reader(installation: &Installation) -> (Connection, Channel) {
    let url = installation.administrator_url().into();
    let connection = connect(&url, "reader", &installation.config.broker).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

async fn take(channel: &Channel, queue: &str) -> BasicGetMessage {
    let taken = channel.basic_get(queue.into(), BasicGetOptions::default()).await;
    taken.expect("the connection lives").expect("a message waits")
}
