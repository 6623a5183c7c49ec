//! How long one request takes, at a steady rate far below the limit: from being sent to its event or its reply, held
//! against a bare relay through the same queues.

use anyhow::{Context as _, Result};

use crate::cli::Cli;
use crate::clock;
use crate::figures::{Spread, percentile};
use crate::ground::{Ground, Size, Tables};
use crate::process::Process;
use crate::progress::Progress;
use crate::rounds::{worker_once, worker_pilot};
use crate::series::{ourselves, worker_command};
use crate::steady::{Answer, Load, answers};
use crate::targets::{self, Bound, Target};

/// Requests a second where replies are looked at.
const FEW: f64 = 200.0;
/// Runs that tell the capacity.
const PILOTS: usize = 3;
/// Of the measured capacity, where events are.
const SHARE: f64 = 0.25;

/// Who answers, and with what.
#[derive(Clone, Copy)]
struct Way {
    name: &'static str,
    is_relay: bool,
    answer: Answer,
    rate: f64,
}

/// What came of a way: percentiles of each round, in milliseconds.
#[derive(Default)]
struct Times {
    p50: Vec<f64>,
    p99: Vec<f64>,
}

/// Measures each way in turn, round by round.
pub(crate) async fn measure(cli: &Cli) -> Result<String> {
    let progress = Progress::of(4 * cli.rounds() + 1);
    progress.begins("pilot: what the worker is capable of");
    let capacity = capacity(cli).await.context("pilot")?;
    progress.done(&format!("pilot    {capacity:.0} joins/s"));
    let (quarter, few) = if cli.quick { (100.0, 50.0) } else { (capacity * SHARE, FEW) };
    let way = |name, is_relay, answer, rate| Way { name, is_relay, answer, rate };
    let ways = [
        way("worker, join → event", false, Answer::Event, quarter),
        way("relay, two hops", true, Answer::Event, quarter),
        way("worker, join → reply", false, Answer::Reply, few),
        way("relay, two hops", true, Answer::Event, few),
    ];
    let mut times: [Times; 4] = std::array::from_fn(|_| Times::default());
    for round in 1..=cli.rounds() {
        for (way, times) in ways.iter().zip(&mut times) {
            progress.begins(format!("round {round}: {} at {:.0} a second", way.name, way.rate));
            let mut taken = once(*way, cli).await.with_context(|| format!("{}, round {round}", way.name))?;
            let p50 = percentile(&mut taken, 50).context("no answer")?;
            let p99 = percentile(&mut taken, 99).context("no answer")?;
            progress.done(&format!(
                "round {round}  {:<22} {:>6.0}/s  p50 {p50:.2} ms  p99 {p99:.2} ms",
                way.name, way.rate
            ));
            times.p50.push(p50);
            times.p99.push(p99);
        }
    }
    Ok(format!("{}\n{}", table(&ways, &times), targets::table(&aims(&times))))
}

/// Joins a second: the median of some runs that are long enough.
async fn capacity(cli: &Cli) -> Result<f64> {
    let (requests, first) = worker_pilot(cli).await?;
    if cli.quick {
        return Ok(first);
    }
    let mut rates = Vec::with_capacity(PILOTS);
    for _ in 0..PILOTS {
        rates.push(worker_once(Size::of(requests), cli).await?.0.rate());
    }
    percentile(&mut rates, 50).context("no rate")
}

fn aims(times: &[Times; 4]) -> [Target; 2] {
    let aim = |figure: &str, bound, one: &[f64], other: &[f64]| Target {
        figure: figure.to_owned(),
        bound: Bound::AtMost(bound),
        unit: "",
        measured: Spread::of(one.iter().zip(other).map(|(one, other)| one / other)),
    };
    let [event, relay, reply, few] = times;
    [
        aim("join → event p99 ÷ p99 of the relay, at a quarter of the capacity", 2.5, &event.p99, &relay.p99),
        aim("join → reply p50 ÷ p50 of the relay, at 200 requests/s", 2.0, &reply.p50, &few.p50),
    ]
}

fn table(ways: &[Way], times: &[Times]) -> String {
    let head = "| way | requests/s | p50, ms: median (min–max) | p99, ms |\n|---|--:|--:|--:|\n";
    let told =
        |figures: &[f64]| Spread::of(figures.iter().copied()).map_or_else(String::new, |spread| format!("{spread:.2}"));
    ways.iter().zip(times).fold(head.to_owned(), |table, (way, times)| {
        table + &format!("| {} | {:.0} | {} | {} |\n", way.name, way.rate, told(&times.p50), told(&times.p99))
    })
}

/// Milliseconds that each request took.
async fn once(way: Way, cli: &Cli) -> Result<Vec<f64>> {
    let load = Load::of(way.rate, cli.seconds);
    let mut ground = Ground::lay(Tables::Ours, Size::of(load.requests())).await?;
    let mut command = if way.is_relay { ourselves(&["relay"], &ground)? } else { worker_command(&cli.worker, &ground) };
    let mut process = Process::start(if way.is_relay { "relay" } else { "worker" }, &mut command)?;
    clock::until_consuming(&ground, &mut process).await?;
    let taken = answers(&ground, load, way.answer).await?;
    if !way.is_relay {
        clock::until_done(&mut ground, &mut process, clock::Proof::Stored).await?;
    }
    process.stop().await?;
    ground.clear().await?;
    Ok(taken)
}
