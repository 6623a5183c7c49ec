//! Forgetting what is paid, and at the end giving back what is not. Apart from the sides, because neither knows what came
//! of the other.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::handover::Debt;
use super::payment::Payment;
use crate::fail_point::{self, Point};
use crate::operations::Controls;
use crate::postgres::{Paid, Session, Side, StoreError};
use crate::telemetry::chain;

/// A debt that both sides are done with.
#[derive(Clone, Copy)]
pub(super) struct Done {
    paid: Paid,
    /// A side had no room for it and has not tried: the lease has nobody's work to protect.
    is_roomless: bool,
}

/// Where the side that is done last notes what is paid.
#[derive(Clone)]
pub(super) struct Forgotten(mpsc::Sender<Done>);

impl Forgotten {
    pub(super) fn new(room: usize) -> (Self, mpsc::Receiver<Done>) {
        let (queue, done) = mpsc::channel(room);
        (Self(queue), done)
    }

    pub(super) fn done(&self, debt: &Debt, side: Side, payment: Payment) {
        if let Some(paid) = debt.done(side, payment)
            && self.0.try_send(Done { paid, is_roomless: debt.is_roomless() }).is_err()
        {
            // PostgreSQL is slow or out. What is not forgotten is announced again, with the same id and sequence.
            debug!("no room to forget what is paid");
        }
    }
}

/// How many are forgotten together, at most. With PostgreSQL far away a turn takes up to four ways there and back, and who forgets
/// too slowly has to announce again what found no room.
const MOST: usize = 2_048;
/// What is paid may lie for so long, far less than a lease: each statement has its own cost, however little it deletes.
const GATHERING: Duration = Duration::from_millis(25);

/// Records what is paid and deletes it from the outbox, batch by batch, and gives the leases back of what found no room. In the
/// end it gives back those of the rest, so that another worker need not wait for them.
pub(super) async fn forget(
    mut store: Session,
    mut queue: mpsc::Receiver<Done>,
    lease: Duration,
    controls: Controls,
    draining: CancellationToken,
) {
    let mut ready = Vec::with_capacity(MOST);
    let mut leased = Leased { debts: VecDeque::new(), room: queue.max_capacity(), lease };
    while queue.recv_many(&mut ready, MOST).await > 0 {
        if controls.pauses_database() && draining.run_until_cancelled(controls.until_database()).await.is_none() {
            // Who drains meanwhile leaves PostgreSQL alone, and what is paid is announced again, as after an outage.
            return;
        }
        leased.remember(ready.iter().filter(|done| !done.is_roomless).map(|done| done.paid));
        let paid: Vec<Paid> = ready.iter().map(|done| done.paid).filter(|paid| paid.event || paid.cache).collect();
        let roomless: Vec<Paid> = ready.drain(..).filter(|done| done.is_roomless).map(|done| done.paid).collect();
        let settled = async {
            forget_paid(&mut store, &paid).await?;
            release(&mut store, &roomless).await
        };
        if let Err(error) = settled.await {
            debug!(error = chain(&error), "what is paid could not be forgotten and is announced again");
            if draining.is_cancelled() {
                // Another try would take another limit, and the time may be short.
                return;
            }
        }
        if queue.len() < MOST {
            draining.run_until_cancelled(tokio::time::sleep(GATHERING)).await;
        }
    }
    if controls.pauses_database() {
        return;
    }
    if let Err(error) = release(&mut store, &leased.debts()).await {
        debug!(error = chain(&error), "leases could not be given back and end by themselves");
    }
}

async fn release(store: &mut Session, unpaid: &[Paid]) -> Result<(), StoreError> {
    if unpaid.is_empty() { Ok(()) } else { store.release(unpaid).await }
}

async fn forget_paid(store: &mut Session, paid: &[Paid]) -> Result<(), StoreError> {
    if paid.is_empty() {
        return Ok(());
    }
    fail_point::pass(Point::BeforeForget);
    store.forget(paid).await?;
    fail_point::pass(Point::AfterForget);
    Ok(())
}

/// What is owed still, and leased to this worker: the latest of it, as much as there is room for.
struct Leased {
    debts: VecDeque<(Instant, Paid)>,
    room: usize,
    lease: Duration,
}

impl Leased {
    fn remember(&mut self, paid: impl Iterator<Item = Paid>) {
        let now = Instant::now();
        // Whoever owes nothing to a side has not paid it either; to give such a lease back does no harm.
        self.debts.extend(paid.filter(|paid| !(paid.event && paid.cache)).map(|paid| (now, paid)));
        let expired = self.debts.iter().take_while(|(since, _)| now - *since > self.lease).count();
        let surplus = self.debts.len().saturating_sub(self.room);
        self.debts.drain(..expired.max(surplus));
    }

    fn debts(self) -> Vec<Paid> {
        self.debts.into_iter().map(|(_, paid)| paid).collect()
    }
}
