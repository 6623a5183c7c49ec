//! What the worker chooses for itself, beside lanes and batches that are set by hand: with a database nearby, and with one
//! that is some milliseconds away.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::cli::Cli;
use crate::figures::{Measured, Spread};
use crate::ground::{Ground, Size};
use crate::progress::Progress;
use crate::proxy::{Network, Proxy};
use crate::rounds::{enough, once_by};
use crate::series::{WORKER, worker_command};
use crate::targets::{self, Bound, Target};

/// What a statement takes each way to the database that is far away, beside what it takes there.
const ONE_WAY: Duration = Duration::from_micros(2_500);
/// Requests that a pilot needs to be worth something.
const PILOT: usize = 20_000;

/// How lanes and batches come about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setting {
    /// As the worker chooses.
    Defaults,
    /// So many lanes, and so many requests in a batch; twice that are prefetched.
    ByHand(u16, u16),
}

/// A database, and what is tried on it.
struct Distance {
    name: &'static str,
    one_way: Option<Duration>,
    settings: &'static [Setting],
}

/// What somebody would try who sets them by hand: from what is too little to what is too much.
const DISTANCES: [Distance; 2] = [
    Distance {
        name: "nearby",
        one_way: None,
        settings: &[
            Setting::Defaults,
            Setting::ByHand(2, 128),
            Setting::ByHand(2, 256),
            Setting::ByHand(4, 256),
            Setting::ByHand(4, 512),
            Setting::ByHand(4, 1000),
            Setting::ByHand(8, 128),
            Setting::ByHand(8, 512),
        ],
    },
    Distance {
        name: "5 ms away",
        one_way: Some(ONE_WAY),
        settings: &[
            Setting::Defaults,
            Setting::ByHand(4, 256),
            Setting::ByHand(4, 512),
            Setting::ByHand(4, 1000),
            Setting::ByHand(8, 256),
            Setting::ByHand(8, 512),
            Setting::ByHand(16, 256),
        ],
    },
];

/// Joins per second of a setting, round by round.
type Rates = (Setting, Vec<f64>);

/// Measures each setting in turn, round by round.
pub(crate) async fn measure(cli: &Cli) -> Result<String> {
    let steps: usize = DISTANCES.iter().map(|distance| distance.settings.len() * cli.rounds() + 1).sum();
    let progress = Progress::of(steps);
    let (mut rows, mut aims) = (String::new(), Vec::new());
    for distance in &DISTANCES {
        let measured = one_distance(distance, cli, &progress).await.context(distance.name)?;
        rows += &measured.iter().map(|rates| row(distance, rates, &measured[0])).collect::<String>();
        aims.push(aim(distance, &measured));
    }
    let head =
        "| database | lanes, batch | joins/s: median (min–max) | defaults ÷ it, round by round |\n|---|---|--:|--:|\n";
    Ok(format!("{head}{rows}\n{}", targets::table(&aims)))
}

async fn one_distance(distance: &Distance, cli: &Cli, progress: &Progress) -> Result<Vec<Rates>> {
    progress.begins(format!("pilot: {}", distance.name));
    let mut pilot = once(distance, Setting::Defaults, cli.requests().unwrap_or(PILOT), cli).await?;
    while cli.requests().is_none() && pilot.seconds < cli.seconds {
        pilot = once(distance, Setting::Defaults, enough(&pilot, cli.seconds), cli).await?;
    }
    let requests = cli.requests().unwrap_or(enough(&pilot, cli.seconds));
    progress.done(&format!("pilot    {:<10} {:>6.0} joins/s", distance.name, pilot.rate()));
    let mut all: Vec<Rates> = distance.settings.iter().map(|setting| (*setting, Vec::new())).collect();
    for round in 1..=cli.rounds() {
        for (setting, rates) in &mut all {
            progress.begins(format!("round {round}: {}, {}", distance.name, setting.told()));
            let rate = once(distance, *setting, requests, cli).await.with_context(|| setting.told())?.rate();
            progress.done(&format!("round {round}  {:<10} {:<12} {rate:>6.0} joins/s", distance.name, setting.told()));
            rates.push(rate);
        }
    }
    Ok(all)
}

async fn once(distance: &Distance, setting: Setting, requests: usize, cli: &Cli) -> Result<Measured> {
    let ground = Ground::lay(WORKER.tables(), Size::of(requests)).await?;
    let mut command = worker_command(&cli.worker, &ground);
    setting.tell(&mut command);
    // Kept until the measurement is over.
    let proxy = distance.one_way.map(|delay| {
        let (proxy, url) = Proxy::before(&ground.place.database_url, 0)?;
        proxy.set(Network::Slow(delay));
        command.env("JOIN_COMMUNITY__DATABASE__URL", url);
        anyhow::Ok(proxy)
    });
    let proxy = proxy.transpose()?;
    let measured = once_by(&WORKER, ground, None, command).await?;
    drop(proxy);
    Ok(measured)
}

impl Setting {
    fn told(self) -> String {
        match self {
            Self::Defaults => "defaults".into(),
            Self::ByHand(lanes, batch) => format!("{lanes}, {batch}"),
        }
    }

    fn tell(self, command: &mut Command) {
        let Self::ByHand(lanes, batch) = self else { return };
        for (key, value) in [("LANES", lanes), ("BATCH_MAX", batch), ("PREFETCH", 2 * batch)] {
            command.env(format!("JOIN_COMMUNITY__JOIN__{key}"), value.to_string());
        }
        command.env("JOIN_COMMUNITY__JOIN__STEERED", "false");
    }
}

fn row(distance: &Distance, (setting, rates): &Rates, (_, defaults): &Rates) -> String {
    let rate = Spread::of(rates.iter().copied()).map_or_else(String::new, |rate| format!("{rate:.0}"));
    let ratio = Spread::of(ratios(defaults, rates)).map_or_else(String::new, |ratio| format!("{ratio:.2}"));
    format!("| {} | {} | {rate} | {ratio} |\n", distance.name, setting.told())
}

/// The defaults against the setting by hand whose median is the best.
fn aim(distance: &Distance, measured: &[Rates]) -> Target {
    let median = |rates: &[f64]| Spread::of(rates.iter().copied()).map_or(0.0, |spread| spread.median);
    let by_hand = measured.iter().filter(|(setting, _)| *setting != Setting::Defaults);
    let best = by_hand.max_by(|(_, one), (_, other)| median(one).total_cmp(&median(other)));
    Target {
        figure: format!("defaults ÷ best set by hand, database {}", distance.name),
        bound: Bound::AtLeast(0.9),
        unit: "",
        measured: best.and_then(|(_, rates)| Spread::of(ratios(&measured[0].1, rates))),
    }
}

fn ratios(one: &[f64], other: &[f64]) -> Vec<f64> {
    one.iter().zip(other).map(|(one, other)| one / other).collect()
}
