//! What a run was made on: figures without their machine, versions and settings say little.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use sqlx::{Connection as _, PgConnection};
use time::OffsetDateTime;

use crate::suite::support::variable;
use crate::versions;

/// Settings of PostgreSQL that decide what a commit costs.
const SETTINGS: &str = "
    SELECT string_agg(name || ' = ' || current_setting(name), ', ' ORDER BY name) FROM unnest(ARRAY[
        'fsync', 'synchronous_commit', 'full_page_writes', 'wal_level', 'shared_buffers', 'max_wal_size'
    ]) name";

/// What runs the peers: a program, the argument that has it tell its version, and what stands before that.
const RUNTIMES: [(&str, &str, &str); 3] =
    [("python3", "--version", ""), ("node", "--version", "Node.js "), ("go", "version", "")];

/// A machine, as it was before anything was measured.
pub(crate) struct Machine {
    made: String,
    settings: String,
    /// Which runtimes there were: of those that come later it is said that the run installed them.
    had: [bool; 3],
}

/// Describes it.
pub(crate) async fn describe(worker: &Path) -> Result<Machine> {
    let versions = versions::of_services().await?;
    let services: Vec<String> = versions
        .iter()
        .filter(|(name, _)| **name != "cores")
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    let mut database = PgConnection::connect(&variable("JOIN_COMMUNITY__DATABASE__URL")).await?;
    let postgres: String = sqlx::query_scalar(SETTINGS).fetch_one(&mut database).await?;
    let cache = redis::Client::open(variable("JOIN_COMMUNITY__CACHE__URL"))?;
    let mut cache = cache.get_multiplexed_async_connection().await?;
    let (_, appendonly): (String, String) =
        redis::cmd("CONFIG").arg("GET").arg("appendonly").query_async(&mut cache).await?;
    let today = OffsetDateTime::now_utc().date();
    let size = fs::metadata(worker).with_context(|| format!("the worker, {}", worker.display()))?.len() / 1024;
    let made = format!(
        "Made on {today} at commit {}: {}, {} cores, {}, {}, load before it {}; everything on this one machine.\n\
         {}; worker's binary {size} kB, its defaults.",
        commit(),
        processor(),
        versions.get("cores").map_or("?", String::as_str),
        memory(),
        told("uname", &["-sr"]),
        load(),
        services.join(", "),
    );
    let settings = format!(
        "PostgreSQL: {postgres}. RabbitMQ: quorum queues, persistent messages, publisher confirms. \
         Redis: appendonly = {appendonly}.\n"
    );
    let had = RUNTIMES.map(|(program, argument, _)| version(program, argument).is_some());
    Ok(Machine { made, settings, had })
}

impl Machine {
    /// Says it once a part is measured, as the end of its section; of the peers' runtimes only where there were peers.
    pub(crate) fn told(&self, has_peers: bool) -> String {
        let peers = if has_peers { format!(" Peers: {}.", self.runtimes()) } else { String::new() };
        format!("{}{peers}\n{}", self.made, self.settings)
    }

    fn runtimes(&self) -> String {
        let told = RUNTIMES.iter().zip(self.had).map(|((program, argument, name), had)| {
            let Some(version) = version(program, argument) else { return format!("no {program}") };
            let since = if had { "" } else { " (installed by the run)" };
            format!("{name}{version}{since}")
        });
        told.collect::<Vec<_>>().join(", ")
    }
}

/// What a program says of itself; nothing where there is none.
fn version(program: &str, argument: &str) -> Option<String> {
    let ran = Command::new(program).arg(argument).output().ok().filter(|ran| ran.status.success())?;
    Some(String::from_utf8_lossy(&ran.stdout).trim().to_owned())
}

/// Which, and whether what is compiled was changed since.
fn commit() -> String {
    let changed = told(
        "git",
        &["status", "--porcelain", "--", "src", "migrations", "benches", "Cargo.toml", "Cargo.lock", ".cargo"],
    );
    let since = if changed.is_empty() { "" } else { ", and what was changed since" };
    told("git", &["rev-parse", "--short", "HEAD"]) + since
}

fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or_else(|| "unknown processor".into(), |(_, model)| model.to_owned())
}

fn memory() -> String {
    let info = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kilobytes =
        info.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse().ok());
    kilobytes.map_or_else(|| "unknown memory".into(), |kilobytes: u64| format!("{} GiB", kilobytes / (1024 * 1024)))
}

fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace().next().unwrap_or("unknown").to_owned()
}

fn told(program: &str, arguments: &[&str]) -> String {
    let ran = Command::new(program).args(arguments).output();
    ran.map_or_else(|_| format!("no {program}"), |ran| String::from_utf8_lossy(&ran.stdout).trim().to_owned())
}
