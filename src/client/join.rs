//! Asking for members to join or leave: one connection that any number of callers share.

mod calls;
mod keeper;
mod reply;
mod request;
mod session;

pub use reply::{Code, Refusal, Violation};
pub use request::{Asked, Join, JoinRequest, Leave, LeaveRequest, Request};

use std::sync::Arc;
use std::time::Duration;

use lapin::types::ShortString;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use self::calls::{Calls, Failure, Stage, Ticket, Why};
use self::keeper::Keeper;
use self::session::{Order, Session};
use super::broker::{Broker, short};
use super::error::{EnqueueError, JoinError, Lost, Unsent};
use super::member::Member;
use crate::domain::RequestId;

/// Requests that wait to be sent. Whoever comes beyond waits to be let in, and as long as they wish.
const MOST_WAITING: usize = 1024;

/// A client of the worker. Cheap to clone, and safe to call from any number of tasks at once: they share one connection,
/// and requests that are ready together are sent together.
///
/// It connects anew when its connection is lost, with growing pauses. What was sent and not answered then ends with
/// [`JoinError::Disconnected`]; what was not sent yet waits for the new connection.
///
/// Must be used inside a runtime of tokio's. A future that is dropped gives its call up.
#[derive(Clone)]
pub struct JoinCommunity {
    calls: Arc<Calls>,
    orders: mpsc::Sender<Order>,
    closing: Arc<watch::Sender<bool>>,
    user: ShortString,
    limit: Duration,
}

impl JoinCommunity {
    /// Connects as the user of the broker's URL. That is who the worker believes, where its configuration trusts them to
    /// vouch for callers (`[[auth.producers]]`).
    ///
    /// # Errors
    /// If there is no connection. Only here: one that is lost later is made again without a word.
    pub async fn connect(broker: &Broker) -> Result<Self, Lost> {
        let user = short(broker.address.user())?;
        let session = Session::open(broker).await?;
        let calls = Arc::new(Calls::default());
        let (orders, taken) = mpsc::channel(MOST_WAITING);
        let (closing, closed) = watch::channel(false);
        let keeper = Keeper {
            broker: broker.clone(),
            calls: Arc::clone(&calls),
            orders: taken,
            closing: closed,
            session: Some(session),
        };
        tokio::spawn(keeper.run());
        Ok(Self { calls, orders, closing: Arc::new(closing), user, limit: Duration::from_secs(10) })
    }

    /// The same client, with another limit for each call; it covers everything. By default 10 s.
    ///
    /// That a member is not known is said after 36 s, since their record may still be on its way (the worker's
    /// `join.unknown_member_retries`): whoever wants to hear of it, and not of [`JoinError::TimedOut`], waits longer, say
    /// 45 s.
    #[must_use]
    pub fn within(&self, limit: Duration) -> Self {
        Self { limit, ..self.clone() }
    }

    /// Asks for a member to join, and waits for the answer: the member, who is in the community now, or was before.
    ///
    /// The answer may be lost, though the request was not. Ask again with the same request; it counts once.
    ///
    /// # Errors
    /// [`JoinError`], sorted by what to do about it.
    pub async fn join(&self, request: &JoinRequest) -> Result<Member, JoinError> {
        self.ask(request).await
    }

    /// Asks for a member to leave, and waits for the answer: the member, who is private now, or was before. Neither a
    /// closed site nor a status keeps anybody in.
    ///
    /// The answer may be lost, though the request was not. Ask again with the same request; it counts once.
    ///
    /// # Errors
    /// [`JoinError`], sorted by what to do about it.
    pub async fn leave(&self, request: &LeaveRequest) -> Result<Member, JoinError> {
        self.ask(request).await
    }

    async fn ask<A: Asked>(&self, request: &Request<A>) -> Result<Member, JoinError> {
        let (ticket, answer) = self.calls.for_reply();
        let order = self.order(request, &ticket)?.with_reply();
        let id = || request.id().clone();
        match timeout(self.limit, self.answer(order, answer)).await {
            Ok(Ok(reply)) => reply.read(request.id()),
            Ok(Err(Failure::Lost(why))) => Err(JoinError::Disconnected { request: id(), why }),
            Ok(Err(Failure::NotSent(why))) => Err(unsent(request.id(), why).into()),
            Err(_) => Err(match ticket.take_back() {
                Stage::Waiting => self.unavailable(request.id()).into(),
                stage @ (Stage::Sent | Stage::Queued) => {
                    JoinError::TimedOut { request: id(), limit: self.limit, is_queued: stage == Stage::Queued }
                }
            }),
        }
    }

    /// Sends a request, and waits until it is safely in the queue, not for what becomes of it. No reply is asked for.
    ///
    /// # Errors
    /// [`EnqueueError`], if it is not known to be there. Sending it again is safe.
    pub async fn enqueue<A: Asked>(&self, request: &Request<A>) -> Result<(), EnqueueError> {
        let (ticket, answer) = self.calls.for_queue();
        let order = self.order(request, &ticket)?;
        let id = || request.id().clone();
        match timeout(self.limit, self.answer(order, answer)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Failure::Lost(why))) => Err(EnqueueError::Disconnected { request: id(), why }),
            Ok(Err(Failure::NotSent(why))) => Err(unsent(request.id(), why).into()),
            Err(_) => Err(match ticket.take_back() {
                Stage::Waiting => self.unavailable(request.id()).into(),
                Stage::Sent | Stage::Queued => EnqueueError::TimedOut { request: id(), limit: self.limit },
            }),
        }
    }

    /// Closes the client, all clones of it. Calls under way end at once; what was confirmed is safe.
    ///
    /// A client whose clones are all dropped closes by itself.
    pub async fn close(self) {
        self.closing.send_replace(true);
        // Until whatever keeps it connected has closed the connection, which has a limit of its own, and is gone.
        self.closing.closed().await;
    }

    fn order<A: Asked>(&self, request: &Request<A>, ticket: &Ticket) -> Result<Order, Unsent> {
        let properties = request.properties(&self.user, ticket.id)?;
        Ok(Order { call: ticket.id, key: Request::<A>::key(), properties, body: request.body() })
    }

    async fn answer<T>(&self, order: Order, answer: oneshot::Receiver<Result<T, Failure>>) -> Result<T, Failure> {
        self.orders.send(order).await.map_err(|_| Failure::NotSent(Why::Closed))?;
        answer.await.unwrap_or(Err(Failure::NotSent(Why::Closed)))
    }

    fn unavailable(&self, request: &RequestId) -> Unsent {
        Unsent::Unavailable { request: request.clone(), limit: self.limit, why: self.calls.lost() }
    }
}

fn unsent(request: &RequestId, why: Why) -> Unsent {
    let request = request.clone();
    match why {
        Why::Unroutable => Unsent::Unroutable { request },
        Why::Forbidden => Unsent::Forbidden { request },
        Why::NotTaken => Unsent::NotTaken { request },
        Why::Closed => Unsent::Closed { request },
    }
}
