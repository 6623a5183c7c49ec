//! Medians, spreads and ratios. A ratio is taken round by round, so that what slows the machine slows both sides of it.

use std::fmt;

use crate::services::ServicesTime;

/// What one series came to in one round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    /// Requests.
    pub(crate) requests: usize,
    /// From the first delivery until the last row, key and event was there.
    pub(crate) seconds: f64,
    /// User and system time of the process and all that it started meanwhile, in seconds.
    pub(crate) cpu: f64,
    /// The same from its start to its end.
    pub(crate) cpu_in_all: f64,
    /// The same of the services, while the clock ran.
    pub(crate) services: ServicesTime,
    /// The most memory that was ever resident, in bytes; of the process itself, not of those that it started.
    pub(crate) peak: u64,
}

impl Measured {
    /// Joins per second.
    pub(crate) fn rate(&self) -> f64 {
        count(self.requests) / self.seconds
    }

    /// Microseconds of its own time a request, while the clock ran.
    pub(crate) fn micros(&self) -> f64 {
        self.cpu * 1e6 / count(self.requests)
    }

    /// The same of RabbitMQ, PostgreSQL and Redis.
    pub(crate) fn services_micros(&self) -> [f64; 3] {
        self.services.micros(count(self.requests))
    }

    /// The same with what it takes to start and to stop.
    pub(crate) fn micros_in_all(&self) -> f64 {
        self.cpu_in_all * 1e6 / count(self.requests)
    }
}

/// Percentile of some figures, which it sorts: the least that so many of a hundred do not exceed.
pub(crate) fn percentile(figures: &mut [f64], percent: usize) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    let place = (figures.len() * percent).div_ceil(100).max(1) - 1;
    figures.get(place).copied()
}

/// The median of some figures, and what lies around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    /// The least.
    pub(crate) least: f64,
    /// The one in the middle; of an even number, the mean of both.
    pub(crate) median: f64,
    /// The most.
    pub(crate) most: f64,
}

impl Spread {
    /// Of some figures; `None` of none.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let (least, most) = (*figures.first()?, *figures.last()?);
        let middle = figures.len() / 2;
        let median =
            if figures.len() % 2 == 1 { figures[middle] } else { f64::midpoint(figures[middle - 1], figures[middle]) };
        Some(Self { least, median, most })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = f.precision().unwrap_or(0);
        write!(f, "{:.digits$} ({:.digits$}–{:.digits$})", self.median, self.least, self.most)
    }
}

/// A count as a figure.
pub(crate) fn count(number: usize) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "counts here stay far below 2^53")]
    let figure = number as f64;
    figure
}
