//! Where a request's time goes: one run of the worker, as the kernel, each service and `perf` count it.
//!
//! Below are a file for each of them, and one for what they print. What somebody else did meanwhile is left out, or is said
//! to be among it (`docs/performance.md`).

mod broker;
mod cache;
mod database;
mod kernel;
pub(crate) mod parse;
mod perf;

use anyhow::Result;

use crate::cli::Cli;
use crate::clock;
use crate::figures::count;
use crate::ground::{Ground, Size};
use crate::process::Process;
use crate::progress::Progress;
use crate::requests::{Manner, enqueue};
use crate::series::{WORKER, worker_command};
use crate::services::ServicesTime;
use broker::Broker;
use cache::Cache;
use database::Database;
use kernel::Kernel;
use perf::Perf;

/// Enough for some seconds of full load.
const REQUESTS: usize = 100_000;

/// Makes the run.
pub(crate) async fn measure(cli: &Cli) -> Result<String> {
    let requests = cli.requests().unwrap_or(REQUESTS);
    let progress = Progress::of(1);
    progress.begins(format!("{requests} requests, and half a minute for RabbitMQ to count them"));
    let (seconds, sections) = Box::pin(once(requests, cli)).await?;
    progress.done(&format!("profile  {requests} requests in {seconds:.2} s"));
    Ok(sections)
}

/// Seconds that it took, and all tables.
async fn once(requests: usize, cli: &Cli) -> Result<(f64, String)> {
    let mut ground = Ground::lay(WORKER.tables(), Size::of(requests)).await?;
    enqueue(&ground, &Manner::Producer).await?;
    clock::until_full(&ground).await?;
    // What others count is asked for before and after, so that the clock does not run meanwhile.
    let mut database = Database::watch(&ground).await?;
    let cache = Cache::watch(&ground).await?;
    let broker = Broker::watch(&ground).await;

    let mut process = Process::start(WORKER.name, &mut worker_command(&cli.worker, &ground))?;
    let began = clock::until_begun(&ground, &mut process, WORKER.proof()).await?;
    let (kernel, services) = (Kernel::now(&process)?, ServicesTime::now()?);
    let perf = Perf::begin(&process);
    let ended = clock::until_done(&mut ground, &mut process, WORKER.proof()).await?;
    let (spent, services) = (Kernel::now(&process)?.since(&kernel), ServicesTime::now()? - services);
    let seconds = (ended - began).as_secs_f64();

    let written = database.read().await?;
    let commands = cache.table(requests).await?;
    let perf = perf.end().await;
    let messages = broker.table(&ground).await;
    process.stop().await?;
    let tables = database.tables(requests).await?;
    clock::check(&mut ground, WORKER.proof()).await?;
    ground.clear().await?;

    let [rabbitmq, postgres, redis] = services.micros(count(requests));
    let processes = [("RabbitMQ", rabbitmq), ("PostgreSQL", postgres), ("Redis", redis)];
    let processes = processes.map(|(name, micros)| {
        row(&[
            &format!("{name}: processor time"),
            &format!("{micros:.1} µs"),
            "`/proc/PID/stat` of all processes of the name",
        ])
    });
    let figures = [spent.figures(requests), vec![perf.calls(requests)], processes.into(), written.figures(requests)];
    let sections = [
        format!("{requests} requests in {seconds:.2} s.\n"),
        table("| figure | a request | source |\n|---|--:|---|\n", figures.concat()),
        spent.threads(requests),
        spent.memory(),
        written.statements(requests),
        tables,
        messages,
        commands,
        perf.shares(),
    ];
    Ok((seconds, sections.join("\n")))
}

/// A table: its head as it is, and its rows.
fn table(head: &str, rows: impl IntoIterator<Item = String>) -> String {
    rows.into_iter().fold(head.to_owned(), |table, row| table + &row)
}

/// A row of these cells.
fn row(cells: &[&str]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// A text as it is, in a cell.
fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

/// A counter as a figure.
fn figure(counter: u64) -> f64 {
    count(usize::try_from(counter).unwrap_or(usize::MAX))
}

/// How much of it there is for each request.
fn each(counter: u64, requests: usize) -> f64 {
    figure(counter) / count(requests)
}
