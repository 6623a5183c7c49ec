//! The tables of a run, in Markdown: what each series came to, how it stands to the worker, and what was aimed at.

use crate::figures::{Measured, Spread};
use crate::rounds::{Outcome, made_rounds, shortest};
use crate::series::{Kind, Series};
use crate::targets::{self, Bound, Target};

/// The table of all series.
pub(crate) fn throughput(outcomes: &[Outcome]) -> String {
    let worker = named(outcomes, "worker");
    let ceilings = combined(named(outcomes, "broker-ceiling"), named(outcomes, "store-ceiling"));
    let against = |names: &[&str]| worker.and_then(|worker| ratio(&rates(worker), &best(outcomes, names)?));
    let peers: Vec<&str> = outcomes
        .iter()
        .filter(|outcome| matches!(outcome.series.kind, Kind::Peer(..)))
        .map(|outcome| outcome.series.name)
        .collect();
    let at_least = |figure: &str, bound, measured| Target {
        figure: figure.to_owned(),
        bound: Bound::AtLeast(bound),
        unit: "",
        measured,
    };
    let targets = [
        at_least(
            "worker ÷ (1 / (1/broker ceiling + 1/store ceiling))",
            0.9,
            worker.and_then(|worker| ratio(&rates(worker), &ceilings?)),
        ),
        at_least("worker ÷ best peer that is not ours", 8.0, against(&peers)),
        at_least("worker ÷ FastStream", 20.0, against(&["faststream"])),
        at_least("worker ÷ Celery (best pool)", 20.0, against(&["celery-prefork", "celery-gevent"])),
        at_least("worker ÷ one at a time (best setting)", 7.0, against(&["one-at-a-time-32", "one-at-a-time-200"])),
        own_cpu(worker),
    ];
    format!("{}\n{}\n{}", table(outcomes, worker), targets::table(&targets), made(outcomes))
}

/// The table of the worker with tokens.
pub(crate) fn tokens(outcomes: &[Outcome]) -> String {
    let worker = named(outcomes, "worker");
    let with = |figure: &str, name| Target {
        figure: figure.to_owned(),
        bound: Bound::AtLeast(0.75),
        unit: "",
        measured: named(outcomes, name).zip(worker).and_then(|(with, without)| ratio(&rates(with), &rates(without))),
    };
    let targets =
        [with("with RS256 tokens ÷ without", "worker-rs256"), with("with ES256 tokens ÷ without", "worker-es256")];
    format!("{}\n{}\n{}", table(outcomes, worker), targets::table(&targets), made(outcomes))
}

/// The table of the worker with several request queues. Nothing is aimed at: one machine has no more to give.
pub(crate) fn shards(outcomes: &[Outcome]) -> String {
    format!("{}\n{}", table(outcomes, named(outcomes, "worker")), made(outcomes))
}

fn own_cpu(worker: Option<&Outcome>) -> Target {
    let micros = worker.map(|worker| worker.rounds.iter().map(Measured::micros_in_all));
    Target {
        figure: "worker's own CPU a request (user + sys, from start to exit)".into(),
        bound: Bound::AtMost(40.0),
        unit: "µs",
        measured: micros.and_then(Spread::of),
    }
}

fn table(outcomes: &[Outcome], worker: Option<&Outcome>) -> String {
    let head = "| series | joins/s: median (min–max) | own CPU, µs a request | of RabbitMQ, PostgreSQL, Redis | requests | \
                worker ÷ it, round by round |\n\
                |---|--:|--:|--:|--:|--:|\n";
    outcomes.iter().fold(head.to_owned(), |table, outcome| table + &row(outcome, worker))
}

fn row(outcome: &Outcome, worker: Option<&Outcome>) -> String {
    let Series { name, what, .. } = outcome.series;
    if let Some(reason) = &outcome.missing {
        return format!("| **{name}**: {what} | missing: {reason} | | | | |\n");
    }
    let rate = Spread::of(rates(outcome)).map_or_else(String::new, |rate| format!("{rate:.0}"));
    let micros = Spread::of(outcome.rounds.iter().map(Measured::micros));
    let micros = micros.map_or_else(String::new, |micros| format!("{micros:.0}"));
    let requests = outcome.rounds.iter().map(|round| round.requests).max().unwrap_or_default();
    let ratio = worker.and_then(|worker| ratio(&rates(worker), &rates(outcome)));
    let ratio = ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
    let services = services(outcome);
    format!("| **{name}**: {what} | {rate} | {micros} | {services} | {requests} | {ratio} |\n")
}

/// Median processor time of each service a request, in microseconds.
fn services(outcome: &Outcome) -> String {
    let each: [Option<Spread>; 3] =
        std::array::from_fn(|place| Spread::of(outcome.rounds.iter().map(|round| round.services_micros()[place])));
    each.iter().flatten().map(|spread| format!("{:.0}", spread.median)).collect::<Vec<_>>().join(", ")
}

fn made(outcomes: &[Outcome]) -> String {
    format!("{} interleaved rounds; the shortest run took {:.1} s.\n", made_rounds(outcomes), shortest(outcomes))
}

fn named<'a>(outcomes: &'a [Outcome], name: &str) -> Option<&'a Outcome> {
    outcomes.iter().find(|outcome| outcome.series.name == name && !outcome.rounds.is_empty())
}

/// Joins per second of each round.
fn rates(outcome: &Outcome) -> Vec<f64> {
    outcome.rounds.iter().map(Measured::rate).collect()
}

/// The rates of the one that is fastest, by its median.
fn best(outcomes: &[Outcome], names: &[&str]) -> Option<Vec<f64>> {
    let median = |rates: &Vec<f64>| Spread::of(rates.iter().copied()).map_or(0.0, |spread| spread.median);
    let all = names.iter().filter_map(|name| named(outcomes, name)).map(rates);
    all.max_by(|one, other| median(one).total_cmp(&median(other)))
}

/// What both together would allow if neither could work while the other does.
fn combined(broker: Option<&Outcome>, store: Option<&Outcome>) -> Option<Vec<f64>> {
    let (broker, store) = (rates(broker?), rates(store?));
    Some(broker.iter().zip(&store).map(|(broker, store)| 1.0 / (1.0 / broker + 1.0 / store)).collect())
}

/// One divided by the other, round by round.
fn ratio(one: &[f64], other: &[f64]) -> Option<Spread> {
    Spread::of(one.iter().zip(other).map(|(one, other)| one / other))
}
