//! Configuration files and environment variables: refused whole with every finding on a line, or within every rule.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fastrand::Rng;
use join_community::config::{Config, amqp_user, load};
use secrecy::ExposeSecret as _;

use super::{Outcome, Target};
use crate::mutate::{self, once_in, pick, text};

const DEFAULTS: &str = include_str!("../../../config/default.toml");
const LOCAL: &str = include_str!("../../../config/local.toml");
/// Between the file and the variables.
const SEPARATOR: &str = "\n=== environment ===\n";
/// Stands in secret places alone, and must come out nowhere.
const CANARY: &str = "c4n4ry";

const VALUES: [&str; 22] = [
    "true",
    "0",
    "-1",
    "1",
    "65536",
    "9223372036854775807",
    "9223372036854775808",
    "1e3",
    "\"\"",
    "\"0s\"",
    "\"1ms\"",
    "\"20s\"",
    "\"1h 1h\"",
    "\"584554049253years\"",
    "\"99999999999999999999s\"",
    "\"-1s\"",
    "[]",
    "[\"*\"]",
    "{}",
    "[{user=\"x\", identity_types=[\"APP\"], sites=[\"*\"]}]",
    "2026-11-24T10:00:00Z",
    "\"amqp://u:p@h/%2f\"",
];
const SECRETS: [&str; 7] = [
    "BROKER__URL",
    "BROKER__PRODUCER_URL",
    "BROKER__OPERATOR_URL",
    "BROKER__MANAGEMENT_URL",
    "DATABASE__URL",
    "CACHE__URL",
    "OTLP__AUTHORIZATION",
];

pub(crate) struct Configurations {
    /// `section.key` of every key, as the defaults name them.
    keys: Vec<(String, String)>,
    folder: PathBuf,
}

impl Configurations {
    pub(crate) fn new() -> Self {
        let table: toml::Table = DEFAULTS.parse().expect("the defaults are TOML");
        let keys = table.iter().flat_map(|(section, keys)| {
            let keys = keys.as_table().into_iter().flatten();
            keys.map(move |(key, _)| (section.clone(), key.clone()))
        });
        Self { keys: keys.collect(), folder: std::env::temp_dir() }
    }

    fn file(&self, rng: &mut Rng) -> Vec<u8> {
        let mut file = match rng.u32(..6) {
            0 => DEFAULTS.to_owned(),
            1 | 2 => LOCAL.to_owned(),
            _ => String::new(),
        };
        for _ in 0..rng.usize(..3) {
            let (section, key) = pick(rng, &self.keys);
            let value = pick(rng, &VALUES);
            file.extend(["\n[", section, "]\n", key, " = ", value, "\n"]);
        }
        let mut file = file.into_bytes();
        if once_in(rng, 3) {
            mutate::bytes(rng, &mut file, DEFAULTS.as_bytes());
        }
        file
    }

    fn variable(&self, rng: &mut Rng) -> String {
        if once_in(rng, 3) {
            let value = format!(
                "{}{CANARY}{}",
                pick(rng, &["amqp://u:", "postgres://u:", "", "redis://:", "x"]),
                pick(rng, &["@h", "@h/%2f", "", "@h,x", "@"])
            );
            return format!("JOIN_COMMUNITY__{}={value}", pick(rng, &SECRETS));
        }
        let (section, key) = pick(rng, &self.keys);
        let mut name = format!("JOIN_COMMUNITY__{section}__{key}").to_uppercase();
        if once_in(rng, 8) {
            name.push_str(&text(rng, 6).replace(['\n', '='], "_"));
        }
        let value = if once_in(rng, 2) { text(rng, 40) } else { (*pick(rng, &VALUES)).trim_matches('"').to_owned() };
        format!("{name}={}", value.replace('\n', " "))
    }
}

impl Target for Configurations {
    fn make(&self, rng: &mut Rng) -> Vec<u8> {
        let mut input = self.file(rng);
        input.extend_from_slice(SEPARATOR.as_bytes());
        let variables: Vec<String> = (0..*pick(rng, &[0, 0, 1, 2, 4])).map(|_| self.variable(rng)).collect();
        input.extend_from_slice(variables.join("\n").as_bytes());
        input
    }

    fn check(&self, input: &[u8]) -> Outcome {
        let at = input.windows(SEPARATOR.len()).rposition(|part| part == SEPARATOR.as_bytes()).unwrap_or(input.len());
        let variables = String::from_utf8_lossy(input.get(at + SEPARATOR.len()..).unwrap_or_default()).into_owned();
        let variables: Vec<(&str, &str)> = variables.lines().filter_map(|line| line.split_once('=')).collect();
        let path = self.scratch();
        std::fs::write(&path, &input[..at]).expect("a file can be written");
        let loaded = load(Some(&path), variables.iter().copied());
        std::fs::remove_file(&path).expect("what was written is there");
        match loaded {
            Ok(config) => {
                within_the_rules(&config);
                assert!(!format!("{config:?}").contains(CANARY), "a secret is shown");
                Outcome::Accepted
            }
            Err(findings) => {
                let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
                assert!(!lines.is_empty() && !findings.is_empty(), "refused for no reason");
                for line in lines {
                    assert!(
                        line.contains(": ") && !line.chars().any(char::is_control) && line.len() < 16 * 1024,
                        "{line:?}"
                    );
                    assert!(!line.contains(CANARY), "a secret is shown: {line}");
                }
                Outcome::Refused
            }
        }
    }
}

impl Configurations {
    /// A file that no other thread or process has.
    fn scratch(&self) -> PathBuf {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        self.folder.join(format!("join-community-fuzz-{}-{count}.toml", std::process::id()))
    }
}

/// The rules that the worker relies on, whatever was configured.
fn within_the_rules(config: &Config) {
    let Config { broker, database, cache, auth, join, announce, outage, shutdown, requests, .. } = config;
    assert!((1..=64).contains(&join.lanes) && (1..=1000).contains(&join.batch_max));
    assert!(usize::from(join.prefetch) >= join.batch_max);
    assert!(database.lock_timeout < database.statement_timeout && database.statement_timeout < shutdown.grace);
    assert!(announce.lease >= 2 * broker.confirm_timeout && announce.lease > announce.sweep_interval);
    assert!(outage.hold < Duration::from_mins(30) && requests.retention >= Duration::from_hours(1));
    assert!((1..=1_000_000).contains(&announce.queue) && (1..=1000).contains(&announce.batch_max));
    assert!(!cache.prefix.is_empty() && !cache.prefix.contains(['{', '}']) && broker.prefix.len() <= 100);
    assert!(cache.ttl >= Duration::from_secs(1) && cache.timeout <= Duration::from_hours(1));
    assert!(auth.jwks.is_empty() || !(auth.issuer.trim().is_empty() || auth.audience.trim().is_empty()));
    let worker = amqp_user(broker.url.expose_secret()).expect("the URL of the broker names a user");
    let users: HashSet<&str> = auth.producers.iter().map(|producer| producer.user.as_str()).collect();
    assert!(users.len() == auth.producers.len() && !users.contains(worker.as_str()), "{users:?}");
    assert!(config.http.listen.is_empty() || config.http.listen.parse::<std::net::SocketAddr>().is_ok());
}
