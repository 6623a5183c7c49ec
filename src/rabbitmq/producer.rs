//! A producer as there are many outside: sends requests and takes their replies. Separate from what the worker
//! publishes, because it has another user, other rights, and nothing in common with it but the broker.

mod error;

pub use error::ProducerError;

use std::time::Duration;

use futures_util::StreamExt as _;
use lapin::message::Delivery;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Connection, Consumer, ErrorKind};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::time::{Instant, timeout, timeout_at};

use super::address::Address;
use super::connect::{ConnectError, connect};
use super::topology::Names;

use crate::config;
use crate::domain::{MemberId, Method, RequestId};
use crate::wire::headers::{AUTHORIZATION, MEMBER_ID, request_key, request_type};

/// RabbitMQ's pseudo-queue: what is consumed here by a channel are the replies to what that channel publishes.
const DIRECT_REPLY_TO: &str = "amq.rabbitmq.reply-to";

/// What a producer sends beside the body.
#[derive(Debug)]
pub struct Order<'a> {
    /// The request's id.
    pub id: &'a RequestId,
    /// What it asks for.
    pub method: Method,
    /// The body, as `wire::request::encode` writes it.
    pub body: &'a [u8],
    /// The member it is about, where the producer knows: what all requests for a member are kept in order by.
    pub member: Option<MemberId>,
    /// The caller's session token. Without it the broker is asked to vouch for the producer.
    pub token: Option<&'a SecretString>,
}

/// A reply.
#[derive(Debug)]
pub struct Answer {
    /// The request's id.
    pub request: String,
    /// The status, as HTTP counts them.
    pub status: i64,
    /// The body, JSON.
    pub body: Vec<u8>,
}

/// A connected producer.
pub struct Producer {
    connection: Connection,
    channel: Channel,
    replies: Option<Consumer>,
    exchange: ShortString,
    user: ShortString,
    confirm_timeout: Duration,
}

impl Producer {
    /// Connects as `broker.producer_url` says. Only a producer that listens is sent replies.
    ///
    /// # Errors
    /// If there is no connection, or replies cannot be taken.
    pub async fn connect(broker: &config::Broker, listen: bool) -> Result<Self, ProducerError> {
        let url = &broker.producer_url;
        if url.expose_secret().is_empty() {
            return Err(ProducerError::NoUrl);
        }
        let connection = connect(url, "join-community producer", broker).await?;
        // A user longer than a short string could not have logged in.
        let user = Address::parse(url).map_err(ConnectError::from)?.user().to_owned();
        let user = ShortString::try_new(user).unwrap_or_default();
        let opened = timeout(broker.timeout, open(&connection, listen)).await;
        let opened = opened.unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()));
        let (channel, replies) = opened.map_err(ProducerError::Deaf)?;
        // The longest prefix that the configuration takes leaves room for the name.
        let exchange = ShortString::try_new(Names::of(broker).intake()).unwrap_or_default();
        Ok(Self { connection, channel, replies, exchange, user, confirm_timeout: broker.confirm_timeout })
    }

    /// Sends a request; returns when it is safely in the queue.
    ///
    /// One at a time: that is why it takes `&mut self`. With several unconfirmed, `lapin` may take the return of one
    /// for that of another.
    ///
    /// # Errors
    /// If it is not known to be in the queue. Sending it again under the same id is safe.
    pub async fn send(&mut self, order: &Order<'_>) -> Result<(), ProducerError> {
        let (request, limit) = (order.id, self.confirm_timeout);
        let sent = async {
            // Mandatory: a confirm alone says that the broker has it, not that it is in any queue.
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let (exchange, key) = (self.exchange.clone(), request_key(order.method).into());
            self.channel.basic_publish(exchange, key, options, order.body, self.properties(order)).await?.await
        };
        let confirmation = timeout(limit, sent)
            .await
            .map_err(|_| ProducerError::Unconfirmed { request: request.clone(), limit })?
            .map_err(|source| self.broken(request, source))?;
        match confirmation {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)) => {
                Err(ProducerError::Unroutable { exchange: self.exchange.to_string() })
            }
            // Without confirms nothing is known either.
            Confirmation::Nack(None) | Confirmation::NotRequested => {
                Err(ProducerError::Refused { request: request.clone() })
            }
        }
    }

    /// The next reply, whichever request it is to.
    ///
    /// # Errors
    /// If none comes within `limit`, or none can come any more.
    pub async fn reply(&mut self, limit: Duration) -> Result<Answer, ProducerError> {
        let none = || ProducerError::NoReply { limit };
        let replies = self.replies.as_mut().ok_or_else(none)?;
        match timeout(limit, replies.next()).await.map_err(|_| none())? {
            Some(Ok(delivery)) => answer(delivery),
            Some(Err(error)) => Err(ProducerError::Deaf(error)),
            None => Err(none()),
        }
    }

    /// The reply to this request. Replies to others that come meanwhile are passed over.
    ///
    /// # Errors
    /// As [`Producer::reply`].
    pub async fn reply_to(&mut self, id: &RequestId, limit: Duration) -> Result<Answer, ProducerError> {
        let deadline = Instant::now() + limit;
        let awaited = async {
            loop {
                let answer = self.reply(limit).await?;
                if answer.request == id.as_str() {
                    return Ok(answer);
                }
            }
        };
        timeout_at(deadline, awaited).await.unwrap_or(Err(ProducerError::NoReply { limit }))
    }

    /// Takes leave of the broker. What was confirmed is safe without it; this spares the broker's log a warning.
    pub async fn close(self) {
        let farewell = self.connection.close(200, "done".into());
        // A broker that does not answer any more is not waited for.
        drop(timeout(self.confirm_timeout, farewell).await);
    }

    fn broken(&self, request: &RequestId, source: lapin::Error) -> ProducerError {
        const NOT_FOUND: u16 = 404;
        if matches!(source.kind(), ErrorKind::ProtocolError(error) if error.get_id() == NOT_FOUND) {
            return ProducerError::Unroutable { exchange: self.exchange.to_string() };
        }
        ProducerError::Broken { request: request.clone(), source }
    }

    fn properties(&self, order: &Order<'_>) -> BasicProperties {
        let mut properties = BasicProperties::default()
            // A request id has at most 128 characters, a short string takes 255.
            .with_message_id(ShortString::try_new(order.id.as_str()).unwrap_or_default())
            .with_type(request_type(order.method).into())
            .with_content_type("application/json".into())
            .with_app_id("join-community enqueue".into())
            .with_delivery_mode(2);
        let mut headers = FieldTable::default();
        if let Some(member) = order.member {
            headers.insert(MEMBER_ID.into(), AMQPValue::LongString(LongString::from(member.to_string())));
        }
        if let Some(token) = order.token {
            let bearer = format!("Bearer {}", token.expose_secret());
            headers.insert(AUTHORIZATION.into(), AMQPValue::LongString(LongString::from(bearer)));
        } else {
            // The broker refuses any user but the one logged in: that makes this word a proof.
            properties = properties.with_user_id(self.user.clone());
        }
        properties = properties.with_headers(headers);
        if self.replies.is_some() {
            properties = properties.with_reply_to(DIRECT_REPLY_TO.into());
        }
        properties
    }
}

async fn open(connection: &Connection, listen: bool) -> lapin::Result<(Channel, Option<Consumer>)> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    if !listen {
        return Ok((channel, None));
    }
    // Direct reply-to knows no acknowledgements; and it must be the channel that publishes.
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let replies =
        channel.basic_consume(DIRECT_REPLY_TO.into(), ShortString::default(), options, FieldTable::default()).await?;
    Ok((channel, Some(replies)))
}

fn answer(delivery: Delivery) -> Result<Answer, ProducerError> {
    let status = delivery.properties.headers().as_ref().and_then(|headers| integer(headers.inner().get("status")?));
    let request = delivery.properties.correlation_id().as_ref().map(ToString::to_string).unwrap_or_default();
    Ok(Answer { request, status: status.ok_or(ProducerError::NoStatus)?, body: delivery.data })
}

/// An integer, in whichever of AMQP's sizes it came.
fn integer(value: &AMQPValue) -> Option<i64> {
    value.as_long_long_int().or_else(|| value.as_long_int().map(i64::from))
}
