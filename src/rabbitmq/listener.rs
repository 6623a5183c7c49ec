//! A consumer of member events as there are many outside: a queue of its own, bound before anything is sent.

use std::time::Duration;

use futures_util::StreamExt as _;
use lapin::options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Connection, Consumer};

use super::call::{CallError, within};
use super::connect::{ConnectError, connect};
use super::topology::Names;
use crate::config;
use crate::wire::headers::EVENT_TYPE;

/// Why nothing is heard.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The queue could not be made or bound.
    #[error("events cannot be listened to")]
    Call(#[from] CallError),
}

/// An event as it came.
#[derive(Clone, Debug)]
pub struct Heard {
    /// Header `siteId`.
    pub site: Option<String>,
    /// Header `requestId`: the request that caused it.
    pub request: Option<String>,
    /// The domain event, JSON.
    pub body: Vec<u8>,
}

/// Listens to the events.
pub struct Listener {
    // The queue ends with the connection.
    connection: Connection,
    consumer: Consumer,
}

impl Listener {
    /// Connects with `broker.url`, whose user may read the events exchange, and binds a queue that ends with it.
    ///
    /// # Errors
    /// If there is no connection, or no right.
    pub async fn connect(broker: &config::Broker) -> Result<Self, ListenError> {
        let connection = connect(&broker.url, "join-community listener", broker).await?;
        let exchange = ShortString::try_new(Names::of(broker).events()).unwrap_or_default();
        let consumer = within(broker.timeout, listen(&connection, exchange)).await?;
        Ok(Self { connection, consumer })
    }

    /// The next event; none if nothing comes within the limit, or nothing can come any more.
    pub async fn next(&mut self, limit: Duration) -> Option<Heard> {
        let next = tokio::time::timeout(limit, self.consumer.next()).await.ok()??;
        let delivery = next.ok()?;
        let header = |name: &str| {
            let value = delivery.properties.headers().as_ref()?.inner().get(name)?;
            value.as_long_string().map(|text| String::from_utf8_lossy(text.as_bytes()).into_owned())
        };
        Some(Heard { site: header("siteId"), request: header("requestId"), body: delivery.data })
    }

    /// Takes leave of the broker.
    pub async fn close(self, limit: Duration) {
        // A broker that does not answer any more is not waited for.
        drop(tokio::time::timeout(limit, self.connection.close(200, "done".into())).await);
    }
}

async fn listen(connection: &Connection, exchange: ShortString) -> Result<Consumer, lapin::Error> {
    let channel = connection.create_channel().await?;
    let private = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
    let queue = channel.queue_declare("".into(), private, FieldTable::default()).await?.name().clone();
    let (bind, none) = (QueueBindOptions::default(), FieldTable::default);
    channel.queue_bind(queue.clone(), exchange, EVENT_TYPE.into(), bind, none()).await?;
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    channel.basic_consume(queue, "".into(), options, none()).await
}
