//! One connection that sends requests and takes their replies, for as long as it lives.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::{join_all, try_join_all};
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Connection, Consumer, PublisherConfirm};
use tokio::sync::mpsc;
use tokio::time::timeout;
use uuid::Uuid;

use super::super::broker::Broker;
use super::super::error::Lost;
use super::calls::{Calls, Failure, Why};
use super::reply::Reply;
use crate::rabbitmq::blocked::within_unblocked;
use crate::rabbitmq::connect::open;

/// RabbitMQ's pseudo-queue: what is consumed here by a channel are the replies to what that channel publishes.
const DIRECT_REPLY_TO: &str = "amq.rabbitmq.reply-to";
/// The exchange that producers write to.
const INTAKE: &str = "join-community";
/// Most requests that go out together, and are confirmed together.
const MOST: usize = 64;
/// How long a connection that failed may take to be closed in order.
const FAREWELL: Duration = Duration::from_secs(1);

/// A request to be sent.
pub(super) struct Order {
    pub(super) call: Uuid,
    pub(super) key: &'static str,
    pub(super) properties: BasicProperties,
    pub(super) body: Vec<u8>,
}

impl Order {
    /// The same with a reply asked for.
    pub(super) fn with_reply(self) -> Self {
        Self { properties: self.properties.with_reply_to(DIRECT_REPLY_TO.into()), ..self }
    }
}

/// A connection with a channel that publishes and, since direct reply-to asks for that, takes the replies.
pub(super) struct Session {
    connection: Connection,
    channel: Channel,
    replies: Consumer,
    exchange: ShortString,
    limit: Duration,
}

impl Session {
    pub(super) async fn open(broker: &Broker) -> Result<Self, Lost> {
        let (exchange, limit) = (broker.exchange(INTAKE)?, broker.timeout);
        let opened = open(&broker.address, &broker.name, broker.limits(), broker.tls.clone()).await;
        let connection = opened.map_err(Lost::Connect)?;
        let listening = timeout(limit, listen(&connection)).await.map_err(|_| Lost::Silent(limit))?;
        let (channel, replies) = listening.map_err(Lost::Broker)?;
        Ok(Self { connection, channel, replies, exchange, limit })
    }

    /// Sends what is ordered and hands over what is replied, until nobody is left to order.
    ///
    /// # Errors
    /// If the connection fails; the session is to be thrown away.
    pub(super) async fn run(&mut self, orders: &mut mpsc::Receiver<Order>, calls: &Calls) -> Result<(), Lost> {
        let Self { connection, channel, replies, exchange, limit } = self;
        let publishing = Publishing { connection, channel, exchange, limit: *limit };
        tokio::select! {
            done = publishing.run(orders, calls) => done,
            lost = take(replies, calls) => Err(lost),
        }
    }

    /// Takes leave of the broker, which may not answer any more.
    pub(super) async fn close(self) {
        if self.connection.status().connected() && !self.connection.status().blocked() {
            drop(timeout(FAREWELL, self.connection.close(200, "done".into())).await);
        }
    }
}

/// The half of a session that publishes.
struct Publishing<'a> {
    connection: &'a Connection,
    channel: &'a Channel,
    exchange: &'a ShortString,
    limit: Duration,
}

impl Publishing<'_> {
    /// Publishes what is ready, flight by flight: the requests that come while one is confirmed go out with the next.
    async fn run(&self, orders: &mut mpsc::Receiver<Order>, calls: &Calls) -> Result<(), Lost> {
        let mut ready = Vec::with_capacity(MOST);
        while orders.recv_many(&mut ready, MOST).await > 0 {
            ready.retain(|order| calls.send(order.call));
            self.publish(&ready, calls).await?;
            ready.clear();
        }
        Ok(())
    }

    /// One flight. `lapin` may attach the return of one message to the confirm of another, so who was returned is read
    /// from the messages themselves. All are here once the whole flight is confirmed, because the broker returns a
    /// message before it confirms it, and nothing else is on its way.
    async fn publish(&self, orders: &[Order], calls: &Calls) -> Result<(), Lost> {
        let confirmed = self.confirmed(orders).await?;
        let is_taken: Vec<bool> = confirmed.iter().map(Confirmation::is_ack).collect();
        let returned = confirmed.into_iter().filter_map(Confirmation::take_message);
        let returned: HashSet<String> = returned
            .filter_map(|message| message.properties.correlation_id().as_ref().map(ToString::to_string))
            .collect();
        for (order, is_taken) in orders.iter().zip(is_taken) {
            if returned.contains(&order.call.to_string()) {
                calls.fail(order.call, Failure::NotSent(Why::Unroutable));
            } else if is_taken {
                calls.queued(order.call);
            } else {
                calls.fail(order.call, Failure::NotSent(Why::NotTaken));
            }
        }
        Ok(())
    }

    /// A blocked connection is no broken one, and a new one would be blocked just the same. Whoever waits has a limit
    /// of their own.
    async fn confirmed(&self, orders: &[Order]) -> Result<Vec<Confirmation>, Lost> {
        let is_blocked = || self.connection.status().blocked();
        let flight = within_unblocked(self.limit, is_blocked, self.flight(orders)).await;
        flight.ok_or(Lost::Silent(self.limit))?.map_err(Lost::Broker)
    }

    async fn flight(&self, orders: &[Order]) -> lapin::Result<Vec<Confirmation>> {
        // Polled together, so that the frames of all go out in one write.
        let confirms = try_join_all(orders.iter().map(|order| self.send(order))).await?;
        join_all(confirms).await.into_iter().collect()
    }

    async fn send(&self, order: &Order) -> lapin::Result<PublisherConfirm> {
        // Mandatory: a confirm alone says that the broker has it, not that it is in any queue.
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let (exchange, key) = (self.exchange.clone(), order.key.into());
        self.channel.basic_publish(exchange, key, options, &order.body, order.properties.clone()).await
    }
}

async fn listen(connection: &Connection) -> lapin::Result<(Channel, Consumer)> {
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    // Direct reply-to knows no acknowledgements; and it must be the channel that publishes.
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let replies =
        channel.basic_consume(DIRECT_REPLY_TO.into(), ShortString::default(), options, FieldTable::default()).await?;
    Ok((channel, replies))
}

/// Hands over replies until the stream of them ends.
async fn take(replies: &mut Consumer, calls: &Calls) -> Lost {
    loop {
        match replies.next().await {
            Some(Ok(delivery)) => {
                if let Some((call, reply)) = Reply::of(delivery) {
                    calls.reply(call, reply);
                }
            }
            Some(Err(error)) => return Lost::Broker(error),
            None => return Lost::Ended("replies"),
        }
    }
}
