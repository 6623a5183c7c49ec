//! What Redis counts: calls of each command, and the time that it took. Of everybody's, so the bench's few are among them.

use std::collections::BTreeMap;

use anyhow::Result;
use redis::aio::MultiplexedConnection;

use super::parse::commands;
use super::{code, each, row, table};
use crate::figures::count;
use crate::ground::Ground;
use crate::suite::support::cache;

/// Less often than once in so many requests is not worth a row.
const SELDOM: usize = 1_000;

/// A Redis that is watched.
pub(super) struct Cache {
    connection: MultiplexedConnection,
    before: BTreeMap<String, [u64; 2]>,
}

impl Cache {
    /// Begins.
    pub(super) async fn watch(ground: &Ground) -> Result<Self> {
        let mut connection = cache::connection(&ground.place.cache_url).await?;
        let before = read(&mut connection).await?;
        Ok(Self { connection, before })
    }

    /// A table of commands, those that took the longest first.
    pub(super) async fn table(mut self, requests: usize) -> Result<String> {
        let mut since: Vec<(String, u64, u64)> = Vec::new();
        for (name, [calls, micros]) in read(&mut self.connection).await? {
            let [calls_before, micros_before] = self.before.get(&name).copied().unwrap_or_default();
            since.push((name, calls.saturating_sub(calls_before), micros.saturating_sub(micros_before)));
        }
        since.retain(|(_, calls, _)| each(*calls, requests) * count(SELDOM) >= 1.0);
        since.sort_by_key(|(_, _, micros)| std::cmp::Reverse(*micros));
        let rows = since.iter().map(|(name, calls, micros)| {
            let (calls, micros) = (each(*calls, requests), each(*micros, requests));
            row(&[&code(name), &format!("{calls:.3}"), &format!("{micros:.2}")])
        });
        Ok(table("| command of Redis (`INFO commandstats`) | calls a request | µs a request |\n|---|--:|--:|\n", rows))
    }
}

async fn read(connection: &mut MultiplexedConnection) -> Result<BTreeMap<String, [u64; 2]>> {
    let info: String = redis::cmd("INFO").arg("commandstats").query_async(connection).await?;
    Ok(commands(&info))
}
