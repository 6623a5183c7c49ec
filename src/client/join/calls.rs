//! The calls under way: which of them is answered by what, and how far each has come. Apart, because callers, the task
//! that sends and the replies that come all meet here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use uuid::Uuid;

use super::super::error::Lost;
use super::reply::Reply;

/// Why a call gets no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// Its request is not in the queue.
    NotSent(Why),
    /// The connection on which it was sent is gone.
    Lost(Arc<Lost>),
}

/// Why a request is not in the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// No queue took it.
    Unroutable,
    /// The broker user may not send it.
    Forbidden,
    /// The queue refused it.
    NotTaken,
    /// The client was closed before.
    Closed,
}

/// Whom the answer goes to.
enum Waiter {
    /// One who waits until the request is in the queue.
    ForQueue(oneshot::Sender<Result<(), Failure>>),
    /// One who waits for the reply.
    ForReply(oneshot::Sender<Result<Reply, Failure>>),
}

impl Waiter {
    /// Whoever waits no longer is not told.
    fn fail(self, failure: Failure) {
        match self {
            Self::ForQueue(waiter) => drop(waiter.send(Err(failure))),
            Self::ForReply(waiter) => drop(waiter.send(Err(failure))),
        }
    }
}

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It waits to be sent.
    Waiting,
    /// It was sent.
    Sent,
    /// It is in the queue.
    Queued,
}

struct Call {
    stage: Stage,
    waiter: Waiter,
}

/// The calls under way, by correlation id: one for each call, so that the same request may be asked twice at once. There
/// are as many as there are callers.
#[derive(Default)]
pub(super) struct Calls {
    calls: Mutex<HashMap<Uuid, Call>>,
    /// Why there is no connection now.
    lost: Mutex<Option<Arc<Lost>>>,
}

/// A caller's place among the calls, which goes when the caller goes.
pub(super) struct Ticket {
    pub(super) id: Uuid,
    calls: Arc<Calls>,
}

impl Ticket {
    /// Takes the call back, and answers how far it had come. One that was waiting is not sent any more.
    pub(super) fn take_back(self) -> Stage {
        // One that is not there any more was answered this moment.
        self.calls.lock().remove(&self.id).map_or(Stage::Sent, |call| call.stage)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.calls.lock().remove(&self.id);
    }
}

impl Calls {
    /// A call that ends when its request is in the queue.
    pub(super) fn for_queue(self: &Arc<Self>) -> (Ticket, oneshot::Receiver<Result<(), Failure>>) {
        let (waiter, answer) = oneshot::channel();
        (self.begin(Waiter::ForQueue(waiter)), answer)
    }

    /// A call that ends with the reply.
    pub(super) fn for_reply(self: &Arc<Self>) -> (Ticket, oneshot::Receiver<Result<Reply, Failure>>) {
        let (waiter, answer) = oneshot::channel();
        (self.begin(Waiter::ForReply(waiter)), answer)
    }

    fn begin(self: &Arc<Self>, waiter: Waiter) -> Ticket {
        let id = Uuid::new_v4();
        self.lock().insert(id, Call { stage: Stage::Waiting, waiter });
        Ticket { id, calls: Arc::clone(self) }
    }

    /// Its request is about to be sent; no, if nobody waits for it any more.
    pub(super) fn send(&self, id: Uuid) -> bool {
        let mut calls = self.lock();
        let Some(call) = calls.get_mut(&id) else { return false };
        call.stage = Stage::Sent;
        true
    }

    /// Its request is in the queue.
    pub(super) fn queued(&self, id: Uuid) {
        let mut calls = self.lock();
        if let Some(Call { stage, waiter: Waiter::ForReply(_) }) = calls.get_mut(&id) {
            *stage = Stage::Queued;
        } else if let Some(Call { waiter: Waiter::ForQueue(waiter), .. }) = calls.remove(&id) {
            drop(waiter.send(Ok(())));
        }
    }

    /// Its reply is here. A second one, and one that nobody asked for, is dropped.
    pub(super) fn reply(&self, id: Uuid, reply: Reply) {
        if let Some(Call { waiter: Waiter::ForReply(waiter), .. }) = self.lock().remove(&id) {
            drop(waiter.send(Ok(reply)));
        }
    }

    /// It gets no answer.
    pub(super) fn fail(&self, id: Uuid, failure: Failure) {
        if let Some(call) = self.lock().remove(&id) {
            call.waiter.fail(failure);
        }
    }

    /// The connection is gone, and with it every reply to what was sent on it. What waits to be sent waits on.
    pub(super) fn lose(&self, lost: Lost) {
        let lost = Arc::new(lost);
        self.note(Some(Arc::clone(&lost)));
        let refused = refused(&lost);
        for (_, Call { stage, waiter }) in self.lock().extract_if(|_, call| call.stage != Stage::Waiting) {
            waiter.fail(match refused {
                Some(why) if stage == Stage::Sent => Failure::NotSent(why),
                Some(_) | None => Failure::Lost(Arc::clone(&lost)),
            });
        }
    }

    /// Nothing is sent any more.
    pub(super) fn close(&self) {
        let lost = Arc::new(Lost::Closed);
        self.note(Some(Arc::clone(&lost)));
        for (_, Call { stage, waiter }) in self.lock().drain() {
            match stage {
                Stage::Waiting => waiter.fail(Failure::NotSent(Why::Closed)),
                Stage::Sent | Stage::Queued => waiter.fail(Failure::Lost(Arc::clone(&lost))),
            }
        }
    }

    /// Remembers why there is no connection; `None` once there is one.
    pub(super) fn note(&self, lost: Option<Arc<Lost>>) {
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = lost;
    }

    /// Why there is no connection now, if there is none.
    pub(super) fn lost(&self) -> Option<Arc<Lost>> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why the exchange takes nothing, if that is why the broker ended the channel: then it took nothing that it had not
/// confirmed.
fn refused(lost: &Lost) -> Option<Why> {
    const ACCESS_REFUSED: u16 = 403;
    const NOT_FOUND: u16 = 404;
    match lost.code()? {
        ACCESS_REFUSED => Some(Why::Forbidden),
        NOT_FOUND => Some(Why::Unroutable),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::super::error::Lost;
    use super::{Calls, Failure, Stage};

    #[test]
    fn a_call_that_its_caller_gave_up_is_neither_sent_nor_kept() {
        let calls = Arc::new(Calls::default());
        let (ticket, answer) = calls.for_queue();
        let id = ticket.id;
        assert_eq!(ticket.take_back(), Stage::Waiting);
        assert!(!calls.send(id) && calls.lock().is_empty());
        drop(answer);
    }

    #[test]
    fn a_lost_connection_ends_what_was_sent_on_it_and_nothing_else() {
        let calls = Arc::new(Calls::default());
        let (waits, mut waiting) = calls.for_reply();
        let (is_sent, mut sent) = calls.for_reply();
        let (is_queued, mut queued) = calls.for_reply();
        assert!(calls.send(is_sent.id) && calls.send(is_queued.id));
        calls.queued(is_queued.id);
        calls.lose(Lost::Ended("replies"));
        for answer in [&mut sent, &mut queued] {
            assert!(matches!(answer.try_recv(), Ok(Err(Failure::Lost(_)))));
        }
        assert!(waiting.try_recv().is_err() && calls.lost().is_some());
        assert!(calls.send(waits.id), "it is sent with the next connection");
    }

    #[test]
    fn a_confirm_ends_the_call_that_waits_for_it_and_tells_the_other_how_far_it_is() {
        let calls = Arc::new(Calls::default());
        let (enqueued, mut confirmed) = calls.for_queue();
        let (joining, mut replied) = calls.for_reply();
        for ticket in [&enqueued, &joining] {
            assert!(calls.send(ticket.id));
            calls.queued(ticket.id);
        }
        assert!(matches!(confirmed.try_recv(), Ok(Ok(()))));
        assert!(replied.try_recv().is_err());
        assert_eq!(joining.take_back(), Stage::Queued);
    }
}
