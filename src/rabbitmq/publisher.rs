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

/// Batches of events that may be on their way at once, each on a channel of its own: while one waits for its confirms,
/// which takes as long as the broker's disk, the next is being sent.
pub const EVENT_WINDOWS: usize = 4;
/// The same for copies.
const COPY_WINDOWS: usize = 4;
/// So many copies share a window, where they are ready: single ones come by the hundred.
const COPIES: usize = 64;

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

    /// Publishes copies, together. Waits for a connection, if need be; the caller limits how long.
    ///
    /// # Errors
    /// If what became of them is unproven; any of it may have happened.
    pub async fn copies(&self, messages: Vec<Outgoing>) -> Result<Vec<Fate>, Unproven> {
        let (answer, fates) = oneshot::channel();
        self.copies.send(Order { messages, answer }).await.map_err(|_| Unproven::Unavailable)?;
        fates.await.map_err(|_| Unproven::Unknown)
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
        let copies = open(connection, limit, COPY_WINDOWS).await?;
        let events = open(connection, limit, EVENT_WINDOWS).await?;
        let replies = within(limit, connection.create_channel()).await?;
        health.up(Dependency::Publishing);
        let work = async {
            tokio::try_join!(
                side_by_side(&copies, &mut self.copies, COPIES),
                side_by_side(&events, &mut self.events, 1),
                forgettable(&replies, &mut self.replies),
            )
        };
        tokio::select! {
            done = work => done.map(|_| ())?,
            () = watch => return Err(PublishingEnd::Connection),
        }
        // With the handshake, so that what was written last is taken before the connection goes.
        for window in copies.iter().chain(&events) {
            window.close().await?;
        }
        Ok(within(limit, replies.close(200, "done".into())).await?)
    }
}

async fn open(connection: &Connection, limit: Duration, windows: usize) -> Result<Vec<Window>, CallError> {
    let mut open = Vec::with_capacity(windows);
    while open.len() < windows {
        open.push(Window::open(connection, limit).await?);
    }
    Ok(open)
}

/// Publishes what is ready, windows side by side; what is ready together shares one, up to `most` messages or one order.
async fn side_by_side(
    windows: &[Window],
    orders: &mut mpsc::Receiver<Order>,
    most: usize,
) -> Result<(), PublishingEnd> {
    let mut free: Vec<&Window> = windows.iter().collect();
    let mut busy = FuturesUnordered::new();
    loop {
        tokio::select! {
            Some(done) = busy.next() => {
                let window: Result<&Window, WindowError> = done;
                free.push(window?);
            }
            order = orders.recv(), if !free.is_empty() => match (order, free.pop()) {
                (Some(first), Some(window)) => busy.push(flight(window, with_others(first, orders, most))),
                (None, _) | (_, None) => break,
            },
        }
    }
    while let Some(done) = busy.next().await {
        done?;
    }
    Ok(())
}

/// An order, and others that are ready; no more once they are as many messages.
fn with_others(first: Order, orders: &mut mpsc::Receiver<Order>, most: usize) -> Vec<Order> {
    let (mut messages, mut ready) = (first.messages.len(), vec![first]);
    while messages < most
        && let Ok(order) = orders.try_recv()
    {
        messages += order.messages.len();
        ready.push(order);
    }
    ready
}

/// Publishes orders in one window, tells each what became of it, and answers the window.
async fn flight(window: &Window, mut orders: Vec<Order>) -> Result<&Window, WindowError> {
    // Whoever stopped waiting will ask again by itself.
    orders.retain(|order| !order.answer.is_closed());
    let sizes: Vec<usize> = orders.iter().map(|order| order.messages.len()).collect();
    let messages: Vec<Outgoing> = orders.iter_mut().flat_map(|order| std::mem::take(&mut order.messages)).collect();
    let mut fates = window.publish(&messages).await?.into_iter();
    for (order, size) in orders.into_iter().zip(sizes) {
        // Nobody may be waiting any more; then nobody is told.
        drop(order.answer.send(fates.by_ref().take(size).collect()));
    }
    Ok(window)
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
