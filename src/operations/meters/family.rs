//! How a metric is registered: with the words that explain it, and each of its series at once, so that it is there before
//! anything happened. Labels are known beforehand; none can hold what a message says.

use metrics::{
    Counter, Gauge, Histogram, counter as counter_of, describe_counter, describe_gauge, describe_histogram,
    gauge as gauge_of, histogram as histogram_of,
};

use crate::domain::{Verdict, Wait};

/// The series of one metric, by the value of its label.
pub struct ByWord<T>(Vec<(&'static str, T)>);

impl<T> ByWord<T> {
    /// The series of a word. What nobody foresaw counts into the last one rather than into a series of its own.
    #[must_use]
    pub fn of(&self, word: &str) -> &T {
        let last = self.0.len() - 1;
        &self.0[self.0.iter().position(|(known, _)| *known == word).unwrap_or(last)].1
    }

    /// Whether there is a series for a word.
    #[must_use]
    pub fn knows(&self, word: &str) -> bool {
        self.0.iter().any(|(known, _)| *known == word)
    }

    pub(super) fn into_inner(self) -> Vec<T> {
        self.0.into_iter().map(|(_, series)| series).collect()
    }

    fn register(words: &[&'static str], series: impl Fn(&'static str) -> T) -> Self {
        Self(words.iter().map(|word| (*word, series(word))).collect())
    }
}

pub(super) fn counter(name: &'static str, help: &'static str) -> Counter {
    describe_counter!(name, help);
    counter_of!(name)
}

pub(super) fn counters(
    name: &'static str,
    help: &'static str,
    label: &'static str,
    words: &[&'static str],
) -> ByWord<Counter> {
    describe_counter!(name, help);
    ByWord::register(words, |word| counter_of!(name, label => word))
}

pub(super) fn gauge(name: &'static str, help: &'static str) -> Gauge {
    describe_gauge!(name, help);
    gauge_of!(name)
}

pub(super) fn gauges(
    name: &'static str,
    help: &'static str,
    label: &'static str,
    words: &[&'static str],
) -> ByWord<Gauge> {
    describe_gauge!(name, help);
    ByWord::register(words, |word| gauge_of!(name, label => word))
}

pub(super) fn histogram(name: &'static str, help: &'static str) -> Histogram {
    describe_histogram!(name, help);
    histogram_of!(name)
}

pub(super) fn histograms(
    name: &'static str,
    help: &'static str,
    label: &'static str,
    words: &[&'static str],
) -> ByWord<Histogram> {
    describe_histogram!(name, help);
    ByWord::register(words, |word| histogram_of!(name, label => word))
}

/// One series for each verdict, in the order of [`Verdict::ALL`].
pub(super) fn requests(name: &'static str, help: &'static str) -> Vec<Counter> {
    describe_counter!(name, help);
    let series = |verdict: Verdict| {
        let (code, reason) = (verdict.code().unwrap_or_default(), verdict.reason().unwrap_or_default());
        counter_of!(name, "verdict" => verdict.as_str(), "code" => code, "reason" => reason)
    };
    Verdict::ALL.into_iter().map(series).collect()
}

pub(super) fn retries(name: &'static str, wait: Wait, rungs: &[&'static str]) -> ByWord<Counter> {
    describe_counter!(name, "Copies onto the retry ladder.");
    ByWord::register(rungs, |rung| counter_of!(name, "wait" => wait.as_str(), "rung" => rung))
}

pub(super) fn build_info(name: &'static str, help: &'static str) {
    describe_gauge!(name, help);
    gauge_of!(name, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}
