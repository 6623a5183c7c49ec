//! Reads the dead letters without changing them. Separate from all other consuming, because here what was delivered goes
//! back, and goes back in its place.

mod groups;
mod guarded;
mod held;
mod history;
mod letter;
mod mask;
mod moved;
mod mover;
mod selection;
mod shown;

pub use groups::{Group, Groups};
pub use guarded::{shown_id, without_personal_data};
pub use history::Past;
pub use letter::{Letter, REASONS};
pub use mask::mask;
pub use mover::{Mover, To};
pub use selection::Selection;
pub use shown::{Summary, Whole};

use std::time::Duration;

use held::Held;
use lapin::options::{BasicAckOptions, BasicGetOptions, BasicNackOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Connection, ErrorKind};
use tokio::time::Instant;

use super::address::Address;
use super::call::{CallError, within};
use super::connect::{ConnectError, connect};
use super::supervisor::close;
use super::topology::Names;
use crate::config;

/// The dead letters that lay there when reading began, from the oldest. One at a time is in memory.
pub struct DeadLetters {
    connection: Connection,
    channel: Channel,
    queue: ShortString,
    worker_user: String,
    limit: Duration,
    total: u32,
    unread: u32,
    beyond: u32,
    held: Held,
}

/// Why dead letters cannot be read or removed.
#[derive(Debug, thiserror::Error)]
pub enum DeadLettersError {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// There is no such queue.
    #[error("queue `{0}` does not exist; `topology declare` creates it, and broker.prefix is part of its name")]
    NoQueue(String),
    /// The user may not read it.
    #[error("queue `{queue}` may not be read by this broker user; broker.operator_url names one who may")]
    Refused {
        /// Which queue.
        queue: String,
        /// What the broker says.
        #[source]
        source: lapin::Error,
    },
    /// The broker did not answer, or the connection broke.
    #[error("queue `{queue}` cannot be read")]
    Failed {
        /// Which queue.
        queue: String,
        /// What happened.
        #[source]
        source: CallError,
    },
    /// It was not removed, because the channel had closed by then.
    #[error("dead letter {0} was not removed: the channel to the broker had closed")]
    Kept(String),
}

impl DeadLetters {
    /// Connects as the operator and begins to read. Nothing that arrives from now on is read.
    ///
    /// # Errors
    /// If there is no connection, or the queue cannot be read.
    pub async fn open(broker: &config::Broker) -> Result<Self, DeadLettersError> {
        Self::read_queue(broker, Names::of(broker).dead_letters()).await
    }

    /// The same for those that were discarded and can still be restored.
    ///
    /// # Errors
    /// As [`DeadLetters::open`].
    pub async fn open_discarded(broker: &config::Broker) -> Result<Self, DeadLettersError> {
        Self::read_queue(broker, Names::of(broker).discarded()).await
    }

    async fn read_queue(broker: &config::Broker, name: String) -> Result<Self, DeadLettersError> {
        // Whoever wrote one decides what is believed of it.
        let worker_user = Address::parse(&broker.url).map_err(ConnectError::from)?.user().to_owned();
        let connection = connect(&broker.operator_url, "join-community dead-letters", broker).await?;
        let queue = ShortString::try_new(name.clone()).unwrap_or_default();
        let look = async {
            let channel = connection.create_channel().await?;
            let count = ask(&channel, &queue).await?;
            Ok((channel, count))
        };
        let (channel, total) = within(broker.timeout, look).await.map_err(|error| sorted(name, error))?;
        Ok(Self {
            connection,
            channel,
            queue,
            worker_user,
            limit: broker.timeout,
            total,
            unread: total,
            beyond: 0,
            held: Held::default(),
        })
    }

    /// Only the oldest are to be read, so many at most. To be said before the first is.
    #[must_use]
    pub fn only_oldest(self, most: u32) -> Self {
        let unread = self.unread.min(most);
        Self { beyond: self.unread - unread, unread, ..self }
    }

    /// How many there are to read. Others may be reading some of them at this moment; those do not count.
    #[must_use]
    pub const fn total(&self) -> u32 {
        self.total
    }

    /// How many of those that are to be read were not yet.
    #[must_use]
    pub const fn unread(&self) -> u32 {
        self.unread
    }

    /// The next one; none after the last.
    ///
    /// # Errors
    /// If the broker fails. All that was read and not removed goes back.
    pub async fn next(&mut self) -> Result<Option<Letter>, DeadLettersError> {
        if self.unread == 0 {
            return Ok(None);
        }
        self.unread -= 1;
        let get = self.channel.basic_get(self.queue.clone(), BasicGetOptions { no_ack: false });
        let got = within(self.limit, get).await.map_err(|error| self.failed(error))?;
        Ok(got.map(|message| {
            self.held.add(message.delivery.delivery_tag);
            Letter::read(message.delivery, &self.worker_user)
        }))
    }

    /// Removes one for good.
    ///
    /// # Errors
    /// If it may still be there.
    pub async fn remove(&mut self, letter: &Letter) -> Result<(), DeadLettersError> {
        let acked = within(self.limit, letter.acker().ack(BasicAckOptions::default())).await;
        if !acked.map_err(|error| self.failed(error))? {
            return Err(DeadLettersError::Kept(letter.id.clone()));
        }
        self.held.take(letter.tag());
        Ok(())
    }

    /// Ends before anything was read.
    pub async fn leave(self) {
        close(&self.connection, self.limit).await;
    }

    /// Ends reading: what was not removed is back in its place, what was removed is gone, when this returns.
    ///
    /// What comes back, the broker puts in front of what it never gave out, but behind what came back earlier; and what
    /// it takes back by itself when a channel ends, it takes in no order. So all that is unread is read first, and then
    /// given back one by one. Who is killed before that leaves everything there, in another order.
    ///
    /// # Errors
    /// If the broker does not say so.
    pub async fn close(mut self) -> Result<(), DeadLettersError> {
        while self.next().await?.is_some() {}
        self.pass_what_came_back().await?;
        self.give_back().await?;
        within(self.limit, self.channel.close(200, "done".into())).await.map_err(|error| self.failed(error))?;
        close(&self.connection, self.limit).await;
        Ok(())
    }

    /// Of those beyond the oldest, only what came back earlier has to be read as well. It lies in front of what was never
    /// given out, so it ends with the first that was not.
    async fn pass_what_came_back(&mut self) -> Result<(), DeadLettersError> {
        self.unread = std::mem::take(&mut self.beyond);
        loop {
            match self.next().await? {
                Some(letter) if letter.incoming.redelivered => {}
                Some(_) => return Ok(()),
                None => {
                    // Whatever was counted and is not there, somebody else has.
                    self.unread = 0;
                    return Ok(());
                }
            }
        }
    }

    /// A few at a time: the broker keeps what it is told too fast for later, and forgets that when the channel closes.
    async fn give_back(&self) -> Result<(), DeadLettersError> {
        const FEW: u32 = 16;
        let again = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
        let (mut given, mut alone) = (0_u32, true);
        for tag in self.held.tags() {
            let gave = within(self.limit, self.channel.basic_nack(tag, again)).await;
            gave.map_err(|error| self.failed(error))?;
            given = given.saturating_add(1);
            if alone && given.is_multiple_of(FEW) {
                alone = self.until_back(given).await?;
            }
        }
        if alone {
            self.until_back(given).await?;
        }
        Ok(())
    }

    /// Waits until so many lie there again, or says that somebody else is taking some of them: then order is lost anyway.
    async fn until_back(&self, given: u32) -> Result<bool, DeadLettersError> {
        const PAUSE: Duration = Duration::from_millis(2);
        let deadline = Instant::now() + self.limit;
        while Instant::now() < deadline {
            let back = within(self.limit, ask(&self.channel, &self.queue)).await.map_err(|error| self.failed(error))?;
            // What was not read lies there all the time.
            if back >= given.saturating_add(self.unread) {
                return Ok(true);
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(false)
    }

    fn failed(&self, error: CallError) -> DeadLettersError {
        sorted(self.queue.to_string(), error)
    }
}

/// How many are there that nobody is reading.
async fn ask(channel: &Channel, queue: &ShortString) -> lapin::Result<u32> {
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    Ok(channel.queue_declare(queue.clone(), passive, FieldTable::default()).await?.message_count())
}

fn sorted(queue: String, error: CallError) -> DeadLettersError {
    const ACCESS_REFUSED: u16 = 403;
    const NOT_FOUND: u16 = 404;
    if let CallError::Failed(source) = &error
        && let ErrorKind::ProtocolError(reply) = source.kind()
    {
        match reply.get_id() {
            NOT_FOUND => return DeadLettersError::NoQueue(queue),
            ACCESS_REFUSED => return DeadLettersError::Refused { queue, source: source.clone() },
            _ => {}
        }
    }
    DeadLettersError::Failed { queue, source: error }
}
