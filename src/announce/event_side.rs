//! The event side: owed events, published and confirmed.

use std::sync::Arc;

use tokio::sync::mpsc;
use tracing::warn;

use super::announcer::Forgotten;
use super::handover::Debt;
use crate::operations::{Dependency, Health, Meters};
use crate::postgres::Side;
use crate::rabbitmq::publisher::Publisher;
use crate::rabbitmq::window::Fate;
use crate::wire::{Outgoing, event};

/// What the event side works with.
pub(super) struct EventSide {
    pub(super) publisher: Publisher,
    pub(super) exchange: String,
    pub(super) health: Health,
    pub(super) meters: Meters,
    pub(super) batch_max: usize,
}

impl EventSide {
    /// Publishes what is ready, batch by batch, until nobody hands over any more.
    pub(super) async fn run(self, mut queue: mpsc::Receiver<Arc<Debt>>, forgotten: Forgotten) {
        let mut ready = Vec::with_capacity(self.batch_max);
        while queue.recv_many(&mut ready, self.batch_max).await > 0 {
            let paid = self.publish(&ready).await;
            for (debt, paid) in ready.drain(..).zip(paid) {
                forgotten.done(&debt, Side::Event, paid);
            }
        }
    }

    /// Answers for each debt whether its event is confirmed, or turns out not to be owed.
    async fn publish(&self, debts: &[Arc<Debt>]) -> Vec<bool> {
        if !self.health.is_up(Dependency::Publishing) {
            return vec![false; debts.len()];
        }
        let events: Vec<Option<Outgoing>> =
            debts.iter().map(|debt| event::event(&debt.change, &self.exchange)).collect();
        let owed: Vec<bool> =
            events.iter().zip(debts).map(|(event, debt)| event.is_some() && !debt.is_expired()).collect();
        let messages: Vec<Outgoing> =
            events.iter().zip(&owed).filter(|(_, owed)| **owed).filter_map(|(event, _)| event.clone()).collect();
        let fates =
            if messages.is_empty() { Vec::new() } else { self.publisher.events(messages).await.unwrap_or_default() };
        let too_large = fates.iter().filter(|fate| **fate == Fate::TooLarge).count();
        if too_large > 0 {
            warn!(events = too_large, "events are larger than the broker takes; they stay owed");
            self.meters.events_too_large.increment(too_large as u64);
        }
        let mut fates = fates.into_iter();
        let paid: Vec<bool> = events
            .iter()
            .zip(&owed)
            .map(|(event, owed)| if *owed { fates.next() == Some(Fate::Confirmed) } else { event.is_none() })
            .collect();
        self.meters.events.increment(owed.iter().zip(&paid).filter(|(owed, paid)| **owed && **paid).count() as u64);
        paid
    }
}
