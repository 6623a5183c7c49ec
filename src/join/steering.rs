//! How many lanes work and how much each takes at once, steered by what the database takes for it. Apart from the lanes,
//! because it is one choice for all of them, and pure but for its memory.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

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

/// What was seen since the last choice, of batches that were full: only these tell of a backlog.
struct Seen {
    since: Instant,
    whole: Shortest,
    half: Shortest,
    cost: Option<Cost>,
}

/// The shortest of some batches: others had to wait for a processor or a disk that was busy, and tell of that instead.
#[derive(Clone, Copy, Debug)]
struct Shortest {
    batches: u32,
    seconds: f64,
}

impl Default for Shortest {
    fn default() -> Self {
        Self { batches: 0, seconds: f64::INFINITY }
    }
}

/// What a batch costs, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cost {
    /// However small it is: the way there and back, the disk.
    batch: f64,
    /// For each request.
    request: f64,
}

/// Before anything is known, and at least: what serves a database nearby. Fewer leave processors idle while a batch waits for
/// the disk; smaller batches make everybody work more for each request, not PostgreSQL alone.
const BEFORE: (usize, usize) = (4, 256);
/// Of a database that is too slow for more.
const SMALLEST_BATCH: usize = 16;
/// Between two choices.
const INTERVAL: Duration = Duration::from_secs(1);
/// One batch in so many is half as large: how the cost of a batch is told from that of its requests.
const HALF_ONE_IN: usize = 8;
/// Batches of each kind that make a choice.
const ENOUGH: u32 = 3;
/// What a batch costs by itself may be this small a share of it; smaller is not worth larger batches.
const SHARE: f64 = 0.1;
/// Longer a batch shall not take: it holds its locks, and whoever waits for an answer waits for all of it.
const LONGEST: f64 = 0.5;
/// A quarter of a batch at least is for its requests, whatever it looks like: where two shortest times are the same by chance,
/// there would be lanes without end.
const FOR_REQUESTS: f64 = 0.25;
/// How much of a new finding is believed at once.
const TRUST: f64 = 0.3;

impl Steering {
    /// With requests spread over `shards`; 0 if they are not.
    pub(super) fn new(join: &config::Join, shards: u16, meters: Meters) -> Self {
        let most = Chosen { lanes: join.lanes, batch: join.batch_max, prefetch: join.prefetch };
        let mut first = if join.steered { within(most, BEFORE.0, BEFORE.1) } else { most };
        let spread = shards > 0;
        if spread {
            first = Chosen { lanes: first.lanes.min(shards.into()), prefetch: most.prefetch, ..first };
        }
        show(&meters, first);
        let seen = Seen { since: Instant::now(), whole: Shortest::default(), half: Shortest::default(), cost: None };
        let (steered, turn, seen) = (join.steered, AtomicUsize::new(0), Mutex::new(seen));
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
        if self.fixed.swap(bounds.is_some(), Ordering::Relaxed) || bounds.is_some() {
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
        if !self.is_steered() || requests < asked {
            return;
        }
        let now = self.chosen();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let shortest = match asked {
            _ if asked == now.batch => &mut seen.whole,
            _ if asked == now.batch.div_ceil(2) => &mut seen.half,
            // Of a choice that is over.
            _ => return,
        };
        shortest.batches += 1;
        shortest.seconds = shortest.seconds.min(took.as_secs_f64());
        if seen.since.elapsed() < INTERVAL || seen.whole.batches < ENOUGH || seen.half.batches < ENOUGH {
            return;
        }
        let cost = believed(seen.cost, found(now.batch, seen.whole, seen.half));
        *seen = Seen { since: Instant::now(), whole: Shortest::default(), half: Shortest::default(), cost: Some(cost) };
        drop(seen);
        self.choose(choose(cost, self.most));
    }
}

fn show(meters: &Meters, chosen: Chosen) {
    let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    meters.lanes_wanted.set(number(chosen.lanes));
    meters.batch_limit.set(number(chosen.batch));
    meters.prefetch.set(f64::from(chosen.prefetch));
}

#[expect(clippy::cast_precision_loss, reason = "batches have up to a thousand requests")]
fn found(batch: usize, whole: Shortest, half: Shortest) -> Cost {
    let more = (batch - batch.div_ceil(2)).max(1) as f64;
    let least = whole.seconds * FOR_REQUESTS / batch as f64;
    let request = ((whole.seconds - half.seconds) / more).max(least);
    Cost { batch: (whole.seconds - request * batch as f64).max(0.0), request }
}

fn believed(before: Option<Cost>, found: Cost) -> Cost {
    let mixed = |before: f64, found: f64| before + TRUST * (found - before);
    before.map_or(found, |before| Cost {
        batch: mixed(before.batch, found.batch),
        request: mixed(before.request, found.request),
    })
}

/// As large that the batch itself costs little beside its requests; then as many lanes that some work while others wait
/// for the way there and back, and one more; neither less than serves a database nearby.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "all are small"
)]
fn choose(cost: Cost, most: Chosen) -> Chosen {
    let worth = cost.batch * (1.0 - SHARE) / SHARE / cost.request;
    let bearable = (LONGEST - cost.batch) / cost.request;
    let wanted = worth.max(BEFORE.1 as f64).min(bearable).clamp(1.0, 1e6) as usize;
    // Powers of two, or every breath of the database would have all lanes begin anew.
    let batch = within(most, most.lanes, wanted.next_power_of_two()).batch;
    let at_once = cost.batch / (cost.request * batch as f64);
    within(most, at_once.ceil().min(1e3) as usize + 2, batch)
}

/// What was asked for, as far as `[join]` allows.
fn as_set(bounds: Bounds, most: Chosen) -> Chosen {
    let (lanes, batch) =
        (usize::from(bounds.lanes).clamp(1, most.lanes), usize::from(bounds.batch).clamp(1, most.batch));
    let prefetch = u16::try_from(2 * batch).unwrap_or(u16::MAX).min(most.prefetch);
    Chosen { lanes, batch, prefetch }
}

fn within(most: Chosen, lanes: usize, batch: usize) -> Chosen {
    let lanes = lanes.clamp(BEFORE.0.min(most.lanes), most.lanes);
    let batch = batch.clamp(SMALLEST_BATCH.min(most.batch), most.batch);
    let prefetch = u16::try_from(2 * batch).unwrap_or(u16::MAX).min(most.prefetch);
    Chosen { lanes, batch, prefetch }
}

#[cfg(test)]
mod tests {
    use super::{Chosen, Cost, Shortest, as_set, choose, found};
    use crate::domain::Bounds;

    const MOST: Chosen = Chosen { lanes: 16, batch: 512, prefetch: 1024 };

    #[test]
    fn a_database_nearby_gets_what_is_known_to_serve_it() {
        let chosen = choose(Cost { batch: 0.002, request: 80e-6 }, MOST);
        assert_eq!(chosen, Chosen { lanes: 4, batch: 256, prefetch: 512 });
    }

    #[test]
    fn a_database_far_away_gets_larger_batches_and_as_many_lanes_as_wait_for_it() {
        let chosen = choose(Cost { batch: 0.06, request: 40e-6 }, MOST);
        assert_eq!(chosen, Chosen { lanes: 5, batch: 512, prefetch: 1024 });
    }

    #[test]
    fn a_slow_database_gets_small_batches_so_that_none_takes_long() {
        let chosen = choose(Cost { batch: 0.01, request: 0.004 }, MOST);
        assert_eq!(chosen.batch, 128);
    }

    #[test]
    fn times_that_say_nothing_change_little() {
        for (whole, half) in [(0.08, 0.08), (0.08, 0.2), (0.08, 0.04), (0.3, 0.001)] {
            let [whole, half] = [whole, half].map(|seconds| Shortest { batches: 3, seconds });
            let chosen = choose(found(256, whole, half), MOST);
            assert!((4..=5).contains(&chosen.lanes) && chosen.batch >= 256, "{whole:?} {half:?}: {chosen:?}");
        }
    }

    #[test]
    fn what_is_set_by_hand_counts_as_far_as_the_configuration_allows() {
        let one = as_set(Bounds { lanes: 1, batch: 1 }, MOST);
        assert_eq!(one, Chosen { lanes: 1, batch: 1, prefetch: 2 });
        assert_eq!(as_set(Bounds { lanes: 99, batch: 9999 }, MOST), MOST);
    }

    #[test]
    fn no_choice_leaves_its_bounds() {
        let most = Chosen { lanes: 1, batch: 8, prefetch: 8 };
        assert_eq!(choose(Cost { batch: 1.0, request: 1e-6 }, most), most);
        assert_eq!(choose(Cost { batch: 0.0, request: 1.0 }, most), most);
    }

    #[test]
    fn the_cost_of_a_batch_is_told_from_that_of_its_requests() {
        let shortest = |seconds: f64| Shortest { batches: 4, seconds };
        let cost = found(256, shortest(0.010 + 256.0 * 5e-5), shortest(0.010 + 128.0 * 5e-5));
        assert!((cost.batch - 0.010).abs() < 1e-9 && (cost.request - 5e-5).abs() < 1e-12, "{cost:?}");
    }
}
