//! The cache of public profiles, on a real Redis: what is newer wins, and a tombstone also over an equal one.

use std::process::{Child, Command, Stdio};

use join_community::cache::{Correction, Entry, Held, Profiles, Written};
use join_community::config::{self, Config};
use join_community::domain::{MemberId, SiteId};
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use crate::support::{self, PATIENCE, eventually};

const PROFILE: &str = r#"{"id":"1","profile":{"nickname":"Ada"}}"#;

fn settings() -> config::Cache {
    let config: Config = support::config(&[]);
    config::Cache { prefix: support::redis_prefix(), ttl: std::time::Duration::from_mins(10), ..config.cache }
}

fn entry(member: MemberId, event_sequence: i64, profile: Option<&str>) -> Entry {
    let member_json = profile.map(|json| json.as_bytes().to_vec());
    Entry { site: SiteId(Uuid::nil()), member_id: member, event_sequence, member: member_json }
}

async fn write(profiles: &mut Profiles, entry: Entry) -> Option<(i64, Option<String>)> {
    let (site, member) = (entry.site, entry.member_id);
    let Written { up_to_date, error } = profiles.write(&[entry]).await.unwrap();
    assert_eq!((up_to_date, error.is_none()), (vec![true], true));
    profiles.read(site, member).await.unwrap()
}

async fn raw(cache: &config::Cache) -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(cache.url.expose_secret()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

#[tokio::test]
async fn only_what_is_newer_is_written_and_a_tombstone_also_wins_over_an_equal_one() {
    let mut profiles = Profiles::new(&settings()).unwrap();
    let member = MemberId(Uuid::new_v4());
    let held = |sequence, profile: Option<&str>| Some((sequence, profile.map(str::to_owned)));
    assert_eq!(write(&mut profiles, entry(member, 17, Some(PROFILE))).await, held(17, Some(PROFILE)));
    assert_eq!(write(&mut profiles, entry(member, 16, None)).await, held(17, Some(PROFILE)), "older");
    assert_eq!(write(&mut profiles, entry(member, 17, Some("{}"))).await, held(17, Some(PROFILE)), "equal");
    assert_eq!(write(&mut profiles, entry(member, 17, None)).await, held(17, None), "an equal tombstone");
    assert_eq!(write(&mut profiles, entry(member, 17, Some(PROFILE))).await, held(17, None), "after the tombstone");
    assert_eq!(write(&mut profiles, entry(member, 18, Some(PROFILE))).await, held(18, Some(PROFILE)), "joined again");
}

#[tokio::test]
async fn sequences_beyond_what_a_double_can_hold_are_told_apart() {
    let mut profiles = Profiles::new(&settings()).unwrap();
    let member = MemberId(Uuid::new_v4());
    let beyond = 1_i64 << 53;
    for sequence in [9, 10, beyond, beyond + 1, i64::MAX] {
        let held = write(&mut profiles, entry(member, sequence, Some(PROFILE))).await;
        assert_eq!(held.map(|(held, _)| held), Some(sequence));
    }
}

#[tokio::test]
async fn every_entry_has_a_time_to_live_spread_by_a_tenth() {
    let cache = settings();
    let mut profiles = Profiles::new(&cache).unwrap();
    let mut connection = raw(&cache).await;
    let mut lives = Vec::new();
    for place in 0..64_u128 {
        let member = MemberId(Uuid::from_u128(place * 4));
        write(&mut profiles, entry(member, 1, place.is_multiple_of(2).then_some(PROFILE))).await;
        let key = profiles.key(SiteId(Uuid::nil()), member);
        let left: i64 = redis::cmd("PTTL").arg(key).query_async(&mut connection).await.unwrap();
        lives.push(left);
    }
    let ttl = i64::try_from(cache.ttl.as_millis()).unwrap();
    assert!(lives.iter().all(|left| (ttl / 10 * 9 - 30_000..=ttl / 10 * 11).contains(left)), "{lives:?}");
    assert!(lives.iter().max().unwrap() - lives.iter().min().unwrap() > ttl / 10, "{lives:?}");
}

#[tokio::test]
async fn junk_under_a_key_is_written_over_and_forgotten_scripts_are_loaded_again() {
    let cache = settings();
    let mut profiles = Profiles::new(&cache).unwrap();
    let mut connection = raw(&cache).await;
    let member = MemberId(Uuid::new_v4());
    let key = profiles.key(SiteId(Uuid::nil()), member);
    let () = redis::cmd("SET").arg(&key).arg("junk").query_async(&mut connection).await.unwrap();
    assert_eq!(write(&mut profiles, entry(member, 1, Some(PROFILE))).await.map(|(held, _)| held), Some(1));
    let () = redis::cmd("HSET").arg(&key).arg("sequence").arg("many").query_async(&mut connection).await.unwrap();
    let () = redis::cmd("SCRIPT").arg("FLUSH").query_async(&mut connection).await.unwrap();
    assert_eq!(write(&mut profiles, entry(member, 2, Some(PROFILE))).await.map(|(held, _)| held), Some(2));
}

/// A Redis of the test's own, which ends with it.
struct Server {
    process: Child,
    port: u16,
}

impl Server {
    async fn start(settings: &[&str]) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .args(["--dir", env!("CARGO_TARGET_TMPDIR"), "--cluster-config-file", &format!("nodes-{port}.conf")])
            .args(settings)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server can be started");
        let server = Self { process, port };
        eventually("the test's own Redis answers", PATIENCE, async || server.try_connect().await).await;
        server
    }

    /// A Redis Cluster of one node.
    async fn start_cluster() -> Self {
        let bus = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self::start(&["--cluster-enabled", "yes", "--cluster-port", &bus.to_string()]).await;
        let mut connection = server.try_connect().await.unwrap();
        let mut slots = redis::cmd("CLUSTER");
        let () = slots.arg("ADDSLOTSRANGE").arg(0).arg(16383).query_async(&mut connection).await.unwrap();
        eventually("the cluster is whole", PATIENCE, async || {
            let info: String = redis::cmd("CLUSTER").arg("INFO").query_async(&mut connection).await.unwrap();
            if info.contains("cluster_state:ok") { Ok(()) } else { Err(info) }
        })
        .await;
        server
    }

    async fn try_connect(&self) -> redis::RedisResult<redis::aio::MultiplexedConnection> {
        redis::Client::open(self.url()).unwrap().get_multiplexed_async_connection().await
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn settings(url: String) -> config::Cache {
        config::Cache { url: SecretString::from(url), timeout: PATIENCE, ..settings() }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
        std::fs::remove_file(format!("{}/nodes-{}.conf", env!("CARGO_TARGET_TMPDIR"), self.port)).ok();
    }
}

#[tokio::test]
async fn a_cluster_takes_a_batch_over_many_slots_and_the_same_rule_holds() {
    let cluster = Server::start_cluster().await;
    // Several nodes name a cluster; one of them twice will do.
    let mut profiles = Profiles::new(&Server::settings(format!("{0},{0}", cluster.url()))).unwrap();
    let members: Vec<MemberId> = (0..100).map(|_| MemberId(Uuid::new_v4())).collect();
    let batch = |sequence, profile| members.iter().map(|member| entry(*member, sequence, profile)).collect::<Vec<_>>();
    for (sequence, profile) in [(2, Some(PROFILE)), (1, None), (2, None)] {
        let written = profiles.write(&batch(sequence, profile)).await.unwrap();
        assert!(written.error.is_none() && written.up_to_date == vec![true; members.len()], "{written:?}");
    }
    for member in &members {
        let held = profiles.read(SiteId(Uuid::nil()), *member).await.unwrap();
        assert_eq!(held, Some((2, None)), "a tombstone wins over an equal profile, an older one does not");
    }

    let correct = |seen: Option<&str>, profile| {
        let seen = seen.map(|json| json.as_bytes().to_vec());
        let corrections = batch(2, Some(profile)).into_iter();
        corrections.map(|entry| Correction { entry, seen: seen.clone() }).collect::<Vec<_>>()
    };
    let keys: Vec<_> = members.iter().map(|member| (SiteId(Uuid::nil()), *member)).collect();
    for (seen, profile, expected) in [
        (Some("{}"), PROFILE, None),
        (None, PROFILE, Some(PROFILE)),
        (None, "{}", Some(PROFILE)),
        (Some(PROFILE), "{}", Some("{}")),
    ] {
        profiles.correct(&correct(seen, profile)).await.unwrap();
        let expected = Held::Entry { event_sequence: 2, member: expected.map(|json| json.as_bytes().to_vec()) };
        assert_eq!(profiles.look(&keys).await.unwrap(), vec![expected; keys.len()], "only what was seen is replaced");
    }
}

#[tokio::test]
async fn a_full_redis_refuses_profiles_and_never_a_tombstone() {
    let server = Server::start(&["--maxmemory-policy", "noeviction"]).await;
    let mut profiles = Profiles::new(&Server::settings(server.url())).unwrap();
    let first = MemberId(Uuid::new_v4());
    write(&mut profiles, entry(first, 1, Some(PROFILE))).await;
    let mut connection = server.try_connect().await.unwrap();
    let mut fill = redis::cmd("CONFIG");
    let () = fill.arg("SET").arg("maxmemory").arg("100kb").query_async(&mut connection).await.unwrap();
    let written = profiles.write(&[entry(MemberId(Uuid::new_v4()), 1, Some(PROFILE))]).await.unwrap();
    assert_eq!(written.error.and_then(|error| error.code().map(str::to_owned)).as_deref(), Some("OOM"));
    assert!(profiles.probe().await.is_err(), "a server that takes no profile does not serve");
    assert_eq!(write(&mut profiles, entry(first, 2, None)).await, Some((2, None)), "a blocked profile must go");
}

#[tokio::test]
async fn a_server_that_was_demoted_does_not_serve_although_it_answers() {
    let server = Server::start(&[]).await;
    let mut profiles = Profiles::new(&Server::settings(server.url())).unwrap();
    profiles.probe().await.unwrap();
    let mut connection = server.try_connect().await.unwrap();
    let mut demote = redis::cmd("REPLICAOF");
    let () = demote.arg("127.0.0.1").arg(1).query_async(&mut connection).await.unwrap();
    assert!(profiles.probe().await.is_err());
    let written = profiles.write(&[entry(MemberId(Uuid::new_v4()), 1, Some(PROFILE))]).await.unwrap();
    assert_eq!((written.up_to_date, written.error.is_some()), (vec![false], true));
}
