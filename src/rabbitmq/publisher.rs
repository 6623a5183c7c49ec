//! The publishing connection: copies, events and replies, each on a channel and in a queue of its own, so that none of
//! them waits for another. Never the connection that consumes: on a blocked connection `lapin` writes nothing, acks
//! included.

mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use lapin::{Channel, Connection};
use tokio::sync::{mpsc, oneshot};

use super::call::{CallError, within};
use super::window::{Fate, Window, WindowError, publish_and_forget};
use crate::fail_point::{self, Point};
use crate::operations::{Dependency, Health};
use crate::wire::Outgoing;

/// Why a publish proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// There is no publishing connection now, or its queue is full.
    #[error("the broker does not take publishes")]
    Unavailable,
    /// The connection failed on the way, or no confirm came in time.
    #[error("the broker did not confirm")]
    Unknown,
}

/// Event batches that may be on their way at once, each on a channel of its own: while one waits for its confirms,
/// which takes as long as the broker's disk, the next is being sent.
pub const EVENT_WINDOWS: usize = 4;

struct Order {
    messages: Vec<Outgoing>,
    answer: oneshot::Sender<Vec<Fate>>,
}

/// Where the rest of the worker hands messages over. Cheap to share.
#[derive(Clone)]
pub struct Publisher {
    copies: mpsc::Sender<Order>,
    events: mpsc::Sender<Order>,
    replies: mpsc::Sender<Outgoing>,
    blocked: Arc<AtomicBool>,
    confirm_limit: Duration,
}

impl Publisher {
    /// The handle, and the work behind it that is to be run on a publishing connection.
    #[must_use]
    pub fn new(confirm_limit: Duration) -> (Self, Publishing) {
        let (copies, copy_orders) = mpsc::channel(1024);
        let (events, event_orders) = mpsc::channel(EVENT_WINDOWS);
        let (replies, reply_queue) = mpsc::channel(4096);
        let blocked = Arc::new(AtomicBool::new(false));
        let work = Publishing {
            copies: copy_orders,
            events: event_orders,
            replies: reply_queue,
            blocked: Arc::clone(&blocked),
            confirm_limit,
        };
        (Self { copies, events, replies, blocked, confirm_limit }, work)
    }

    /// Whether the broker blocks all publishers, for lack of memory or disk.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
    }

    /// Publishes one copy. Waits for a connection, if need be; the caller limits how long.
    ///
    /// # Errors
    /// If the publish is unproven; it may have happened.
    pub async fn copy(&self, message: Outgoing) -> Result<Fate, Unproven> {
        let (answer, fate) = oneshot::channel();
        let order = Order { messages: vec![message], answer };
        self.copies.send(order).await.map_err(|_| Unproven::Unavailable)?;
        fate.await.ok().and_then(|fates| fates.first().copied()).ok_or(Unproven::Unknown)
    }

    /// Publishes a batch of events. Never waits longer than the limit for confirms.
    ///
    /// # Errors
    /// If the batch is unproven; any of it may have happened.
    pub async fn events(&self, messages: Vec<Outgoing>) -> Result<Vec<Fate>, Unproven> {
        let (answer, fates) = oneshot::channel();
        self.events.try_send(Order { messages, answer }).map_err(|_| Unproven::Unavailable)?;
        match tokio::time::timeout(self.confirm_limit, fates).await {
            Ok(Ok(fates)) => Ok(fates),
            Ok(Err(_)) | Err(_) => Err(Unproven::Unknown),
        }
    }

    /// Offers a reply; drops it where there is no room, and says so. Nobody waits for a reply to be sent.
    #[must_use]
    pub fn offer_reply(&self, reply: Outgoing) -> bool {
        self.replies.try_send(reply).is_ok()
    }
}

/// The work behind a [`Publisher`].
pub struct Publishing {
    copies: mpsc::Receiver<Order>,
    events: mpsc::Receiver<Order>,
    replies: mpsc::Receiver<Outgoing>,
    blocked: Arc<AtomicBool>,
    confirm_limit: Duration,
}

/// Why a publishing session ended.
#[derive(Debug, thiserror::Error)]
pub enum PublishingEnd {
    /// A channel or its confirms failed.
    #[error("publishing failed")]
    Window(#[from] WindowError),
    /// The connection ended.
    #[error("the publishing connection ended")]
    Connection,
}

impl From<CallError> for PublishingEnd {
    fn from(error: CallError) -> Self {
        Self::Window(error.into())
    }
}

impl Publishing {
    /// No work at all.
    #[must_use]
    pub fn idle() -> Self {
        Publisher::new(Duration::ZERO).1
    }

    /// Publishes on this connection until it fails, or until everything handed over is done and nobody is left to hand
    /// over more.
    ///
    /// # Errors
    /// Whatever ended the session; the connection is to be dropped.
    pub async fn run(&mut self, connection: &Connection, health: &Health) -> Result<(), PublishingEnd> {
        let blocked = Arc::clone(&self.blocked);
        let watch = watch::watch(connection, health, &blocked);
        let limit = self.confirm_limit;
        let copies = Window::open(connection, limit).await?;
        let mut events = Vec::with_capacity(EVENT_WINDOWS);
        while events.len() < EVENT_WINDOWS {
            events.push(Window::open(connection, limit).await?);
        }
        let replies = within(limit, connection.create_channel()).await?;
        health.up(Dependency::Publishing);
        let work = async {
            tokio::try_join!(
                windows(&copies, &mut self.copies),
                side_by_side(&events, &mut self.events),
                forgettable(&replies, &mut self.replies),
            )
        };
        let ended = tokio::select! {
            done = work => done.map(|_| ()),
            () = watch => Err(PublishingEnd::Connection),
        };
        // Of a connection that is gone: whoever waits for the next one waits within limits.
        self.blocked.store(false, Ordering::Relaxed);
        ended?;
        // With the handshake, so that what was written last is taken before the connection goes.
        copies.close().await?;
        for window in &events {
            window.close().await?;
        }
        Ok(within(limit, replies.close(200, "done".into())).await?)
    }
}

/// Publishes batches side by side, each in a window of its own.
async fn side_by_side(windows: &[Window], orders: &mut mpsc::Receiver<Order>) -> Result<(), PublishingEnd> {
    let mut free: Vec<&Window> = windows.iter().collect();
    let mut busy = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some(done) = busy.next() => {
                let window: Result<&Window, WindowError> = done;
                free.push(window?);
            }
            order = orders.recv(), if !free.is_empty() => match (order, free.pop()) {
                (Some(Order { messages, answer }), Some(window)) => busy.push(async move {
                    let fates = window.publish(&messages).await?;
                    // Nobody may be waiting any more; then nobody is told.
                    drop(answer.send(fates));
                    Ok(window)
                }),
                (None, _) | (_, None) => break,
            },
        }
    }
    while let Some(done) = busy.next().await {
        done?;
    }
    Ok(())
}

/// Publishes what is ready, window by window.
async fn windows(window: &Window, orders: &mut mpsc::Receiver<Order>) -> Result<(), PublishingEnd> {
    const MOST: usize = 64;
    let mut ready = Vec::with_capacity(MOST);
    while orders.recv_many(&mut ready, MOST).await > 0 {
        // Whoever stopped waiting will ask again by itself.
        ready.retain(|order| !order.answer.is_closed());
        let sizes: Vec<usize> = ready.iter().map(|order| order.messages.len()).collect();
        let messages: Vec<Outgoing> = ready.iter_mut().flat_map(|order| std::mem::take(&mut order.messages)).collect();
        let mut fates = window.publish(&messages).await?.into_iter();
        for (order, size) in ready.drain(..).zip(sizes) {
            // Nobody may be waiting any more; then nobody is told.
            drop(order.answer.send(fates.by_ref().take(size).collect()));
        }
    }
    Ok(())
}

async fn forgettable(channel: &Channel, replies: &mut mpsc::Receiver<Outgoing>) -> Result<(), PublishingEnd> {
    const MOST: usize = 256;
    let mut ready = Vec::with_capacity(MOST);
    while replies.recv_many(&mut ready, MOST).await > 0 {
        publish_and_forget(channel, &ready).await.map_err(WindowError::from)?;
        fail_point::pass(Point::AfterReply);
        ready.clear();
    }
    Ok(())
}
