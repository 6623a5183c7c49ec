//! What the kernel, Redis, `perf` and `pg_stat_statements` print, read. Apart from who asks them and free of everything
//! else, because a bench runs no tests of its own: `tests/suite/bench_profile.rs` takes this file in, and does.

use std::collections::BTreeMap;

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
