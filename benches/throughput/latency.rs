//! How long one request takes, at a steady rate far below the limit: from being sent to its event or its reply, held
//! against a bare relay through the same queues; and what the worker's batches took of it.

use anyhow::{Context as _, Result};

use crate::batches::{self, Batches, Look, Watch};
use crate::cli::Cli;
use crate::clock;
use crate::figures::{Spread, percentile};
use crate::ground::{Ground, Size, Tables};
use crate::process::Process;
use crate::progress::Progress;
use crate::rounds::{worker_once, worker_pilot};
use crate::series::{OTHER, Series, WORKER, ourselves};
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
    /// None is the relay.
    series: Option<Series>,
    answer: Answer,
    rate: f64,
}

/// What came of a way: percentiles of each round, in milliseconds, and what batches took meanwhile.
#[derive(Default)]
struct Times {
    p50: Vec<f64>,
    p99: Vec<f64>,
    batches: Batches,
}

/// Measures each way in turn, round by round.
pub(crate) async fn measure(cli: &Cli) -> Result<String> {
    let number = if cli.other.is_given() { 6 } else { 4 };
    let progress = Progress::of(number * cli.rounds() + 1);
    progress.begins("pilot: what the worker is capable of");
    let capacity = capacity(cli).await.context("pilot")?;
    progress.done(&format!("pilot    {capacity:.0} joins/s"));
    let ways = ways(capacity, cli);
    let mut times: Vec<Times> = ways.iter().map(|_| Times::default()).collect();
    for round in 1..=cli.rounds() {
        for (way, times) in ways.iter().zip(&mut times) {
            progress.begins(format!("round {round}: {} at {:.0} a second", way.name, way.rate));
            let measured = Box::pin(once(*way, cli)).await;
            let (mut taken, looks) = measured.with_context(|| format!("{}, round {round}", way.name))?;
            let p50 = percentile(&mut taken, 50).context("no answer")?;
            let p99 = percentile(&mut taken, 99).context("no answer")?;
            progress.done(&format!(
                "round {round}  {:<22} {:>6.0}/s  p50 {p50:.2} ms  p99 {p99:.2} ms",
                way.name, way.rate
            ));
            times.p50.push(p50);
            times.p99.push(p99);
            if let Some([before, after]) = &looks {
                times.batches.note(before, after);
            }
        }
    }
    let watched = ways.iter().zip(&times).filter(|(way, _)| way.is_watched());
    let batches = batches::table(watched.map(|(way, times)| (way.name, &times.batches)));
    let other = cli.other.told(&cli.worker);
    Ok(format!("{}\n{batches}\n{}{other}", table(&ways, &times), targets::table(&aims(&times))))
}

/// The first four are always there.
fn ways(capacity: f64, cli: &Cli) -> Vec<Way> {
    let (quarter, few) = if cli.quick { (100.0, 50.0) } else { (capacity * SHARE, FEW) };
    let way = |name, series, answer, rate| Way { name, series, answer, rate };
    let mut ways = vec![
        way("worker, join → event", Some(WORKER), Answer::Event, quarter),
        way("relay, two hops", None, Answer::Event, quarter),
        way("worker, join → reply", Some(WORKER), Answer::Reply, few),
        way("relay, two hops", None, Answer::Event, few),
    ];
    if cli.other.is_given() {
        ways.push(way("other, join → event", Some(OTHER), Answer::Event, quarter));
        ways.push(way("other, join → reply", Some(OTHER), Answer::Reply, few));
    }
    ways
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

fn aims(times: &[Times]) -> Vec<Target> {
    let [event, relay, reply, few, others @ ..] = times else { return Vec::new() };
    let ratio = |figure: &str, bound, one: &[f64], other: &[f64]| Target {
        figure: figure.to_owned(),
        bound,
        unit: "",
        measured: Spread::of(one.iter().zip(other).map(|(one, other)| one / other)),
    };
    let (event_bound, reply_bound) = (Bound::AtMost(2.5), Bound::AtMost(2.0));
    let mut aims = vec![
        ratio("join → event p99 ÷ p99 of the relay, at a quarter of the capacity", event_bound, &event.p99, &relay.p99),
        ratio("join → reply p50 ÷ p50 of the relay, at 200 requests/s", reply_bound, &reply.p50, &few.p50),
    ];
    if let [other_event, other_reply] = others {
        aims.push(ratio("join → event p50, worker ÷ other", Bound::Open, &event.p50, &other_event.p50));
        aims.push(ratio("join → event p99, worker ÷ other", Bound::Open, &event.p99, &other_event.p99));
        aims.push(ratio("join → reply p50, worker ÷ other", Bound::Open, &reply.p50, &other_reply.p50));
        aims.push(ratio("join → reply p99, worker ÷ other", Bound::Open, &reply.p99, &other_reply.p99));
    }
    aims
}

impl Way {
    /// Whether what batches took is asked for: where they are many, and the tail is theirs.
    fn is_watched(&self) -> bool {
        self.series.is_some() && self.answer == Answer::Event
    }
}

fn table(ways: &[Way], times: &[Times]) -> String {
    let head = "| way | requests/s | p50, ms: median (min–max) | p99, ms |\n|---|--:|--:|--:|\n";
    let told =
        |figures: &[f64]| Spread::of(figures.iter().copied()).map_or_else(String::new, |spread| format!("{spread:.2}"));
    ways.iter().zip(times).fold(head.to_owned(), |table, (way, times)| {
        table + &format!("| {} | {:.0} | {} | {} |\n", way.name, way.rate, told(&times.p50), told(&times.p99))
    })
}

/// Milliseconds that each request took; and where batches are watched, a look at their beginning and at their end.
async fn once(way: Way, cli: &Cli) -> Result<(Vec<f64>, Option<[Look; 2]>)> {
    let load = Load::of(way.rate, cli.seconds);
    let size = Size::of(load.requests());
    let mut ground = match way.series {
        Some(series) => series.lay(size, cli).await?,
        None => Ground::lay(Tables::Ours, size).await?,
    };
    let mut watch = if way.is_watched() { Some(Watch::begin(&ground).await?) } else { None };
    let (name, mut command) = match way.series {
        Some(series) => (series.name, series.command(&ground, cli, None)?),
        None => ("relay", ourselves(&["relay"], &ground)?),
    };
    let mut process = Process::start(name, &mut command)?;
    clock::until_consuming(&ground, &mut process).await?;
    if let Some(watch) = &mut watch {
        watch.find(&process)?;
    }
    let (taken, before) = Box::pin(answers(&ground, load, way.answer, look(watch.as_mut()))).await?;
    let after = look(watch.as_mut()).await?;
    // Its session goes before the database does.
    drop(watch);
    if way.series.is_some() {
        clock::until_done(&mut ground, &mut process, clock::Proof::Stored).await?;
    }
    process.stop().await?;
    ground.clear().await?;
    Ok((taken, before.zip(after).map(|(before, after)| [before, after])))
}

async fn look(watch: Option<&mut Watch>) -> Result<Option<Look>> {
    match watch {
        Some(watch) => watch.look().await.map(Some),
        None => Ok(None),
    }
}
