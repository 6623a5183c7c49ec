//! What RabbitMQ counts: what was done on channels, and what went over the worker's connections. It gathers that every five
//! seconds, so its word comes late.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::{code, each, row, table};
use crate::ground::Ground;

/// How long it may take to count everything.
const LIMIT: Duration = Duration::from_secs(30);
/// Asking costs it something.
const STEP: Duration = Duration::from_millis(500);
/// By then it has gathered once more.
const GATHERED: Duration = Duration::from_secs(6);
/// The sum of others.
const SUM: &str = "deliver_get";

/// Messages by what was done with them.
type Counts = BTreeMap<String, u64>;

/// A broker that is watched.
pub(super) struct Broker {
    before: Result<Counts>,
}

impl Broker {
    /// Begins once what the producer sent is counted.
    pub(super) async fn watch(ground: &Ground) -> Self {
        Self { before: until_counted(ground, &[("confirm", requests(ground))]).await }
    }

    /// Tables of both, or why there are none. The worker still runs: with its connections RabbitMQ forgets their counters.
    pub(super) async fn table(self, ground: &Ground) -> String {
        let told = async {
            let before = self.before?;
            let counts = counts_since(ground, &before).await?;
            // The last acknowledgement is counted with its channel, and its bytes with its connection.
            sleep(GATHERED).await;
            anyhow::Ok(format!("{}\n{}", operations(&counts, ground), connections(ground).await?))
        };
        told.await.unwrap_or_else(|error| format!("What RabbitMQ counts is missing: {error:#}.\n"))
    }
}

fn requests(ground: &Ground) -> u64 {
    u64::try_from(ground.members.len()).unwrap_or(u64::MAX)
}

/// What was done since, once each request is acknowledged and its event confirmed.
async fn counts_since(ground: &Ground, before: &Counts) -> Result<Counts> {
    let earlier = |name: &str| before.get(name).copied().unwrap_or_default();
    let wanted = ["ack", "confirm"].map(|name| (name, earlier(name) + requests(ground)));
    let counts = until_counted(ground, &wanted).await?;
    let since = |(name, count): (String, u64)| {
        let count = count.saturating_sub(earlier(&name));
        (name, count)
    };
    Ok(counts.into_iter().map(since).filter(|(name, count)| *count > 0 && name != SUM).collect())
}

/// Looks until so much is counted of each.
async fn until_counted(ground: &Ground, wanted: &[(&str, u64)]) -> Result<Counts> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let vhost = ground.broker_says("").await;
        let stats = vhost["message_stats"].as_object().into_iter().flatten();
        let counts: Counts = stats.filter_map(|(name, count)| Some((name.clone(), count.as_u64()?))).collect();
        let missing = wanted.iter().find(|(name, least)| counts.get(*name).is_none_or(|count| count < least));
        let Some((name, least)) = missing else { return Ok(counts) };
        ensure!(
            Instant::now() < deadline,
            "its management API has not counted {least} messages as `{name}` within {LIMIT:?}, but {counts:?}"
        );
        sleep(STEP).await;
    }
}

fn operations(counts: &Counts, ground: &Ground) -> String {
    let rows = counts.iter().map(|(name, count)| {
        let a_request = each(*count, ground.members.len());
        row(&[&code(name), &format!("{a_request:.3}")])
    });
    table("| `message_stats` of RabbitMQ | messages a request |\n|---|--:|\n", rows)
}

async fn connections(ground: &Ground) -> Result<String> {
    let worker: reqwest::Url = ground.place.worker_url.parse()?;
    let all = ground.broker_says("/connections").await;
    let all = all.as_array().context("its management API lists no connections")?;
    let of_worker = all.iter().filter(|connection| connection["user"] == worker.username());
    let rows = of_worker.map(|connection| connection_row(connection, ground.members.len()));
    let head = "| connection of the worker | RabbitMQ received, bytes a request (`recv_oct`) | in so many packets (`recv_cnt`) | \
                sent (`send_oct`) | in packets (`send_cnt`) |\n\
                |---|--:|--:|--:|--:|\n";
    Ok(table(head, rows))
}

fn connection_row(connection: &Value, requests: usize) -> String {
    let figure = |name: &str| each(connection[name].as_u64().unwrap_or_default(), requests);
    let name = connection["client_properties"]["connection_name"].as_str().unwrap_or("without a name");
    row(&[
        &code(name),
        &format!("{:.0}", figure("recv_oct")),
        &format!("{:.3}", figure("recv_cnt")),
        &format!("{:.0}", figure("send_oct")),
        &format!("{:.3}", figure("send_cnt")),
    ])
}
