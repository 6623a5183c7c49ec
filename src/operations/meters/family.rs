//! How a metric is registered: with the words that explain it, and each of its series at once, so that it is there before
//! anything happened. Labels are known beforehand; none can hold what a message says.

use metrics::{
    Counter, Gauge, Histogram, counter as counter_of, describe_counter, describe_gauge, describe_histogram,
    gauge as gauge_of, histogram as histogram_of,
};

use crate::domain::{Verdict, Wait};
use crate::operations::COMMIT;

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

/// The series of one target of webhooks.
#[derive(Clone)]
pub struct WebhookSeries {
    /// Webhooks that it took.
    pub delivered: Counter,
    /// Tries in vain.
    pub failed: Counter,
    /// Webhooks that became dead letters.
    pub dead: Counter,
    /// One try.
    pub seconds: Histogram,
    /// Webhooks that wait for it.
    pub waiting: Gauge,
}

/// One for each target, by its name from the configuration.
pub(super) fn webhooks<'a>(targets: impl IntoIterator<Item = &'a str>) -> Vec<(Box<str>, WebhookSeries)> {
    const DELIVERIES: &str = "join_community_webhook_deliveries_total";
    const SECONDS: &str = "join_community_webhook_seconds";
    const WAITING: &str = "join_community_webhook_waiting_deliveries";
    let series = |target: &str| {
        // Said for each, so that nothing is said of what is not there.
        describe_counter!(DELIVERIES, "Tries to deliver a webhook, and dead letters.");
        describe_histogram!(SECONDS, "One try to deliver a webhook.");
        describe_gauge!(WAITING, "Webhooks that wait for a target, in the whole installation.");
        let outcome =
            |outcome: &'static str| counter_of!(DELIVERIES, "target" => target.to_owned(), "outcome" => outcome);
        WebhookSeries {
            delivered: outcome("delivered"),
            failed: outcome("failed"),
            dead: outcome("dead"),
            seconds: histogram_of!(SECONDS, "target" => target.to_owned()),
            waiting: gauge_of!(WAITING, "target" => target.to_owned()),
        }
    };
    targets.into_iter().map(|target| (target.into(), series(target))).collect()
}

impl WebhookSeries {
    /// Counts nothing: for a target that nobody registered.
    pub(super) fn nowhere() -> Self {
        let nothing = Counter::noop;
        Self {
            delivered: nothing(),
            failed: nothing(),
            dead: nothing(),
            seconds: Histogram::noop(),
            waiting: Gauge::noop(),
        }
    }
}

pub(super) fn build_info(name: &'static str, help: &'static str) {
    describe_gauge!(name, help);
    gauge_of!(name, "version" => env!("CARGO_PKG_VERSION"), "commit" => COMMIT).set(1.0);
}
