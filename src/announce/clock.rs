//! Our clock, held against the one of PostgreSQL, which all workers share. Here because it goes by the sweep's beat and
//! connection: a look now and then is worth neither of its own.

use std::time::Duration;

use humantime::format_duration;
use tokio::time::Instant;
use tracing::debug;

use crate::operations::{Dependency, Health, Meters};
use crate::postgres::Session;
use crate::telemetry::chain;

/// Between two looks at a clock that was right; one that was wrong is looked at with every sweep.
const INTERVAL: Duration = Duration::from_mins(1);
/// No clocks agree better than this for long, whatever `auth.leeway` is.
const AT_LEAST: Duration = Duration::from_secs(1);

/// The watch over our clock.
pub(super) struct Clock {
    health: Health,
    meters: Meters,
    leeway: Duration,
    seen_right: Option<Instant>,
}

impl Clock {
    pub(super) fn new(health: Health, meters: Meters, leeway: Duration) -> Self {
        Self { health, meters, leeway, seen_right: None }
    }

    /// Looks, if it is time to. What cannot be seen is left as it was: that `PostgreSQL` is out is told elsewhere.
    pub(super) async fn look(&mut self, store: &mut Session) {
        if self.seen_right.is_some_and(|seen| seen.elapsed() < INTERVAL) {
            return;
        }
        let apart = match store.clock_apart().await {
            Ok(apart) => apart,
            Err(error) => return debug!(error = chain(&error), "the clocks are compared with the next sweep"),
        };
        self.meters.clock_apart.set(apart.as_secs_f64());
        let limit = self.leeway.max(AT_LEAST);
        if apart <= limit {
            self.seen_right = Some(Instant::now());
            return self.health.up(Dependency::Clock);
        }
        self.seen_right = None;
        // To the nearest second.
        let seconds = (apart + Duration::from_millis(500)).as_secs();
        let (apart, limit) = (format_duration(Duration::from_secs(seconds)), format_duration(limit));
        let reason = format!(
            "our clock and the one of PostgreSQL are {apart} apart, more than {limit} (auth.leeway): tokens are judged and \
             changes are dated by a wrong time; synchronise both (NTP)"
        );
        self.health.down(Dependency::Clock, reason);
    }
}
