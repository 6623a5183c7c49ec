//! The way from a committed change to the two sides. A change that finds no room is no loss: the outbox has it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};

use super::forgetter::Forgotten;
use super::payment::{PaidAt, Payment};
use crate::ceiling;
use crate::domain::Change;
use crate::operations::{Dependency, Health, Meters};
use crate::postgres::{Paid, Side};

/// A change on its way through both sides.
pub(super) struct Debt {
    pub(super) change: Change,
    /// After this the lease is too near its end: the debt is dropped, and whoever sweeps next has it alone.
    expires: Instant,
    progress: AtomicU8,
    /// Of what was truly done; a side may have paid without.
    confirmed_at: PaidAt,
    cached_at: PaidAt,
}

const EVENT_DONE: u8 = 1;
const EVENT_PAID: u8 = 2;
const CACHE_DONE: u8 = 4;
const CACHE_PAID: u8 = 8;
/// A side had no room for it, and is done without having tried.
const ROOMLESS: u8 = 16;

impl Debt {
    pub(super) fn new(change: Change, expires: Instant) -> Self {
        // A side that owes nothing is done, but has not paid: the row may owe there what this change does not know of.
        let event = if change.event_due { 0 } else { EVENT_DONE };
        let cache = if change.cache_due { 0 } else { CACHE_DONE };
        let (confirmed_at, cached_at) = (PaidAt::default(), PaidAt::default());
        Self { change, expires, progress: AtomicU8::new(event | cache), confirmed_at, cached_at }
    }

    pub(super) fn is_expired(&self) -> bool {
        Instant::now() >= self.expires
    }

    /// Whether a side had no room for it: then nothing but its lease keeps the next sweep from it.
    pub(super) fn is_roomless(&self) -> bool {
        self.progress.load(Ordering::Acquire) & ROOMLESS != 0
    }

    /// Whether a side is done, paid or not.
    pub(super) fn is_done(&self, side: Side) -> bool {
        let bit = match side {
            Side::Event => EVENT_DONE,
            Side::Cache => CACHE_DONE,
        };
        self.progress.load(Ordering::Acquire) & bit != 0
    }

    /// Notes that a side is done, paid or not. The side that is done last learns what came of both.
    pub(super) fn done(&self, side: Side, payment: Payment) -> Option<Paid> {
        let (done, paid, paid_at) = match side {
            Side::Event => (EVENT_DONE, EVENT_PAID, &self.confirmed_at),
            Side::Cache => (CACHE_DONE, CACHE_PAID, &self.cached_at),
        };
        if let Payment::Made(at) = payment {
            paid_at.set(at);
        }
        let bits = if payment.is_paid() { done | paid } else { done };
        // Sees what the other side noted, if that was first: its time as well.
        let progress = self.progress.fetch_or(bits, Ordering::AcqRel) | bits;
        let both = progress & EVENT_DONE != 0 && progress & CACHE_DONE != 0;
        both.then(|| {
            let Change { site, member_id, event_sequence, .. } = self.change;
            let (event, cache) = (progress & EVENT_PAID != 0, progress & CACHE_PAID != 0);
            let (confirmed_at, cached_at) = (self.confirmed_at.get(), self.cached_at.get());
            Paid { site, member_id, event_sequence, event, cache, confirmed_at, cached_at }
        })
    }
}

/// How long a lane waits for a side that is up and behind, whatever that does.
const PATIENCE: Duration = Duration::from_millis(250);
/// The same for one that took something of late: a broker that sorts its files stands still for half a second now and then,
/// and what is left to the sweep waits for the end of its lease.
const LONGEST: Duration = Duration::from_secs(1);

/// When a side last took something. Whoever waits for room is told.
#[derive(Clone)]
pub(super) struct Taken(watch::Sender<Instant>);

impl Taken {
    fn new() -> Self {
        Self(watch::Sender::new(Instant::now()))
    }

    /// Notes that it took something just now.
    pub(super) fn now(&self) {
        self.0.send_replace(Instant::now());
    }
}

/// Where committed changes are handed over. Cheap to share; the announcer drains once the last one is dropped.
#[derive(Clone)]
pub struct HandOver {
    pub(super) events: mpsc::Sender<Arc<Debt>>,
    pub(super) cache: mpsc::Sender<Arc<Debt>>,
    forgotten: Forgotten,
    events_taken: Taken,
    cache_taken: Taken,
    health: Health,
    meters: Meters,
}

/// What the two sides take from.
pub(super) struct Queues {
    pub(super) events: mpsc::Receiver<Arc<Debt>>,
    pub(super) events_taken: Taken,
    pub(super) cache: mpsc::Receiver<Arc<Debt>>,
    pub(super) cache_taken: Taken,
}

impl HandOver {
    pub(super) fn new(room: usize, forgotten: Forgotten, health: Health, meters: Meters) -> (Self, Queues) {
        let (events, event_queue) = mpsc::channel(room);
        let (cache, cache_queue) = mpsc::channel(room);
        let (events_taken, cache_taken) = (Taken::new(), Taken::new());
        let queues = Queues {
            events: event_queue,
            events_taken: events_taken.clone(),
            cache: cache_queue,
            cache_taken: cache_taken.clone(),
        };
        (Self { events, cache, forgotten, events_taken, cache_taken, health, meters }, queues)
    }

    /// Waits a moment for room for so many changes, where a side that is up is behind: cheaper than to let the sweep
    /// find them again. A side that is out is not waited for, and one that hangs only for this moment.
    pub async fn room(&self, changes: usize) {
        let events = (&self.events, &self.events_taken, Dependency::Publishing);
        let cache = (&self.cache, &self.cache_taken, Dependency::Cache);
        for (queue, taken, dependency) in [events, cache] {
            let changes = changes.min(queue.max_capacity() / 2);
            let (asked, mut taken) = (Instant::now(), taken.0.subscribe());
            // Where nothing is stored there is no sweep to find what was left out.
            let longest = if ceiling::is_on() { Duration::MAX } else { LONGEST };
            // Asked, not reserved: whoever waits for a reservation keeps the room from those who come with changes.
            loop {
                let last = *taken.borrow_and_update();
                if queue.capacity() >= changes || !self.health.is_up(dependency) {
                    break;
                }
                let until = later(last, longest).max(asked + PATIENCE).min(later(asked, longest));
                if !matches!(timeout_at(until, taken.changed()).await, Ok(Ok(()))) {
                    break;
                }
            }
        }
    }

    /// Whether at least half of the room is free, on either side.
    pub(super) fn is_calm(&self) -> bool {
        [&self.events, &self.cache].iter().all(|queue| queue.capacity() >= queue.max_capacity() / 2)
    }

    /// Offers a change whose outbox row is leased for `lease` from `committing` on.
    pub fn offer(&self, change: Change, committing: Instant, lease: Duration) {
        self.push(change, committing + lease / 2);
    }

    /// Hands a change to the sides that it is due to. A side without room is done at once, unpaid, so that what the other
    /// one pays is still forgotten, and the lease given back: the sweep finds the row as soon as there is room.
    pub(super) fn push(&self, change: Change, expires: Instant) {
        let room = |queue: &mpsc::Sender<Arc<Debt>>, due: bool| due.then(|| queue.clone().try_reserve_owned().ok());
        let (events, cache) = (room(&self.events, change.event_due), room(&self.cache, change.cache_due));
        let debt = Arc::new(Debt::new(change, expires));
        for (side, permit) in [(Side::Event, &events), (Side::Cache, &cache)] {
            if matches!(permit, Some(None)) {
                self.meters.hints_dropped.increment(1);
                debt.progress.fetch_or(ROOMLESS, Ordering::AcqRel);
                self.forgotten.done(&debt, side, Payment::Missed);
            }
        }
        for permit in [events, cache].into_iter().flatten().flatten() {
            permit.send(Arc::clone(&debt));
        }
    }
}

/// So much later; a clock has an end, but nobody lives to see it.
fn later(moment: Instant, by: Duration) -> Instant {
    moment.checked_add(by).unwrap_or_else(|| moment + Duration::from_hours(24))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use time::macros::datetime;
    use tokio::time::Instant;

    use super::Debt;
    use crate::announce::payment::Payment;
    use crate::domain::{Change, MemberId, Origin, SiteId};
    use crate::postgres::Side;

    const CONFIRMED: Payment = Payment::Made(datetime!(2026-11-24 10:00:00.125 UTC));
    const CACHED: Payment = Payment::Made(datetime!(2026-11-24 10:00:01 UTC));

    fn debt(event_due: bool, cache_due: bool) -> Arc<Debt> {
        let change = Change {
            site: SiteId(uuid::Uuid::nil()),
            member_id: MemberId(uuid::Uuid::nil()),
            event_sequence: 17,
            member: None,
            event_due,
            cache_due,
            origin: Origin::External,
            caller: None,
            request_id: None,
            traceparent: None,
        };
        Arc::new(Debt::new(change, Instant::now()))
    }

    #[test]
    fn a_debt_is_forgotten_by_the_side_that_is_done_last() {
        let debt = debt(true, true);
        assert_eq!(debt.done(Side::Cache, CACHED), None);
        let paid = debt.done(Side::Event, CONFIRMED).unwrap();
        assert!(paid.event && paid.cache);
        assert_eq!(
            [paid.confirmed_at.map(Payment::Made), paid.cached_at.map(Payment::Made)],
            [Some(CONFIRMED), Some(CACHED)]
        );
    }

    #[test]
    fn a_side_that_owes_nothing_has_not_paid_what_the_row_may_owe_there() {
        let paid = debt(false, true).done(Side::Cache, CACHED).unwrap();
        assert!(!paid.event && paid.cache && paid.confirmed_at.is_none());
    }

    #[test]
    fn an_event_that_nobody_is_owed_is_paid_and_was_never_confirmed() {
        let debt = debt(true, true);
        assert_eq!(debt.done(Side::Event, Payment::NotOwed), None);
        let paid = debt.done(Side::Cache, CACHED).unwrap();
        assert!(paid.event && paid.cache && paid.confirmed_at.is_none() && paid.cached_at.is_some());
    }

    #[test]
    fn a_debt_that_nobody_paid_stays_owed() {
        let debt = debt(true, true);
        assert_eq!(debt.done(Side::Cache, Payment::Missed), None);
        let paid = debt.done(Side::Event, Payment::Missed).unwrap();
        assert!(!paid.event && !paid.cache && paid.confirmed_at.is_none() && paid.cached_at.is_none());
    }
}
