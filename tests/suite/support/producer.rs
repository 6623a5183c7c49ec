//! A producer that can send anything, and takes replies by direct reply-to. Not the producer of `enqueue`: that one
//! sends only what is right.

use std::collections::VecDeque;

use futures_util::StreamExt as _;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Confirmation, Connection, Consumer};
use serde_json::Value;

use super::delivered::Delivered;
use super::installation::dial;
use super::message::Message;
use super::waiting::{PATIENCE, within_patience};

const DIRECT_REPLY_TO: &str = "amq.rabbitmq.reply-to";

/// A reply.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    /// Header `status`.
    pub(crate) status: i64,
    /// The body.
    pub(crate) body: Value,
    /// Property `correlation_id`.
    pub(crate) correlation_id: Option<String>,
    /// Property `type`.
    pub(crate) kind: Option<String>,
    /// All headers.
    pub(crate) headers: Value,
    /// Whether the broker was asked to keep it on disk.
    pub(crate) persistent: bool,
}

impl Answer {
    /// The code of an error.
    pub(crate) fn code(&self) -> &str {
        let code = &self.body["details"]["applicationError"]["code"];
        code.as_str().unwrap_or_else(|| panic!("no code: {self:?}"))
    }

    /// What makes a request malformed: field and rule.
    pub(crate) fn violation(&self) -> (&str, &str) {
        let violation = &self.body["details"]["validationError"]["fieldViolations"][0];
        let of = |name: &str| violation[name].as_str().unwrap_or_else(|| panic!("no violation: {self:?}"));
        (of("field"), of("violatedRule"))
    }
}

/// A connected producer.
pub(crate) struct Producer {
    // Ends with this value.
    _connection: Connection,
    channel: Channel,
    replies: Consumer,
    user: String,
    /// Replies to other requests that came meanwhile.
    early: VecDeque<Answer>,
}

impl Producer {
    pub(super) async fn connect(url: &str) -> Self {
        let connection = dial(url).await;
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        let everything = ShortString::default();
        let replies =
            channel.basic_consume(DIRECT_REPLY_TO.into(), everything, options, FieldTable::default()).await.unwrap();
        let user = url.parse::<reqwest::Url>().unwrap().username().to_owned();
        Self { _connection: connection, channel, replies, user, early: VecDeque::new() }
    }

    /// The broker user.
    pub(crate) fn user(&self) -> &str {
        &self.user
    }

    /// Sends a message; returns when it lies in the queue.
    pub(crate) async fn send(&self, message: &Message) {
        self.send_all(std::slice::from_ref(message)).await;
    }

    /// Sends messages one after the other; returns when all lie in the queue.
    pub(crate) async fn send_all(&self, messages: &[Message]) {
        let mut confirms = Vec::with_capacity(messages.len());
        for message in messages {
            let (exchange, key) = message.target();
            let properties = message.signed(&self.user, DIRECT_REPLY_TO);
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let sent = self.channel.basic_publish(exchange, key, options, message.body(), properties).await;
            confirms.push(sent.expect("the broker takes the message"));
        }
        for confirm in confirms {
            let confirmed = within_patience("the broker confirms a message", confirm).await;
            let confirmed = confirmed.expect("the broker takes the message");
            assert!(matches!(confirmed, Confirmation::Ack(None)), "not in the queue: {confirmed:?}");
        }
    }

    /// Sends a request and waits for the reply to it.
    pub(crate) async fn ask(&mut self, message: &Message) -> Answer {
        self.send(message).await;
        self.answer_to(message).await
    }

    /// The next reply to a request that was sent before.
    pub(crate) async fn answer_to(&mut self, message: &Message) -> Answer {
        let awaited = message.correlation();
        if let Some(place) = self.early.iter().position(|answer| answer.correlation_id == awaited) {
            return self.early.remove(place).unwrap();
        }
        loop {
            let answer = self.take(&format!("the reply to {awaited:?}")).await;
            if answer.correlation_id == awaited {
                return answer;
            }
            self.early.push_back(answer);
        }
    }

    /// The next replies, whatever they are to.
    pub(crate) async fn answers(&mut self, count: usize) -> Vec<Answer> {
        let mut answers: Vec<Answer> = self.early.drain(..).collect();
        while answers.len() < count {
            answers.push(self.take(&format!("reply {} of {count}", answers.len() + 1)).await);
        }
        answers
    }

    async fn take(&mut self, what: &str) -> Answer {
        let next = tokio::time::timeout(PATIENCE, self.replies.next()).await;
        let early: Vec<_> = self.early.iter().map(|answer| (&answer.correlation_id, answer.status)).collect();
        let delivery = next.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}; other replies: {early:?}"));
        let delivery = delivery.expect("the producer's channel lives").expect("the producer's channel lives");
        let Delivered { body, properties, headers, .. } = Delivered::read(&delivery);
        Answer {
            status: headers["status"].as_i64().expect("a reply has a status"),
            body: serde_json::from_slice(&body).expect("a reply is JSON"),
            correlation_id: properties.correlation_id().as_ref().map(ToString::to_string),
            kind: properties.kind().as_ref().map(ToString::to_string),
            headers,
            persistent: *properties.delivery_mode() == Some(2),
        }
    }
}
