//! How long things took, as a histogram tells it: in buckets, so every answer is an estimate. Apart, because this is
//! arithmetic.

use super::overview::Spread;

/// A histogram as it is read back: for each bound, in their order, how many were no larger.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Buckets(Vec<(f64, f64)>);

impl Buckets {
    /// Takes the next bound, and how many were no larger.
    pub(super) fn push(&mut self, bound: f64, count: f64) {
        self.0.push((bound, count));
    }

    /// What came since an earlier look; everything, if there was none.
    pub(super) fn since(&self, then: Option<&Self>) -> Self {
        let before = |place: usize| then.and_then(|then| then.0.get(place)).map_or(0.0, |(_, count)| *count);
        let counts = self.0.iter().enumerate();
        Self(counts.map(|(place, (bound, count))| (*bound, (count - before(place)).max(0.0))).collect())
    }

    /// The usual three shares; nothing if there was nothing to measure.
    pub(super) fn spread(&self) -> Option<Spread> {
        let (p50_seconds, p95_seconds, p99_seconds) = (self.about(0.5)?, self.about(0.95)?, self.about(0.99)?);
        Some(Spread { p50_seconds, p95_seconds, p99_seconds })
    }

    /// About how much the smallest share was at most: as Prometheus estimates it, evenly spread within a bucket. Above the
    /// last bound nothing is known but that.
    fn about(&self, share: f64) -> Option<f64> {
        let (_, all) = self.0.last().filter(|(_, all)| *all > 0.0)?;
        let rank = share * all;
        let (mut from, mut below) = (0.0, 0.0);
        for (bound, count) in &self.0 {
            if *count >= rank && bound.is_finite() {
                return Some(from + (bound - from) * (rank - below) / (count - below));
            }
            if bound.is_finite() {
                (from, below) = (*bound, *count);
            }
        }
        Some(from)
    }
}

#[cfg(test)]
mod tests {
    use super::Buckets;

    fn buckets(counts: [f64; 4]) -> Buckets {
        Buckets([1.0, 2.0, 4.0, f64::INFINITY].into_iter().zip(counts).collect())
    }

    fn told(buckets: &Buckets) -> [f64; 3] {
        let spread = buckets.spread().unwrap();
        [spread.p50_seconds, spread.p95_seconds, spread.p99_seconds]
    }

    fn is_about(seen: [f64; 3], expected: [f64; 3]) {
        let near = seen.iter().zip(expected).all(|(seen, expected)| (seen - expected).abs() < 1e-9);
        assert!(near, "{seen:?} is not {expected:?}");
    }

    #[test]
    fn shares_are_estimated_within_their_bucket() {
        is_about(told(&buckets([50.0, 90.0, 100.0, 100.0])), [1.0, 3.0, 3.8]);
        is_about(told(&buckets([0.0, 100.0, 100.0, 100.0])), [1.5, 1.95, 1.99]);
    }

    #[test]
    fn what_is_above_the_last_bound_counts_as_that() {
        is_about(told(&buckets([0.0, 0.0, 10.0, 100.0])), [4.0; 3]);
    }

    #[test]
    fn only_what_came_since_counts_and_of_nothing_nothing_is_told() {
        let (then, now) = (buckets([50.0, 50.0, 50.0, 50.0]), buckets([50.0, 150.0, 150.0, 150.0]));
        is_about(told(&now.since(Some(&then))), [1.5, 1.95, 1.99]);
        assert_eq!(now.since(None), now);
        assert_eq!(now.since(Some(&now)).spread(), None);
        assert_eq!(Buckets::default().spread(), None);
    }
}
