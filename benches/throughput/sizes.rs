//! What size costs: the worker where there is much already, between two runs where there is little. Once each, since the
//! much takes minutes to be made.

use anyhow::{Context as _, Result};

use crate::cli::Cli;
use crate::figures::Spread;
use crate::ground::Size;
use crate::progress::Progress;
use crate::rounds::{worker_once, worker_pilot};
use crate::targets::{self, Bound, Target};

const MEMBERS: usize = 10_000_000;
const RECORDED: usize = 10_000_000;
const BACKLOG: usize = 1_000_000;
const SHORT_BACKLOG: usize = 20_000;
/// A quick run has this part of it.
const QUICK: usize = 1_000;

/// Little and much of one thing.
struct Pair {
    what: &'static str,
    target: (&'static str, f64),
    little: Size,
    much: Size,
}

/// Joins per second: before, with much, after.
type Rates = [f64; 3];

/// Measures each pair.
pub(crate) async fn measure(cli: &Cli) -> Result<String> {
    let progress = Progress::of(10);
    progress.begins("pilot");
    let (requests, rate) = worker_pilot(cli).await.context("pilot")?;
    progress.done(&format!("pilot    {rate:.0} joins/s"));
    let (mut measured, mut most_pruned) = (Vec::new(), 0);
    for pair in pairs(requests, cli.quick) {
        let mut rates = [0.0; 3];
        for (size, rate) in [pair.little, pair.much, pair.little].into_iter().zip(&mut rates) {
            progress.begins(format!("{}: {size:?}", pair.what));
            let (measured, pruned) =
                worker_once(size, cli).await.with_context(|| format!("{}: {size:?}", pair.what))?;
            *rate = measured.rate();
            most_pruned = most_pruned.max(pruned);
            progress.done(&format!("{:<10} {rate:>8.0} joins/s with {size:?}", pair.what));
        }
        measured.push((pair, rates));
    }
    let targets = targets::table(&measured.iter().map(target).collect::<Vec<_>>());
    let pruned = format!("Of the recorded requests {most_pruned} were pruned from the worker's start to its end.");
    Ok(format!("{}\n{targets}\n{pruned}\n", table(&measured)))
}

fn pairs(requests: usize, quick: bool) -> [Pair; 3] {
    let of = |number: usize| if quick { number / QUICK } else { number };
    let little = Size::of(requests);
    let (long, short) = (of(BACKLOG), of(SHORT_BACKLOG));
    [
        Pair {
            what: "members",
            target: ("throughput with 10,000,000 members ÷ with those who ask alone", 0.8),
            little,
            much: Size { others: of(MEMBERS).saturating_sub(requests), ..little },
        },
        Pair {
            what: "backlog",
            target: ("throughput with a backlog of 1,000,000 ÷ of 20,000, of as many members", 0.9),
            little: Size { others: long - short, ..Size::of(short) },
            much: Size::of(long),
        },
        Pair {
            what: "recorded",
            target: ("throughput with 10,000,000 recorded requests, pruning ÷ with none", 0.85),
            little,
            much: Size { recorded: of(RECORDED), ..little },
        },
    ]
}

fn target((pair, [before, much, after]): &(Pair, Rates)) -> Target {
    let (figure, bound) = pair.target;
    let measured = Spread::of([much / before, 2.0 * much / (before + after), much / after]);
    Target { figure: figure.to_owned(), bound: Bound::AtLeast(bound), unit: "", measured }
}

fn table(measured: &[(Pair, Rates)]) -> String {
    let head = "| what | little: joins/s before, after | much: joins/s | little | much |\n|---|--:|--:|---|---|\n";
    let told = |Size { requests, others, recorded }: Size| {
        format!("{requests} requests, {} members, {recorded} recorded", requests + others)
    };
    measured.iter().fold(head.to_owned(), |table, (pair, [before, much, after])| {
        let (little, size) = (told(pair.little), told(pair.much));
        table + &format!("| {} | {before:.0}, {after:.0} | {much:.0} | {little} | {size} |\n", pair.what)
    })
}
