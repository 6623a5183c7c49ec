//! What the worker's batches took under a steady load, by its own histograms, and PostgreSQL's syncs of its log meanwhile: what
//! the tail of a latency is made of.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use sqlx::{Executor as _, PgConnection};

use crate::figures::Spread;
use crate::ground::Ground;
use crate::process::Process;
use crate::profile::parse::{Histogram, histogram, listening};
use crate::superuser::superuser;

/// Histograms by name and label, and below them what has a row each; the last is PostgreSQL's.
const HISTOGRAMS: [(&str, &str); 3] = [
    ("join_community_batch_seconds", ""),
    ("join_community_step_seconds", r#"step="commit""#),
    ("join_community_confirm_seconds", r#"of="event""#),
];
const ROWS: [&str; 4] =
    ["batch, load to last answer", "its commit", "confirm of a batch of events", "PostgreSQL's sync"];
/// For sessions that begin later, as only a superuser may.
const TIME_SYNCS: &str = "DO $$ BEGIN
    EXECUTE format('ALTER DATABASE %I SET track_wal_io_timing = on', current_database());
END $$";
/// How many, and the milliseconds of those that were timed.
const SYNCS: &str = "SELECT wal_sync::float8, wal_sync_time FROM pg_stat_wal";
/// How long the worker may take to tell its metrics.
const LIMIT: Duration = Duration::from_secs(10);

/// A worker that is watched, with its database.
pub(crate) struct Watch {
    client: reqwest::Client,
    metrics: String,
    /// Or why syncs are not timed.
    database: Result<PgConnection, String>,
}

/// What was counted up to one moment.
pub(crate) struct Look {
    at: Instant,
    histograms: [Histogram; 3],
    syncs: Result<(f64, f64), String>,
}

/// What came of some rounds.
#[derive(Default)]
pub(crate) struct Batches {
    /// Row by row: how many a second; mean, p50 and p99 in milliseconds; round by round.
    rows: [[Vec<f64>; 4]; 4],
    untimed: Option<String>,
}

impl Watch {
    /// Begins before the worker does: then the syncs of its sessions are timed.
    pub(crate) async fn begin(ground: &Ground) -> Result<Self> {
        let client = reqwest::Client::builder().no_proxy().timeout(LIMIT).build()?;
        let database = timed(&ground.place.database_url).await.map_err(|error| format!("{error:#}"));
        Ok(Self { client, metrics: String::new(), database })
    }

    /// Finds out where the worker, which consumes by now, tells its metrics.
    pub(crate) fn find(&mut self, process: &Process) -> Result<()> {
        let said = process.said()?;
        let address = listening(&said).context("the worker's log names no address of its operations server")?;
        self.metrics = format!("http://{address}/metrics");
        Ok(())
    }

    /// Looks.
    pub(crate) async fn look(&mut self) -> Result<Look> {
        let answer = self.client.get(&self.metrics).send().await?.error_for_status()?;
        let text = answer.text().await?;
        let at = Instant::now();
        let read = |(name, label)| histogram(&text, name, label).with_context(|| format!("/metrics has no {name}"));
        let [batch, commit, confirm] = HISTOGRAMS.map(read);
        let syncs = match &mut self.database {
            Ok(database) => Ok(sqlx::query_as::<_, (f64, f64)>(SYNCS).fetch_one(database).await?),
            Err(reason) => Err(reason.clone()),
        };
        Ok(Look { at, histograms: [batch?, commit?, confirm?], syncs })
    }
}

/// A session that has had syncs timed.
async fn timed(url: &str) -> Result<PgConnection> {
    let mut database = superuser(url).await?;
    database.execute(TIME_SYNCS).await?;
    // Refused where the server counts them elsewhere: PostgreSQL 18 does.
    database.execute(SYNCS).await?;
    Ok(database)
}

impl Batches {
    /// Takes what came between two looks of a round.
    pub(crate) fn note(&mut self, before: &Look, after: &Look) {
        let seconds = (after.at - before.at).as_secs_f64();
        let of_histograms = after.histograms.iter().zip(&before.histograms).map(|(after, before)| {
            let since = after.since(before);
            let millis = |time: Option<f64>| time.map(|seconds| seconds * 1e3);
            let (mean, p50, p99) = (since.mean(), since.percentile(50.0), since.percentile(99.0));
            [Some(since.count() / seconds), millis(mean), millis(p50), millis(p99)]
        });
        let of_syncs = match (&before.syncs, &after.syncs) {
            (Ok((number_before, millis_before)), Ok((number, millis))) => {
                let (number, millis) = (number - number_before, millis - millis_before);
                [Some(number / seconds), (number > 0.0).then_some(millis / number), None, None]
            }
            (Err(reason), _) | (_, Err(reason)) => {
                self.untimed = Some(reason.clone());
                [None; 4]
            }
        };
        for (row, figures) in self.rows.iter_mut().zip(of_histograms.chain([of_syncs])) {
            for (rounds, figure) in row.iter_mut().zip(figures) {
                rounds.extend(figure);
            }
        }
    }
}

/// A table of them, by the names of those whose they are.
pub(crate) fn table<'a>(all: impl IntoIterator<Item = (&'a str, &'a Batches)>) -> String {
    let mut table = "| meanwhile | a second | mean, ms: median (min–max) | p50, about | p99, about |\n\
                     |---|--:|--:|--:|--:|\n"
        .to_owned();
    let mut untimed = None;
    for (who, batches) in all {
        let rows = ROWS.iter().zip(&batches.rows);
        table = rows.fold(table, |table, (what, figures)| {
            let [number, times @ ..] = figures;
            let [mean, p50, p99] = times.each_ref().map(|rounds| spread(rounds, 2));
            table + &format!("| {who}: {what} | {} | {mean} | {p50} | {p99} |\n", spread(number, 0))
        });
        untimed = untimed.or(batches.untimed.as_ref());
    }
    untimed.map_or_else(String::new, |reason| format!("PostgreSQL's syncs were not timed: {reason}.\n\n")) + &table
}

fn spread(rounds: &[f64], digits: usize) -> String {
    Spread::of(rounds.iter().copied()).map_or_else(String::new, |spread| format!("{spread:.digits$}"))
}
