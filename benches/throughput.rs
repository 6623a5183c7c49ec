//! Joins per second: the worker as a user runs it drains a queue of requests, durable everywhere.
//!
//! `make bench`, or with other numbers `JOIN_COMMUNITY_BENCH_REQUESTS=100000 JOIN_COMMUNITY_BENCH_ROUNDS=5 cargo bench`.
//! The clock runs from the first delivery until every request has its verdict, every member its cache entry and its
//! confirmed event, and nothing is owed any more.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench ends with the reason, and prints"
)]
#![allow(dead_code, unused_imports, reason = "the support of the integration tests serves here as well, in part")]

#[path = "../tests/suite"]
mod suite {
    pub(crate) mod support;
}

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lapin::options::{
    BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions, QueueDeclareOptions, QueuePurgeOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel};
use secrecy::ExposeSecret as _;
use sqlx::{Connection as _, Row as _};
use suite::support::Installation;
use time::OffsetDateTime;
use uuid::Uuid;

const SITE: Uuid = Uuid::from_u128(0x6b0e_7f1a_8c0d_4f3e_9a57_2d1c_4b5e_6f70);
const EVENTS: &str = "bench.events";

fn main() {
    let requests = number("JOIN_COMMUNITY_BENCH_REQUESTS", 20_000);
    let rounds = number("JOIN_COMMUNITY_BENCH_ROUNDS", 3);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut rates: Vec<f64> = (0..rounds).map(|round| runtime.block_on(one_round(round, requests))).collect();
    rates.sort_by(f64::total_cmp);
    let (least, most) = (rates[0], rates[rates.len() - 1]);
    println!(
        "median {:.0} joins/s (min {least:.0}, max {most:.0}), {requests} requests a round",
        rates[rates.len() / 2]
    );
    println!("{} cores, {}", std::thread::available_parallelism().map_or(0, usize::from), processor());
}

/// Fills the queue, starts the worker, waits until all is done. Everything is new in each round.
async fn one_round(round: usize, requests: usize) -> f64 {
    let installation = Installation::with(|config| config.join.lanes = 4).await;
    let mut records = sqlx::PgConnection::connect(installation.config.database.url.expose_secret()).await.unwrap();
    if round == 0 {
        let version: String = sqlx::query_scalar("SHOW server_version").fetch_one(&mut records).await.unwrap();
        println!(
            "PostgreSQL {version}; the worker is the optimised binary, trusted producer, all services on this machine"
        );
    }
    let members = fill_members(&mut records, requests).await;
    let channel = installation.channel().await;
    bind_events(&channel).await;
    enqueue(&installation, &members).await;

    let mut worker = start_worker(&installation);
    let ended = until_done(&installation, &mut records, &channel, requests).await;
    let first: OffsetDateTime =
        sqlx::query_scalar("SELECT min(received_at) FROM join_requests").fetch_one(&mut records).await.unwrap();
    let seconds = (ended - first).as_seconds_f64();
    let cpu = cpu_seconds(&worker);
    stop(&mut worker);
    let joins = f64::from(u32::try_from(requests).unwrap());
    let rate = joins / seconds;
    println!(
        "round {}: {rate:.0} joins/s, {seconds:.2} s, {:.0} µs of the worker's own CPU a request",
        round + 1,
        cpu * 1e6 / joins
    );
    records.close().await.ok();
    rate
}

async fn fill_members(records: &mut sqlx::PgConnection, count: usize) -> Vec<Uuid> {
    sqlx::query(
        "INSERT INTO members (site_id, id, login_email, contact_id, contact, profile)
         SELECT $1, gen_random_uuid(), 'member' || n || '@example.com', gen_random_uuid(),
                '{\"firstName\": \"John\", \"lastName\": \"Doe\", \"phones\": [\"2075556300\"]}',
                jsonb_build_object('nickname', 'John Doe', 'slug', 'johndoe' || n)
         FROM generate_series(1, $2) n",
    )
    .bind(SITE)
    .bind(i64::try_from(count).unwrap())
    .execute(&mut *records)
    .await
    .unwrap();
    sqlx::query("ANALYZE members").execute(&mut *records).await.unwrap();
    sqlx::query_scalar("SELECT id FROM members").fetch_all(records).await.unwrap()
}

/// A durable consumer's queue, so that each event has somewhere to be confirmed by.
async fn bind_events(channel: &Channel) {
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    channel.queue_declare(EVENTS.into(), durable, arguments).await.unwrap();
    let key = "wix.members.v1.member_updated".into();
    channel
        .queue_bind(EVENTS.into(), "members.events".into(), key, QueueBindOptions::default(), FieldTable::default())
        .await
        .unwrap();
    channel.queue_purge(EVENTS.into(), QueuePurgeOptions::default()).await.unwrap();
}

async fn enqueue(installation: &Installation, members: &[Uuid]) {
    let url = &installation.vhost().producer_url;
    let connection = lapin::Connection::connect(url, lapin::ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    for window in members.chunks(500) {
        let mut confirms = Vec::with_capacity(window.len());
        for member in window {
            let body = format!(
                r#"{{"siteId":"{SITE}","memberId":"{member}","identity":{{"identityType":"MEMBER","memberId":"{member}"}}}}"#
            );
            let properties = BasicProperties::default()
                .with_message_id(Uuid::now_v7().to_string().into())
                .with_type("join-community.v1".into())
                .with_content_type("application/json".into())
                .with_user_id("member-gateway".into())
                .with_delivery_mode(2);
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let (exchange, key) = ("join-community".into(), "request".into());
            confirms.push(channel.basic_publish(exchange, key, options, body.as_bytes(), properties).await.unwrap());
        }
        for confirm in confirms {
            assert!(confirm.await.unwrap().is_ack());
        }
    }
    connection.close(200, "done".into()).await.unwrap();
}

/// The binary with its defaults, but for where things are.
fn start_worker(installation: &Installation) -> Child {
    let vhost = installation.vhost();
    Command::new(env!("CARGO_BIN_EXE_join-community"))
        .arg("run")
        .env("JOIN_COMMUNITY__BROKER__URL", &vhost.worker_url)
        .env("JOIN_COMMUNITY__DATABASE__URL", installation.config.database.url.expose_secret())
        .env("JOIN_COMMUNITY__CACHE__PREFIX", &installation.config.cache.prefix)
        .env("JOIN_COMMUNITY__HTTP__LISTEN", "")
        .env("JOIN_COMMUNITY__LOG__FILTER", "warn,lapin=off")
        .env(
            "JOIN_COMMUNITY__AUTH__PRODUCERS",
            r#"[{user = "member-gateway", identity_types = ["MEMBER"], sites = ["*"], may_elevate = false}]"#,
        )
        .stdin(Stdio::null())
        .spawn()
        .unwrap()
}

async fn until_done(
    installation: &Installation,
    records: &mut sqlx::PgConnection,
    channel: &Channel,
    requests: usize,
) -> OffsetDateTime {
    let deadline = Instant::now() + Duration::from_mins(5);
    let wanted = i64::try_from(requests).unwrap();
    loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(Instant::now() < deadline, "not done within five minutes");
        let left: i64 = sqlx::query(
            "SELECT (SELECT $1 - count(*) FROM join_requests WHERE verdict = 'joined') + (SELECT count(*) FROM outbox)",
        )
        .bind(wanted)
        .fetch_one(&mut *records)
        .await
        .unwrap()
        .get(0);
        if left > 0 {
            continue;
        }
        let now = OffsetDateTime::now_utc();
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let events =
            channel.queue_declare(EVENTS.into(), passive, FieldTable::default()).await.unwrap().message_count();
        if usize::try_from(events).unwrap() >= requests && cached(installation).await >= requests {
            return now;
        }
    }
}

/// Entries in the cache under this round's prefix.
async fn cached(installation: &Installation) -> usize {
    let client = redis::Client::open(installation.config.cache.url.expose_secret()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let (mut cursor, mut keys) = (0_u64, 0);
    loop {
        let pattern = format!("{}:*", installation.config.cache.prefix);
        let page = redis::cmd("SCAN").arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(10_000).clone();
        let (next, found): (u64, Vec<String>) = page.query_async(&mut connection).await.unwrap();
        keys += found.len();
        cursor = next;
        if cursor == 0 {
            return keys;
        }
    }
}

/// User and system time that a process has used, from the kernel's own book-keeping.
fn cpu_seconds(worker: &Child) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", worker.id())).unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    // Linux counts these in hundredths of a second for every program.
    ticks / 100.0
}

fn stop(worker: &mut Child) {
    let killed = Command::new("kill").arg(worker.id().to_string()).status().unwrap();
    assert!(killed.success());
    assert!(worker.wait().unwrap().success(), "the worker did not drain");
}

fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or_else(|| "unknown processor".into(), |(_, model)| model.to_owned())
}

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable} is no number")))
}
