//! What a batch costs, told from batches of two sizes, and what is chosen by that. Apart from the steering, because it is pure.

use super::Chosen;

/// Before anything is known, and at least: what serves a database nearby. Fewer leave processors idle while a batch waits for
/// the disk; smaller batches make everybody work more for each request, not PostgreSQL alone.
const BEFORE: (usize, usize) = (4, 512);
/// Of a database that is too slow for more.
const SMALLEST_BATCH: usize = 16;
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

/// The shortest of some batches: others had to wait for a processor or a disk that was busy, and tell of that instead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shortest {
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
pub(super) struct Cost {
    /// However small it is: the way there and back, the disk.
    batch: f64,
    /// For each request.
    request: f64,
}

impl Shortest {
    /// Notes what a batch took.
    pub(super) fn note(&mut self, seconds: f64) {
        self.batches += 1;
        self.seconds = self.seconds.min(seconds);
    }

    /// Whether there were enough batches to say something.
    pub(super) fn is_enough(&self) -> bool {
        self.batches >= ENOUGH
    }
}

#[expect(clippy::cast_precision_loss, reason = "batches have up to a thousand requests")]
pub(super) fn found(batch: usize, whole: Shortest, half: Shortest) -> Cost {
    let more = (batch - batch.div_ceil(2)).max(1) as f64;
    let least = whole.seconds * FOR_REQUESTS / batch as f64;
    let request = ((whole.seconds - half.seconds) / more).max(least);
    Cost { batch: (whole.seconds - request * batch as f64).max(0.0), request }
}

pub(super) fn believed(before: Option<Cost>, found: Cost) -> Cost {
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
pub(super) fn choose(cost: Cost, most: Chosen) -> Chosen {
    let worth = cost.batch * (1.0 - SHARE) / SHARE / cost.request;
    let bearable = (LONGEST - cost.batch) / cost.request;
    let wanted = worth.max(BEFORE.1 as f64).min(bearable).clamp(1.0, 1e6) as usize;
    // Powers of two, or every breath of the database would have all lanes begin anew.
    let batch = within(most, most.lanes, wanted.next_power_of_two()).batch;
    let at_once = cost.batch / (cost.request * batch as f64);
    within(most, at_once.ceil().min(1e3) as usize + 2, batch)
}

/// The first choice.
pub(super) fn before(most: Chosen) -> Chosen {
    within(most, BEFORE.0, BEFORE.1)
}

fn within(most: Chosen, lanes: usize, batch: usize) -> Chosen {
    let lanes = lanes.clamp(BEFORE.0.min(most.lanes), most.lanes);
    let batch = batch.clamp(SMALLEST_BATCH.min(most.batch), most.batch);
    let prefetch = u16::try_from(2 * batch).unwrap_or(u16::MAX).min(most.prefetch);
    Chosen { lanes, batch, prefetch, ..most }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Chosen, Cost, Shortest, choose, found};

    const MOST: Chosen = Chosen { lanes: 16, batch: 1024, prefetch: 2048, pace: Duration::ZERO };

    #[test]
    fn a_database_nearby_gets_what_is_known_to_serve_it() {
        let chosen = choose(Cost { batch: 0.002, request: 80e-6 }, MOST);
        assert_eq!(chosen, Chosen { lanes: 4, batch: 512, prefetch: 1024, ..MOST });
    }

    #[test]
    fn a_database_far_away_gets_larger_batches_and_as_many_lanes_as_wait_for_it() {
        let chosen = choose(Cost { batch: 0.12, request: 40e-6 }, MOST);
        assert_eq!(chosen, Chosen { lanes: 5, batch: 1024, prefetch: 2048, ..MOST });
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
            let chosen = choose(found(512, whole, half), MOST);
            assert!((4..=5).contains(&chosen.lanes) && chosen.batch >= 512, "{whole:?} {half:?}: {chosen:?}");
        }
    }

    #[test]
    fn no_choice_leaves_its_bounds() {
        let most = Chosen { lanes: 1, batch: 8, prefetch: 8, ..MOST };
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
