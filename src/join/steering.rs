//! How many lanes work and how much each takes at once, steered by what the database takes for it. Apart from the lanes,
//! because it is one choice for all of them, and pure but for its memory.

mod cost;
mod load;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use self::cost::{Cost, Shortest, before, believed, choose, found};
use self::load::{Crew, Load};
use crate::config;
use crate::domain::Bounds;
use crate::operations::Meters;

/// What is chosen, within what `[join]` allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    /// Lanes that work.
    pub(super) lanes: usize,
    /// Most requests in a batch.
    pub(super) batch: usize,
    /// Deliveries prefetched for a lane: while one batch is committed the next arrives.
    pub(super) prefetch: u16,
    /// From the beginning of a batch to that of the next, at least.
    pub(super) pace: Duration,
}

/// Chooses, and learns from every batch.
pub(super) struct Steering {
    most: Chosen,
    /// Before anything was learnt.
    first: Chosen,
    spread: bool,
    steered: bool,
    /// Somebody has set it by hand, for now.
    fixed: AtomicBool,
    chosen: watch::Sender<Chosen>,
    turn: AtomicUsize,
    seen: Mutex<Seen>,
    meters: Meters,
}

/// What was seen, and what follows from it.
struct Seen {
    /// Of full batches since the last choice: only these tell of a backlog.
    since: Instant,
    whole: Shortest,
    half: Shortest,
    cost: Option<Cost>,
    /// What serves a backlog.
    backlog: Chosen,
    load: Load,
    crew: Crew,
}

/// Between two choices.
const INTERVAL: Duration = Duration::from_secs(1);
/// One batch in so many is half as large: how the cost of a batch is told from that of its requests.
const HALF_ONE_IN: usize = 8;

impl Seen {
    fn new(backlog: Chosen) -> Self {
        let (whole, half) = (Shortest::default(), Shortest::default());
        Self { since: Instant::now(), whole, half, cost: None, backlog, load: Load::new(), crew: Crew::All }
    }

    /// Learns what a backlog costs from a full batch of which so many were asked for, now that so many are whole.
    fn learn(&mut self, asked: usize, whole: usize, took: Duration, most: Chosen) {
        match asked {
            _ if asked == whole => self.whole.note(took.as_secs_f64()),
            _ if asked == whole.div_ceil(2) => self.half.note(took.as_secs_f64()),
            // Of a choice that is over.
            _ => return,
        }
        if self.since.elapsed() < INTERVAL || !self.whole.is_enough() || !self.half.is_enough() {
            return;
        }
        let cost = believed(self.cost, found(whole, self.whole, self.half));
        (self.since, self.whole, self.half) = (Instant::now(), Shortest::default(), Shortest::default());
        (self.cost, self.backlog) = (Some(cost), choose(cost, most));
    }

    /// What is to be chosen now.
    fn next(&self) -> Chosen {
        match self.crew {
            Crew::One => Chosen { lanes: 1, pace: load::PACE, ..self.backlog },
            Crew::All => self.backlog,
        }
    }
}

impl Steering {
    /// With requests spread over `shards`; 0 if they are not.
    pub(super) fn new(join: &config::Join, shards: u16, meters: Meters) -> Self {
        let most = Chosen { lanes: join.lanes, batch: join.batch_max, prefetch: join.prefetch, pace: Duration::ZERO };
        let mut first = if join.steered { before(most) } else { most };
        let spread = shards > 0;
        if spread {
            first = Chosen { lanes: first.lanes.min(shards.into()), prefetch: most.prefetch, ..first };
        }
        show(&meters, first);
        let (steered, turn, seen) = (join.steered, AtomicUsize::new(0), Mutex::new(Seen::new(first)));
        let (fixed, chosen) = (AtomicBool::new(false), watch::Sender::new(first));
        Self { most, first, spread, steered, fixed, chosen, turn, seen, meters }
    }

    /// What is chosen now.
    pub(super) fn chosen(&self) -> Chosen {
        *self.chosen.borrow()
    }

    fn is_steered(&self) -> bool {
        self.steered && !self.fixed.load(Ordering::Relaxed)
    }

    /// Takes what somebody has set by hand, within what `[join]` allows; without it, begins to choose anew.
    pub(super) fn fix(&self, bounds: Option<Bounds>) {
        // Held throughout: a lane that learns meanwhile must not choose over it.
        let mut seen = self.seen();
        if self.fixed.swap(bounds.is_some(), Ordering::Relaxed) || bounds.is_some() {
            *seen = Seen::new(self.first);
            self.choose(bounds.map_or(self.first, |bounds| as_set(bounds, self.most)));
        }
    }

    fn choose(&self, mut next: Chosen) {
        if self.spread {
            // A lane that begins anew stands last in the line of each of its shards: other workers would get them all.
            next = Chosen { batch: next.batch, ..self.chosen() };
        }
        if self.chosen.send_if_modified(|chosen| std::mem::replace(chosen, next) != next) {
            tracing::debug!(?next, "steering");
            show(&self.meters, next);
        }
    }

    /// How many lanes consume.
    pub(super) fn lanes(&self) -> u32 {
        u32::try_from(self.chosen().lanes).unwrap_or(u32::MAX)
    }

    /// Most requests that all lanes have in hand at once.
    pub(super) fn in_hand(&self) -> u32 {
        self.lanes().saturating_mul(self.chosen().prefetch.into())
    }

    /// Most requests that the next batch may have.
    pub(super) fn next_batch(&self) -> usize {
        let batch = self.chosen().batch;
        let is_half = self.is_steered() && self.turn.fetch_add(1, Ordering::Relaxed).is_multiple_of(HALF_ONE_IN);
        if is_half { batch.div_ceil(2) } else { batch }
    }

    /// Waits until the lane at a place is to work; answers by what.
    pub(super) async fn until_wanted(&self, place: usize) -> Chosen {
        let mut chosen = self.chosen.subscribe();
        // It ends only with its sender, which is `self`.
        chosen.wait_for(|chosen| place < chosen.lanes).await.map_or_else(|_| self.chosen(), |chosen| *chosen)
    }

    /// Waits until the lane at a place is to begin anew, or to rest. Safe to be dropped.
    pub(super) async fn until_unwanted(&self, place: usize, prefetch: u16) {
        let mut chosen = self.chosen.subscribe();
        drop(chosen.wait_for(|chosen| place >= chosen.lanes || chosen.prefetch != prefetch).await);
    }

    /// Learns from a batch of which so many were asked for.
    pub(super) fn learn(&self, asked: usize, requests: usize, took: Duration) {
        let mut seen = self.seen();
        if !self.is_steered() {
            return;
        }
        let now = self.chosen();
        if let Some(crew) = seen.load.note(now, requests, took) {
            seen.crew = crew;
        }
        if requests >= asked {
            seen.learn(asked, now.batch, took, self.most);
        }
        self.choose(seen.next());
    }

    /// Calls all lanes to work, because one has been with its batch for long: what it waits for, nobody else shall.
    pub(super) fn call_all(&self) {
        let mut seen = self.seen();
        if self.is_steered() && seen.crew == Crew::One {
            (seen.crew, seen.load) = (Crew::All, Load::new());
            self.choose(seen.next());
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn show(meters: &Meters, chosen: Chosen) {
    let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    meters.lanes_wanted.set(number(chosen.lanes));
    meters.batch_limit.set(number(chosen.batch));
    meters.prefetch.set(f64::from(chosen.prefetch));
    meters.pace.set(chosen.pace.as_secs_f64());
}

/// What was asked for, as far as `[join]` allows.
fn as_set(bounds: Bounds, most: Chosen) -> Chosen {
    let (lanes, batch) =
        (usize::from(bounds.lanes).clamp(1, most.lanes), usize::from(bounds.batch).clamp(1, most.batch));
    let prefetch = u16::try_from(2 * batch).unwrap_or(u16::MAX).min(most.prefetch);
    Chosen { lanes, batch, prefetch, pace: Duration::ZERO }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Chosen, as_set};
    use crate::domain::Bounds;

    const MOST: Chosen = Chosen { lanes: 16, batch: 512, prefetch: 1024, pace: Duration::ZERO };

    #[test]
    fn what_is_set_by_hand_counts_as_far_as_the_configuration_allows() {
        let one = as_set(Bounds { lanes: 1, batch: 1 }, MOST);
        assert_eq!(one, Chosen { lanes: 1, batch: 1, prefetch: 2, pace: Duration::ZERO });
        assert_eq!(as_set(Bounds { lanes: 99, batch: 9999 }, MOST), MOST);
    }
}
