//! What the kernel, Redis, `perf`, `pg_stat_statements` and the worker print, read. Apart from who asks them and free of
//! everything else, because a bench runs no tests of its own: `tests/suite/bench_profile.rs` takes this file in, and does.

use std::collections::BTreeMap;

/// What the worker logs where it tells its metrics.
const LISTENS: &str = "operations server listens";
/// How much is shown of a statement that has no name.
const SHOWN: usize = 60;

/// The number behind a name, as `/proc/PID/status` and `/proc/PID/io` have one on each line.
pub(crate) fn number(lines: &str, name: &str) -> Option<u64> {
    let rest = lines.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// How often each command was called, and the microseconds that it took in all: `INFO commandstats`.
pub(crate) fn commands(info: &str) -> BTreeMap<String, [u64; 2]> {
    let read = |line: &str| {
        let (name, figures) = line.strip_prefix("cmdstat_")?.split_once(':')?;
        let figure = |key: &str| -> Option<u64> {
            figures.split(',').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('=')?.parse().ok())
        };
        Some((name.to_owned(), [figure("calls")?, figure("usec")?]))
    };
    info.lines().filter_map(read).collect()
}

/// A share of all samples of `perf record`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Share {
    /// Of a hundred.
    pub(crate) percent: f64,
    /// The name of the thread.
    pub(crate) thread: String,
    /// Program, library or kernel.
    pub(crate) object: String,
    /// The function, or an address where its name is not known; before it `[k]` in the kernel, `[.]` elsewhere.
    pub(crate) symbol: String,
}

impl Share {
    /// Whether the function's name is known.
    pub(crate) fn is_named(&self) -> bool {
        !self.symbol.split_whitespace().nth(1).unwrap_or_default().starts_with("0x")
    }
}

/// All shares of a report: `perf report --sort comm,dso,sym -t '|'`.
pub(crate) fn shares(report: &str) -> Vec<Share> {
    let read = |line: &str| {
        // What comes last may hold the sign itself.
        let mut fields = line.splitn(4, '|').map(str::trim);
        let percent = fields.next()?.strip_suffix('%')?.parse().ok()?;
        let mut text = || fields.next().map(str::to_owned);
        Some(Share { percent, thread: text()?, object: text()?, symbol: text()? })
    };
    report.lines().filter_map(read).collect()
}

/// How often an event came: `perf stat -x,`. Nothing where it could not be counted.
pub(crate) fn counted(stat: &str, event: &str) -> Option<u64> {
    let read = |line: &str| {
        let mut fields = line.split(',');
        let count = fields.next()?.parse().ok()?;
        // Between them stands a unit.
        (fields.nth(1)? == event).then_some(count)
    };
    stat.lines().find_map(read)
}

/// A histogram as `/metrics` shows it: by bound, how many were no larger; and what all of them come to.
#[derive(Debug, Default)]
pub(crate) struct Histogram {
    buckets: Vec<(f64, f64)>,
    sum: f64,
}

/// The histogram of this name, and of this label where there are several.
pub(crate) fn histogram(metrics: &str, name: &str, label: &str) -> Option<Histogram> {
    let mut read = Histogram::default();
    for line in metrics.lines().filter_map(|line| line.strip_prefix(name)).filter(|line| line.contains(label)) {
        let Some((series, value)) = line.rsplit_once(' ') else { continue };
        let Ok(value) = value.parse::<f64>() else { continue };
        if let Some(labels) = series.strip_prefix("_bucket{") {
            let bound = labels.split_once("le=\"").and_then(|(_, rest)| rest.split('"').next()?.parse::<f64>().ok());
            read.buckets.extend(bound.map(|bound| (bound, value)));
        } else if series.starts_with("_sum") {
            read.sum = value;
        }
    }
    (!read.buckets.is_empty()).then_some(read)
}

impl Histogram {
    /// What came since an earlier look.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let before = |place: usize| earlier.buckets.get(place).map_or(0.0, |(_, count)| *count);
        let buckets = self.buckets.iter().enumerate();
        let buckets = buckets.map(|(place, (bound, count))| (*bound, count - before(place))).collect();
        Self { buckets, sum: self.sum - earlier.sum }
    }

    /// How many there are: the last bucket has all.
    pub(crate) fn count(&self) -> f64 {
        self.buckets.last().map_or(0.0, |(_, count)| *count)
    }

    /// Their mean; nothing of none.
    pub(crate) fn mean(&self) -> Option<f64> {
        (self.count() > 0.0).then(|| self.sum / self.count())
    }

    /// About how large so many of a hundred are at most: as if evenly spread within a bucket. Above the last bound nothing is
    /// known but that.
    pub(crate) fn percentile(&self, percent: f64) -> Option<f64> {
        let rank = self.count() * percent / 100.0;
        let (mut from, mut below) = (0.0, 0.0);
        for (bound, count) in self.buckets.iter().filter(|(bound, _)| bound.is_finite()) {
            if *count >= rank && rank > 0.0 {
                return Some(from + (bound - from) * (rank - below) / (count - below));
            }
            (from, below) = (*bound, *count);
        }
        (rank > 0.0).then_some(from)
    }
}

/// Where the worker tells its metrics, by its log.
pub(crate) fn listening(log: &str) -> Option<&str> {
    let line = log.lines().find(|line| line.contains(LISTENS))?;
    let address = line.get(line.find("127.0.0.1:")?..)?;
    address.split(|c: char| !c.is_ascii_digit() && !".:".contains(c)).next()
}

/// The name of a statement, of which `pg_stat_statements` tells the text with a parameter for each literal; or else how it
/// begins.
pub(crate) fn statement(text: &str, named: &[(&str, &str)]) -> String {
    let text = text.trim();
    // So far they are alike: to the end, or to the first literal.
    let alike = |statement: &str| {
        let statement = statement.trim();
        let alike = text.bytes().zip(statement.bytes()).take_while(|(one, other)| one == other).count();
        let is_whole = alike == text.len() && alike == statement.len();
        let is_literal = alike > 0 && text.get(alike..).is_some_and(|rest| rest.starts_with('$'));
        (is_whole || is_literal).then_some(alike)
    };
    let longest = named.iter().filter_map(|(name, statement)| Some((alike(statement)?, *name))).max();
    longest.map_or_else(|| beginning(text), |(_, name)| name.to_owned())
}

/// The first words, without comments.
fn beginning(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("--"));
    let words: Vec<&str> = lines.flat_map(str::split_whitespace).collect();
    words.join(" ").chars().take(SHOWN).collect()
}
