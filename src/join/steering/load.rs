//! Whether one lane is enough for what comes in. Apart from the steering, because it looks at batches that are not full, and at
//! nothing else.

use std::time::Duration;

use tokio::time::Instant;

use super::Chosen;

/// Between two judgements.
const INTERVAL: Duration = Duration::from_secs(1);
/// Fewer batches than this say nothing.
const ENOUGH: u32 = 8;
/// Lanes that work for so much of their time hardly rest between two batches: each takes whatever little lies there.
const BUSY: f64 = 0.7;
/// One lane that finds no more than this each time would not be slower for help, and who asks waits for no other batch.
const ALONE: f64 = 1.25;

/// One lane that gathers begins no batch sooner after another: each costs everybody something however small it is, and a machine
/// that is busy with small ones makes all of them late.
pub(super) const PACE: Duration = Duration::from_millis(5);

/// Where even the shortest of small batches takes longer, they wait for a database that is far away, not for a processor: more
/// lanes wait side by side.
const FAR: Duration = Duration::from_millis(15);

/// How many of the lanes work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Crew {
    /// One gathers everything, at a pace.
    One,
    /// As many as a backlog would have.
    All,
}

/// What batches were like since the last judgement.
pub(super) struct Load {
    since: Instant,
    batches: u32,
    requests: usize,
    busy: Duration,
    shortest: Duration,
}

impl Load {
    pub(super) fn new() -> Self {
        Self { since: Instant::now(), batches: 0, requests: 0, busy: Duration::ZERO, shortest: Duration::MAX }
    }

    /// Notes a batch; judges now and then, if there is something to be changed. A full batch tells of a backlog at once.
    pub(super) fn note(&mut self, now: Chosen, requests: usize, took: Duration) -> Option<Crew> {
        if requests >= now.batch {
            *self = Self::new();
            return Some(Crew::All);
        }
        self.batches += 1;
        self.requests += requests;
        self.busy += took;
        self.shortest = self.shortest.min(took);
        let elapsed = self.since.elapsed();
        if elapsed < INTERVAL || self.batches < ENOUGH {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "what is taken within a second is far below 2^53")]
        let mean = self.requests as f64 / f64::from(self.batches);
        let busy = self.busy.as_secs_f64() / elapsed.as_secs_f64();
        let shortest = self.shortest;
        *self = Self::new();
        judge(now, mean, busy, shortest)
    }
}

/// By how many requests a batch had on average, how many lanes worked at the same time, and how long the shortest batch took:
/// others had to wait for a processor that was busy, and tell of that instead.
#[expect(clippy::cast_precision_loss, reason = "lanes and batches are few")]
fn judge(now: Chosen, mean: f64, busy: f64, shortest: Duration) -> Option<Crew> {
    let lanes = now.lanes as f64;
    if now.lanes == 1 {
        return (mean < ALONE || shortest > FAR).then_some(Crew::All);
    }
    if shortest > FAR {
        return None;
    }
    // One lane is faster than each of many on the same processors: it finds less than they find together.
    let gathered = mean * lanes;
    (busy > BUSY * lanes && gathered <= now.batch as f64 / 2.0).then_some(Crew::One)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Chosen, Crew, Load, judge};

    const FOUR: Chosen = Chosen { lanes: 4, batch: 256, prefetch: 512, pace: Duration::ZERO };
    const ONE: Chosen = Chosen { lanes: 1, ..FOUR };
    const NEAR: Duration = Duration::from_millis(4);

    #[test]
    fn lanes_that_never_rest_over_small_batches_leave_it_to_one() {
        assert_eq!(judge(FOUR, 12.0, 3.9, NEAR), Some(Crew::One));
        assert_eq!(judge(ONE, 12.0, 0.9, NEAR), None);
    }

    #[test]
    fn lanes_that_rest_stay_so_that_nobody_waits_for_anothers_batch() {
        assert_eq!(judge(FOUR, 1.0, 0.8, NEAR), None);
        assert_eq!(judge(ONE, 1.1, 0.8, NEAR), Some(Crew::All));
    }

    #[test]
    fn what_one_could_hardly_hold_stays_with_all() {
        assert_eq!(judge(FOUR, 40.0, 4.0, NEAR), None);
    }

    #[test]
    fn who_waits_for_a_database_far_away_waits_in_all_lanes() {
        let far = Duration::from_millis(20);
        assert_eq!(judge(FOUR, 12.0, 3.9, far), None);
        assert_eq!(judge(ONE, 12.0, 0.9, far), Some(Crew::All));
    }

    #[test]
    fn a_full_batch_calls_all_at_once() {
        let mut load = Load::new();
        assert_eq!(load.note(ONE, 255, Duration::from_millis(10)), None);
        assert_eq!(load.note(ONE, 256, Duration::from_millis(10)), Some(Crew::All));
    }
}
