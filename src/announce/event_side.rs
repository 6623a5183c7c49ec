//! The event side: owed events, published and confirmed.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::warn;

use super::forgetter::Forgotten;
use super::handover::{Debt, Taken};
use super::payment::Payment;
use crate::domain::{Change, Origin};
use crate::fail_point::{self, Point};
use crate::operations::{Dependency, Health, Meters, Sent, Traces};
use crate::postgres::Side;
use crate::rabbitmq::publisher::{EVENT_WINDOWS, Publisher};
use crate::rabbitmq::window::Fate;
use crate::wire::{Outgoing, event};

/// What the event side works with.
pub(super) struct EventSide {
    pub(super) publisher: Publisher,
    pub(super) exchange: String,
    pub(super) taken: Taken,
    pub(super) health: Health,
    pub(super) meters: Meters,
    pub(super) traces: Traces,
    pub(super) batch_max: usize,
}

impl EventSide {
    /// Publishes what is ready, some batches side by side, until nobody hands over any more.
    pub(super) async fn run(self, mut queue: mpsc::Receiver<Arc<Debt>>, forgotten: Forgotten) {
        let side = &self;
        let mut under_way = FuturesUnordered::new();
        let mut ready = Vec::with_capacity(self.batch_max);
        loop {
            tokio::select! {
                Some(()) = under_way.next() => {}
                taken = queue.recv_many(&mut ready, self.batch_max), if under_way.len() < EVENT_WINDOWS => {
                    if taken == 0 {
                        break;
                    }
                    self.taken.now();
                    let debts = std::mem::replace(&mut ready, Vec::with_capacity(self.batch_max));
                    let forgotten = &forgotten;
                    under_way.push(async move {
                        let payments = side.publish(&debts).await;
                        for (debt, payment) in debts.iter().zip(payments) {
                            forgotten.done(debt, Side::Event, payment);
                        }
                    });
                }
            }
        }
        while under_way.next().await.is_some() {}
    }

    /// Answers for each debt whether its event is confirmed, or turns out not to be owed.
    async fn publish(&self, debts: &[Arc<Debt>]) -> Vec<Payment> {
        if !self.health.is_up(Dependency::Publishing) {
            return vec![Payment::Missed; debts.len()];
        }
        let cached = || debts.iter().all(|debt| debt.is_done(Side::Cache));
        fail_point::pass_once(Point::BetweenCacheAndPublish, cached).await;
        let mut events = Vec::with_capacity(debts.len());
        let began = Instant::now();
        let courses: Vec<Course> = debts.iter().map(|debt| self.course(debt, &mut events)).collect();
        let fates = if events.is_empty() { Vec::new() } else { self.confirmed(events).await };
        // One look at the clock for all of them, as they were confirmed together.
        let now = OffsetDateTime::now_utc();
        let mut fates = fates.into_iter();
        let payments = courses.iter().map(|course| match course {
            Course::Published => Payment::of(fates.next() == Some(Fate::Confirmed), now),
            Course::Expired => Payment::Missed,
            Course::NothingOwed => Payment::NotOwed,
        });
        let payments: Vec<Payment> = payments.collect();
        self.tell_delays(debts, &payments, now);
        let each = debts.iter().zip(&courses).zip(&payments);
        let published = each.filter(|((_, course), _)| **course == Course::Published);
        self.traces.events(began, published.filter_map(|((debt, _), payment)| sent(&debt.change, payment.is_paid())));
        payments
    }

    /// How long after the requests that caused them events are out. Of other changes it is not known when they were made:
    /// writers date them.
    fn tell_delays(&self, debts: &[Arc<Debt>], payments: &[Payment], now: OffsetDateTime) {
        let paid = debts.iter().zip(payments).filter(|(debt, payment)| payment.is_paid() && debt.change.event_due);
        for (debt, _) in paid {
            if let (Origin::JoinCommunity | Origin::LeaveCommunity, Some(member)) =
                (debt.change.origin, &debt.change.member)
            {
                self.meters.join_to_event.record((now - member.updated_date).as_seconds_f64().max(0.0));
            }
        }
    }

    fn course(&self, debt: &Debt, events: &mut Vec<Outgoing>) -> Course {
        if debt.is_expired() {
            self.meters.hints_dropped.increment(1);
            return Course::Expired;
        }
        match event::event(&debt.change, &self.exchange) {
            Some(event) => {
                events.push(event);
                Course::Published
            }
            None => Course::NothingOwed,
        }
    }

    async fn confirmed(&self, events: Vec<Outgoing>) -> Vec<Fate> {
        fail_point::pass(Point::BeforePublish);
        let (sent, began) = (events.len() as u64, Instant::now());
        let fates = self.publisher.events(events).await.unwrap_or_default();
        let count = |fate| fates.iter().filter(|other| **other == fate).count() as u64;
        if count(Fate::Confirmed) > 0 {
            fail_point::pass(Point::AfterConfirm);
            self.meters.confirm.of("event").record(began.elapsed().as_secs_f64());
        }
        self.meters.events.increment(count(Fate::Confirmed));
        self.meters.events_unproven.increment(sent - count(Fate::Confirmed) - count(Fate::TooLarge));
        if count(Fate::TooLarge) > 0 {
            warn!(events = count(Fate::TooLarge), "events are larger than the broker takes; they stay owed");
            self.meters.events_too_large.increment(count(Fate::TooLarge));
        }
        fates
    }
}

/// What is told to traces of an event, if a request with a trace caused it.
fn sent(change: &Change, confirmed: bool) -> Option<Sent<'_>> {
    let traceparent = change.traceparent.as_deref()?;
    let message_id = event::event_id(change.site, change.member_id, change.event_sequence).to_string();
    Some(Sent { traceparent, message_id, confirmed })
}

/// What is done with a debt of this side.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Course {
    /// Its event is on its way.
    Published,
    /// Its lease is too near its end.
    Expired,
    /// A deleted member owes no event.
    NothingOwed,
}
