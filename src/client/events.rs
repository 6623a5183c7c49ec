//! Consuming *member updated* events: each change once, and none that is older than what was handled before.

mod queue;
mod sequences;
mod updated;

pub use queue::Queue;
pub use sequences::{Remembered, Sequences, StoreError};
pub use updated::MemberUpdated;

use std::ops::Deref;
use std::time::Duration;

use futures_util::StreamExt as _;
use lapin::Acker;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicRejectOptions};
use tokio::time::{Instant, sleep_until, timeout};

use self::queue::Session;
use super::broker::Broker;
use super::error::{Lost, told};
use super::pauses::Pauses;

/// Why there is no event. After each of them [`MemberEvents::next`] may be called again.
#[derive(Debug, thiserror::Error)]
pub enum EventsError {
    /// There is no connection. The next call makes one, after a pause that grows.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// An event cannot be read. It was rejected: a policy with a dead-letter exchange on the queue keeps it.
    #[error("event {} cannot be read: {why}", .id.as_deref().unwrap_or("without an id"))]
    Unreadable {
        /// Its `message_id`.
        id: Option<String>,
        /// What is wrong with it; never what it holds.
        why: String,
    },
    /// The [`Sequences`] do not serve. The event comes again, after a pause that grows.
    #[error("it cannot be told whether an event is news: {}", reason(.0))]
    Sequences(StoreError),
}

/// A consumer of *member updated* events. It takes one after the other; an event is acknowledged when it was handled, and
/// until then it comes again.
///
/// Of each site and member it hands out what is newer than what was handled before, and drops the rest: repeats, and
/// events that a newer one has overtaken. What was handled is remembered in memory, for so many members
/// ([`Remembered`]), and so not beyond a restart: where an old event must never do harm, keep the sequence with the
/// effect, and say so with [`MemberEvents::connect_with`].
///
/// ```no_run
/// use join_community::client::{Broker, EventsError, MemberEvents, Queue};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let broker = Broker::at("amqp://shop:secret@rabbitmq/%2f")?;
/// let mut events = MemberEvents::connect(&broker, Queue::durable("shop.members")).await?;
/// loop {
///     match events.next().await {
///         Ok(event) => {
///             println!("{} of {} is now {:?}", event.member.id, event.site, event.member.privacy_status);
///             event.handled().await?;
///         }
///         // For the log; the next call connects again.
///         Err(error @ (EventsError::Lost(_) | EventsError::Unreadable { .. })) => eprintln!("{error}"),
///         Err(error) => return Err(error.into()),
///     }
/// }
/// # }
/// ```
pub struct MemberEvents<S = Remembered> {
    broker: Broker,
    queue: Queue,
    sequences: S,
    session: Option<Session>,
    /// What was delivered and is not settled.
    current: Option<Current>,
    pauses: Pauses,
    /// When the next try to connect may begin.
    not_before: Option<Instant>,
    dropped: u64,
}

struct Current {
    updated: MemberUpdated,
    acker: Acker,
    /// When it may be handed out again, if it was before, or could not be.
    again: Option<Instant>,
}

impl MemberEvents {
    /// Connects and begins to consume. What is announced before the queue is bound is not for it: for the members as they
    /// are, use the worker's `events resync`.
    ///
    /// # Errors
    /// If there is no connection, or the queue cannot be used.
    pub async fn connect(broker: &Broker, queue: Queue) -> Result<Self, Lost> {
        Self::connect_with(broker, queue, Remembered::default()).await
    }
}

impl<S: Sequences> MemberEvents<S> {
    /// The same, with what was handled remembered elsewhere, or for more or fewer members.
    ///
    /// # Errors
    /// If there is no connection, or the queue cannot be used.
    pub async fn connect_with(broker: &Broker, queue: Queue, sequences: S) -> Result<Self, Lost> {
        let session = Some(Session::open(broker, &queue).await?);
        let pauses = Pauses::up_to(broker.longest_pause);
        let (broker, not_before) = (broker.clone(), None);
        Ok(Self { broker, queue, sequences, session, current: None, pauses, not_before, dropped: 0 })
    }

    /// The next event that is news; waits for it. One that was handed out and not settled is handed out again: about
    /// 100 ms after it was, and then after ever longer, up to [`Broker::longest_pause`].
    ///
    /// May be given up at any time, say under a limit: nothing is lost. A try to connect begins anew then; so leave it
    /// more time than a connection takes.
    ///
    /// # Errors
    /// [`EventsError`]. They are for the log: call it again.
    pub async fn next(&mut self) -> Result<Event<'_, S>, EventsError> {
        loop {
            let again = self.unsettled().and_then(|current| current.again);
            if let Some(again) = again {
                sleep_until(again).await;
            }
            // Of one whose connection is gone the broker delivers another copy.
            if self.unsettled().is_none() {
                self.current = Some(self.receive().await?);
            }
            let Some(current) = &mut self.current else { continue };
            let held = self.sequences.held(current.updated.site, current.updated.member.id).await;
            if let Ok(Some(held)) = held
                && current.updated.sequence <= held
            {
                self.dropped += 1;
                acknowledge(&current.acker, self.broker.timeout).await;
                self.current = None;
                continue;
            }
            // Whoever fails at it, here or with it in hand, shall not do so as fast as they can.
            current.again = Some(Instant::now() + self.pauses.next_pause());
            held.map_err(EventsError::Sequences)?;
            break;
        }
        let (sequences, limit) = (&mut self.sequences, self.broker.timeout);
        let Some(current) = &self.current else { return Err(Lost::Ended("events").into()) };
        Ok(Event { current, sequences, limit })
    }

    /// What was delivered, if it is still to be settled and can be.
    fn unsettled(&self) -> Option<&Current> {
        self.current.as_ref().filter(|current| current.acker.usable())
    }

    /// How many events were dropped, because they were repeats or older than what was handled.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The next delivery that can be read. Everything that is awaited here may be given up.
    async fn receive(&mut self) -> Result<Current, EventsError> {
        let delivery = self.delivery().await?;
        self.pauses.reset();
        match MemberUpdated::read(&delivery) {
            Ok(updated) => Ok(Current { updated, acker: delivery.acker, again: None }),
            Err(why) => {
                // It would be as unreadable again, for ever. Not rejected in time, it comes again.
                let rejected = delivery.acker.reject(BasicRejectOptions { requeue: false });
                drop(timeout(self.broker.timeout, rejected).await);
                Err(EventsError::Unreadable {
                    id: delivery.properties.message_id().as_ref().map(ToString::to_string),
                    why,
                })
            }
        }
    }

    async fn delivery(&mut self) -> Result<Delivery, Lost> {
        if self.session.is_none() {
            self.reconnect().await?;
        }
        let next = match &mut self.session {
            Some(session) => session.consumer.next().await,
            None => None,
        };
        let lost = match next {
            Some(Ok(delivery)) => return Ok(delivery),
            Some(Err(error)) => Lost::Broker(error),
            None => Lost::Ended("events"),
        };
        self.session = None;
        self.not_before = Some(Instant::now() + self.pauses.next_pause());
        Err(lost)
    }

    async fn reconnect(&mut self) -> Result<(), Lost> {
        if let Some(not_before) = self.not_before {
            sleep_until(not_before).await;
        }
        match Session::open(&self.broker, &self.queue).await {
            Ok(session) => {
                self.session = Some(session);
                Ok(())
            }
            Err(lost) => {
                self.not_before = Some(Instant::now() + self.pauses.next_pause());
                Err(lost)
            }
        }
    }
}

/// An event to be handled. Dropped without a word it comes again, with the next call, after a pause that grows.
#[must_use = "an event that is not settled comes again"]
pub struct Event<'a, S: Sequences = Remembered> {
    current: &'a Current,
    sequences: &'a mut S,
    limit: Duration,
}

impl<S: Sequences> Event<'_, S> {
    /// It was handled: it is remembered and acknowledged, and neither it nor anything older comes again.
    ///
    /// # Errors
    /// If the [`Sequences`] do not serve; it is then not acknowledged.
    pub async fn handled(self) -> Result<(), EventsError> {
        let MemberUpdated { site, member, sequence, .. } = &self.current.updated;
        self.sequences.hold(*site, member.id, *sequence).await.map_err(EventsError::Sequences)?;
        acknowledge(&self.current.acker, self.limit).await;
        Ok(())
    }

    /// It can never be handled: it goes, and is not remembered. A policy with a dead-letter exchange on the queue keeps it.
    pub async fn reject(self) {
        let rejected = self.current.acker.reject(BasicRejectOptions { requeue: false });
        drop(timeout(self.limit, rejected).await);
    }
}

impl<S: Sequences> Deref for Event<'_, S> {
    type Target = MemberUpdated;

    fn deref(&self) -> &MemberUpdated {
        &self.current.updated
    }
}

/// What a store says, with its causes.
fn reason(error: &StoreError) -> String {
    told(&**error)
}

/// Acknowledges. What cannot be acknowledged comes again, and is known by its sequence: so nobody need be told.
async fn acknowledge(acker: &Acker, limit: Duration) {
    drop(timeout(limit, acker.ack(BasicAckOptions::default())).await);
}
