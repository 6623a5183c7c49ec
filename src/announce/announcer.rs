//! The announcer: both sides, the sweep, and the forgetting of what is paid.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::audit::{Audit, Auditor, Gate};
use super::backlog::Backlog;
use super::cache_side::CacheSide;
use super::clock::Clock;
use super::event_side::EventSide;
use super::forgetter::{Forgotten, forget};
use super::handover::{HandOver, Queues};
use super::sweep::Sweep;
use crate::cache::Profiles;
use crate::config;
use crate::operations::{Controls, Health, Meters, Traces};
use crate::postgres::Session;
use crate::rabbitmq::publisher::Publisher;

/// What the announcer is made of.
pub struct Parts {
    /// Publishes events.
    pub publisher: Publisher,
    /// Full name of the events exchange.
    pub exchange: String,
    /// The cache.
    pub profiles: Profiles,
    /// Claims debts.
    pub sweeper: Session,
    /// Forgets what is paid.
    pub forgetter: Session,
    /// Holds the cache against the records, if that is wanted, and this many members a second at most.
    pub auditor: Option<(Auditor, u32)>,
    /// Where states are told and asked.
    pub health: Health,
    /// What operators have set.
    pub controls: Controls,
    /// What is counted.
    pub meters: Meters,
    /// What is traced.
    pub traces: Traces,
    /// Bounds and intervals.
    pub announce: config::Announce,
    /// Longest pause between two tries to reach Redis.
    pub longest_pause: Duration,
    /// How far our clock may be from the one of `PostgreSQL`.
    pub leeway: Duration,
}

/// So many changes may find no room at the same moment, whatever room there is for them: batches of all lanes. Only their keys
/// are held.
const LEFT_OUT_AT_ONCE: usize = 16 * 1024;

/// The announcing half, running.
pub struct Announcer {
    hand_over: HandOver,
    sides: JoinSet<()>,
    forgetter: tokio::task::JoinHandle<()>,
    sweeping: CancellationToken,
    sweep: tokio::task::JoinHandle<()>,
    audit: JoinSet<()>,
}

impl Announcer {
    /// Starts both sides and the sweep.
    #[must_use]
    pub fn start(parts: Parts) -> Self {
        let Parts {
            publisher,
            exchange,
            profiles,
            sweeper,
            forgetter,
            auditor,
            health,
            controls,
            meters,
            traces,
            announce,
            longest_pause,
            leeway,
        } = parts;
        let (forgotten, done) = Forgotten::new(announce.queue.max(LEFT_OUT_AT_ONCE));
        let (hand_over, queues) = HandOver::new(announce.queue, forgotten.clone(), health.clone(), meters.clone());
        let Queues { events, events_taken, cache, cache_taken } = queues;
        let batch_max = announce.batch_max;

        let event_side = EventSide {
            publisher,
            exchange,
            taken: events_taken,
            health: health.clone(),
            meters: meters.clone(),
            traces,
            batch_max,
        };
        let gate = Gate { hand_over: hand_over.clone(), health: health.clone() };
        let audit = auditor.map(|(auditor, rate)| Audit::new(auditor, rate, gate, meters.clone(), &announce));
        let backlog = Backlog::new(meters.clone());
        let clock = Clock::new(health.clone(), meters.clone(), leeway);
        let cache_side =
            CacheSide { profiles, taken: cache_taken, health: health.clone(), meters, batch_max, longest_pause };
        let mut sides = JoinSet::new();
        sides.spawn(event_side.run(events, forgotten.clone()));
        sides.spawn(cache_side.run(cache, forgotten));

        let sweeping = CancellationToken::new();
        let (interval, lease) = (announce.sweep_interval, announce.lease);
        let sweep =
            Sweep { store: sweeper, hand_over: hand_over.clone(), health, clock, backlog, interval, lease, batch_max };
        // Nothing depends on it, so it is not among what must not break.
        let audit = audit.into_iter().map(|audit| audit.run(sweeping.clone())).collect();
        Self {
            audit,
            hand_over,
            sides,
            forgetter: tokio::spawn(forget(forgetter, done, lease, controls, sweeping.clone())),
            sweep: tokio::spawn(sweep.run(sweeping.clone())),
            sweeping,
        }
    }

    /// Where committed changes are handed over.
    #[must_use]
    pub fn hand_over(&self) -> HandOver {
        self.hand_over.clone()
    }

    /// Ends if a part of the announcer does before it is told to: a fault of ours. Nothing would be announced any more.
    pub async fn broken(&mut self) {
        tokio::select! {
            Some(_) = self.sides.join_next() => {}
            _ = &mut self.sweep => {}
            _ = &mut self.forgetter => {}
        }
    }

    /// Pays what was handed over, then ends. Every [`HandOver`] must be dropped, or this waits for ever: bound it.
    pub async fn drain(mut self) {
        self.sweeping.cancel();
        drop(self.hand_over);
        // Sweep and audit hold hand-overs of their own. A task of ours that panicked has nothing left to be waited for.
        drop(self.sweep.await);
        while self.audit.join_next().await.is_some() {}
        while self.sides.join_next().await.is_some() {}
        drop(self.forgetter.await);
    }
}
