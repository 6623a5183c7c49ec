//! Publishing that proves what it claims: confirmed *and* routed, message by message.

mod in_turn;

use std::time::Duration;

use lapin::Confirmation;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use lapin::{BasicProperties, Channel, Connection, ConnectionStatus};

use self::in_turn::in_turn;
use super::blocked::within_unblocked;
use super::call::{CallError, within};
use crate::fail_point::{self, Point};
use crate::wire::headers::EVENT_TYPE;
use crate::wire::{HeaderValue, Outgoing};

/// What became of a message that must not be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Every queue it was routed to has it.
    Confirmed,
    /// A queue refused it.
    Refused,
    /// No queue is bound for it.
    Returned,
    /// We refuse it ourselves: it would close the connection for all.
    TooLarge,
}

/// The channel failed, or the broker did not confirm in time: what was published is unknown.
#[derive(Debug, thiserror::Error)]
pub enum WindowError {
    /// The channel or connection failed.
    #[error("the broker ended the publishing channel")]
    Channel(#[from] lapin::Error),
    /// The channel could not be opened or closed.
    #[error("the publishing channel cannot be used")]
    Call(#[from] CallError),
    /// No confirm came.
    #[error("the broker did not confirm within {0:?}")]
    Silent(Duration),
    /// Confirms are off on this channel: a fault of ours.
    #[error("the channel does not confirm")]
    NotRequested,
}

/// Most bytes of one message's headers: a header frame cannot be split, and a larger one closes the connection.
const MAX_HEADERS: usize = 16 * 1024;
/// Most bytes of one message's body; `config/rabbitmq` sets the broker's limit to the same.
const MAX_BODY: usize = 1024 * 1024;

/// A channel with confirms on.
pub struct Window {
    channel: Channel,
    connection: ConnectionStatus,
    limit: Duration,
}

impl Window {
    /// Opens a channel and switches confirms on.
    ///
    /// # Errors
    /// If the broker refuses either, or does not answer.
    pub async fn open(connection: &Connection, limit: Duration) -> Result<Self, CallError> {
        within(limit, async {
            let channel = connection.create_channel().await?;
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            Ok(Self { channel, connection: connection.status().clone(), limit })
        })
        .await
    }

    /// Publishes all and waits for all confirms.
    ///
    /// A refusal is paired with its message by the broker. A return is not: `lapin` attaches it to whichever confirm
    /// resolves first, so it says that *some* message of the window was not routed. The window then proves nothing, and
    /// goes out again one message at a time, where the pairing is exact. Repeats are allowed everywhere; a wrong proof
    /// would be a loss.
    ///
    /// # Errors
    /// If the channel fails, or confirms do not come in time; the whole window is then unproven.
    pub async fn publish(&self, messages: &[Outgoing]) -> Result<Vec<Fate>, WindowError> {
        let fitting: Vec<&Outgoing> = messages.iter().filter(|message| fits(message)).collect();
        let mut fates = self.flight(&fitting).await?;
        if fitting.len() > 1 && fates.contains(&Fate::Returned) {
            fates.clear();
            for message in &fitting {
                fates.extend(self.flight(&[*message]).await?);
            }
        }
        let mut fates = fates.into_iter();
        Ok(messages
            .iter()
            .map(|message| if fits(message) { fates.next().unwrap_or(Fate::Refused) } else { Fate::TooLarge })
            .collect())
    }

    /// Publishes one message with these properties, whatever they are.
    ///
    /// # Errors
    /// As [`Window::publish`].
    pub(super) async fn forward(
        &self,
        exchange: &str,
        routing_key: &str,
        properties: BasicProperties,
        body: &[u8],
    ) -> Result<Fate, WindowError> {
        if body.len() > MAX_BODY {
            return Ok(Fate::TooLarge);
        }
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let (exchange, routing_key) = (short(exchange), short(routing_key));
        let published = self.channel.basic_publish(exchange, routing_key, options, body, properties).await?;
        fate(&published.await?)
    }

    /// One flight: out together, confirmed within the limit. A blocked connection is no broken one, and a new one would
    /// be blocked just the same.
    async fn flight(&self, messages: &[&Outgoing]) -> Result<Vec<Fate>, WindowError> {
        let confirmed = within_unblocked(self.limit, || self.connection.blocked(), self.confirmed(messages)).await;
        confirmed.unwrap_or(Err(WindowError::Silent(self.limit)))
    }

    /// Closes the channel.
    ///
    /// # Errors
    /// If it is gone already, or the broker does not answer.
    pub async fn close(&self) -> Result<(), CallError> {
        within(self.limit, self.channel.close(200, "done".into())).await
    }

    async fn confirmed(&self, messages: &[&Outgoing]) -> Result<Vec<Fate>, WindowError> {
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let published = in_turn(messages.iter().map(|message| publish(&self.channel, message, options))).await?;
        if messages.iter().any(|message| message.kind.as_deref() == Some(EVENT_TYPE)) {
            fail_point::pass(Point::BeforeConfirm);
        }
        let mut fates = Vec::with_capacity(published.len());
        // One after the other: the broker confirms many at once, and who waits for the first finds the others there.
        for confirm in published {
            fates.push(fate(&confirm.await?)?);
        }
        Ok(fates)
    }
}

fn fate(confirmation: &Confirmation) -> Result<Fate, WindowError> {
    match confirmation {
        Confirmation::Ack(None) => Ok(Fate::Confirmed),
        Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)) => Ok(Fate::Returned),
        Confirmation::Nack(None) => Ok(Fate::Refused),
        Confirmation::NotRequested => Err(WindowError::NotRequested),
    }
}

/// Publishes a message whose loss loses nothing: no confirm, not mandatory.
///
/// # Errors
/// If the channel fails.
pub async fn publish_and_forget(channel: &Channel, messages: &[Outgoing]) -> Result<(), lapin::Error> {
    let options = BasicPublishOptions::default();
    let fitting = messages.iter().filter(|message| fits(message));
    in_turn(fitting.map(|message| publish(channel, message, options))).await?;
    Ok(())
}

async fn publish(
    channel: &Channel,
    message: &Outgoing,
    options: BasicPublishOptions,
) -> Result<lapin::PublisherConfirm, lapin::Error> {
    let (exchange, key) = (short(&message.exchange), short(&message.routing_key));
    channel.basic_publish(exchange, key, options, &message.body, properties(message)).await
}

fn fits(message: &Outgoing) -> bool {
    let headers: usize = message
        .headers
        .iter()
        .map(|(name, value)| {
            name.len()
                + 8
                + match value {
                    HeaderValue::Text(text) => text.len(),
                    HeaderValue::Number(_) | HeaderValue::Flag(_) => 8,
                }
        })
        .sum();
    let names = [&message.exchange, &message.routing_key];
    headers <= MAX_HEADERS && message.body.len() <= MAX_BODY && names.iter().all(|name| name.len() <= 255)
}

/// Builds the properties from nothing, so that nothing of a request is in them by accident.
#[must_use]
pub fn properties(message: &Outgoing) -> BasicProperties {
    let mut properties = BasicProperties::default().with_delivery_mode(if message.persistent { 2 } else { 1 });
    if let Some(id) = &message.message_id {
        properties = properties.with_message_id(short(id));
    }
    if let Some(kind) = &message.kind {
        properties = properties.with_type(short(kind));
    }
    if let Some(content_type) = &message.content_type {
        properties = properties.with_content_type(short(content_type));
    }
    if let Some(encoding) = &message.content_encoding {
        properties = properties.with_content_encoding(short(encoding));
    }
    if let Some(id) = &message.correlation_id {
        properties = properties.with_correlation_id(short(id));
    }
    if let Some(queue) = &message.reply_to {
        properties = properties.with_reply_to(short(queue));
    }
    if let Some(user) = &message.user_id {
        properties = properties.with_user_id(short(user));
    }
    if let Some(app) = &message.app_id {
        properties = properties.with_app_id(short(app));
    }
    if let Some(timestamp) = message.timestamp {
        properties = properties.with_timestamp(timestamp);
    }
    if message.headers.is_empty() {
        return properties;
    }
    let mut table = FieldTable::default();
    for (name, value) in &message.headers {
        table.insert(
            short(name),
            match value {
                HeaderValue::Text(text) => AMQPValue::LongString(LongString::from(text.as_bytes().to_vec())),
                HeaderValue::Number(number) => AMQPValue::LongLongInt(*number),
                HeaderValue::Flag(flag) => AMQPValue::Boolean(*flag),
            },
        );
    }
    properties.with_headers(table)
}

/// A short string, empty where the text does not fit into one; the plain conversion panics there.
fn short(text: &str) -> ShortString {
    ShortString::try_new(text.to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
