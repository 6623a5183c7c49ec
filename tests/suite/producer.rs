//! The producer that `enqueue` is, against a real broker: what is sent is proven to be in the queue, or said not to be.

use std::time::Duration;

use futures_util::StreamExt as _;
use join_community::config::Broker;
use join_community::domain::{Method, RequestId};
use join_community::rabbitmq::preflight::takes_message_of;
use join_community::rabbitmq::producer::{Order, Producer, ProducerError};
use lapin::options::{
    BasicConsumeOptions, BasicPublishOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties, ExchangeKind};
use secrecy::ExposeSecret as _;
use uuid::Uuid;

use crate::support::{Installation, JOINABLE, TestVhost, config, on_record, vhost};

const QUEUE: &str = "join-community.requests";
/// Never waited for in full: a limit for what comes at once.
const LIMIT: Duration = Duration::from_secs(10);

/// The worker's side, with what a producer writes to.
async fn worker(vhost: &TestVhost) -> (Broker, Connection, Channel) {
    let broker = config(&vhost.values()).broker;
    let connection = Connection::connect(broker.url.expose_secret(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let exchange = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    let none = FieldTable::default;
    channel.exchange_declare("join-community".into(), ExchangeKind::Direct, exchange, none()).await.unwrap();
    channel.queue_declare(QUEUE.into(), QueueDeclareOptions::durable(), none()).await.unwrap();
    (broker, connection, channel)
}

async fn bind(channel: &Channel) {
    let (queue, exchange, options) = (QUEUE.into(), "join-community".into(), QueueBindOptions::default());
    channel.queue_bind(queue, exchange, "request".into(), options, FieldTable::default()).await.unwrap();
}

fn id(text: &str) -> RequestId {
    RequestId::parse(text).unwrap()
}

#[tokio::test]
async fn a_request_is_vouched_for_by_the_broker_and_its_reply_is_told_from_others() {
    let vhost = vhost().await;
    let (broker, _connection, channel) = worker(&vhost).await;
    bind(&channel).await;
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let mut requests = channel.basic_consume(QUEUE.into(), "".into(), options, FieldTable::default()).await.unwrap();

    let mut producer = Producer::connect(&broker, true).await.unwrap();
    let request = id("r-1");
    producer.send(&Order { id: &request, method: Method::Join, body: b"{}", member: None, token: None }).await.unwrap();
    let came = requests.next().await.unwrap().unwrap();
    let user = reqwest::Url::parse(&vhost.producer_url).unwrap().username().to_owned();
    assert_eq!(came.properties.user_id().as_ref().unwrap().as_str(), user);
    assert_eq!(came.properties.message_id().as_ref().unwrap().as_str(), "r-1");

    let reply_to = came.properties.reply_to().clone().unwrap();
    for (to, status) in [("r-0", 500), ("r-1", 200)] {
        let mut headers = FieldTable::default();
        headers.insert("status".into(), AMQPValue::LongLongInt(status));
        let properties = BasicProperties::default().with_correlation_id(to.into()).with_headers(headers);
        let options = BasicPublishOptions::default();
        channel.basic_publish("".into(), reply_to.clone(), options, b"{\"a\":1}", properties).await.unwrap();
    }
    let answer = producer.reply_to(&request, LIMIT).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (200, &b"{\"a\":1}"[..]));
    producer.close().await;
}

#[tokio::test]
async fn a_token_goes_without_the_vouching_of_the_broker() {
    let vhost = vhost().await;
    let (broker, _connection, channel) = worker(&vhost).await;
    bind(&channel).await;
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let mut requests = channel.basic_consume(QUEUE.into(), "".into(), options, FieldTable::default()).await.unwrap();
    let mut producer = Producer::connect(&broker, false).await.unwrap();
    let token = "x.y.z".into();
    producer
        .send(&Order { id: &id("r"), method: Method::Join, body: b"{}", member: None, token: Some(&token) })
        .await
        .unwrap();
    let came = requests.next().await.unwrap().unwrap();
    assert!(came.properties.user_id().is_none() && came.properties.reply_to().is_none());
    let headers = came.properties.headers().clone().unwrap();
    assert_eq!(headers.inner()["authorization"], AMQPValue::LongString("Bearer x.y.z".into()));
}

#[tokio::test]
async fn what_no_queue_takes_is_not_taken_for_sent() {
    let vhost = vhost().await;
    let (broker, _connection, channel) = worker(&vhost).await;
    let mut producer = Producer::connect(&broker, false).await.unwrap();
    let request = id("r");
    let order = Order { id: &request, method: Method::Join, body: b"{}", member: None, token: None };
    let unbound = producer.send(&order).await.unwrap_err();
    assert!(matches!(unbound, ProducerError::Unroutable { .. }), "{unbound:?}");
    bind(&channel).await;
    producer.send(&order).await.unwrap();
    channel.exchange_delete("join-community".into(), lapin::options::ExchangeDeleteOptions::default()).await.unwrap();
    let absent = producer.send(&order).await.unwrap_err();
    assert!(matches!(absent, ProducerError::Unroutable { .. }), "{absent:?}");
}

#[tokio::test]
async fn no_reply_is_said_to_be_none() {
    let vhost = vhost().await;
    let (broker, _connection, channel) = worker(&vhost).await;
    bind(&channel).await;
    let mut producer = Producer::connect(&broker, true).await.unwrap();
    let silence = producer.reply_to(&id("r"), Duration::from_millis(1)).await.unwrap_err();
    assert!(matches!(silence, ProducerError::NoReply { .. }), "{silence:?}");
}

#[tokio::test]
async fn the_largest_message_of_a_broker_can_be_tried_out() {
    let vhost = vhost().await;
    let (_broker, connection, _channel) = worker(&vhost).await;
    let [fits, exceeds] = [1024 * 1024, 1024 * 1024 + 1];
    assert!(takes_message_of(&connection, fits, LIMIT).await.unwrap());
    assert!(!takes_message_of(&connection, exceeds, LIMIT).await.unwrap());
}

#[tokio::test]
async fn the_member_in_a_reply_is_shown_masked_until_somebody_says_why_and_then_it_is_on_record() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    let (site, member) = (site.to_string(), member.to_string());
    let producer = [("JOIN_COMMUNITY__BROKER__PRODUCER_URL", installation.vhost().producer_url.as_str())];
    let ask = ["enqueue", "--site", &site, "--member", &member, "--request-id", "the-id", "--wait"];
    let masked = installation.program_with(&ask, &producer).end().await;
    assert!(masked.code == Some(0) && masked.stdout.contains("PUBLIC"), "{masked:?}");
    assert!(masked.stdout.contains("(masked)") && !masked.stdout.contains("jane@example.com"), "{masked:?}");
    assert!(on_record(&mut installation.stranger().await).await.is_empty(), "whoever sees nothing is not on record");
    let unmask = [&ask[..], &["--unmask", "--why", "ticket 4711", "--output", "json"]].concat();
    let unmasked = installation.program_with(&unmask, &producer).end_unmasked().await;
    assert_eq!(unmasked.json()["reply"]["member"]["loginEmail"], "jane@example.com", "{unmasked:?}");
    worker.stop().await;
    let target = format!("{site}, the reply to the-id");
    let expected = [["enqueue.unmask", &target, "ticket 4711", "shown"].map(str::to_owned)];
    assert_eq!(on_record(&mut installation.stranger().await).await, expected);
}
