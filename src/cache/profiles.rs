//! Entries and tombstones, written only if newer: decided on the server, each key by itself.

mod inspect;

use std::time::Duration;

use metrics::Counter;
use redis::{Cmd, RedisError, RedisResult};
use secrecy::ExposeSecret as _;
use time::OffsetDateTime;

use super::connection::{Connection, Server, remedy};
use crate::ceiling;
use crate::config;
use crate::domain::{MemberId, SiteId};

pub use inspect::{Correction, Held};

/// Why entries were not written.
#[derive(Debug, thiserror::Error)]
pub enum CacheError {
    /// The URL, or the authorities that it needs, cannot be used.
    #[error("cache.url or cache.ca_file cannot be used")]
    Url(#[source] RedisError),
    /// Redis refused, or the connection failed.
    #[error("Redis does not serve{}", remedy(.0))]
    Redis(#[from] RedisError),
    /// Redis did not answer.
    #[error("Redis did not answer within {0:?}")]
    Silent(Duration),
}

/// What a key shall hold.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The member's site.
    pub site: SiteId,
    /// The member.
    pub member_id: MemberId,
    /// The record's sequence.
    pub event_sequence: i64,
    /// The public profile as JSON; `None` writes a tombstone.
    pub member: Option<Vec<u8>>,
}

/// What became of a batch of entries.
#[derive(Debug)]
pub struct Written {
    /// For each entry, whether the cache is up to date with it: it was written, or what is there is newer.
    pub up_to_date: Vec<bool>,
    /// The first error, where there was one.
    pub error: Option<RedisError>,
}

/// The cache. A connection on which anything failed is thrown away: a server that hangs, or was demoted, would otherwise
/// stay in use.
pub struct Profiles {
    server: Server,
    connection: Option<(Connection, Box<str>)>,
    prefix: String,
    ttl: Duration,
    limit: Duration,
    opened: Counter,
}

const SET_IF_NEWER: &str = include_str!("lua/set_if_newer.lua");

impl Profiles {
    /// Prepares the cache; connects with its first use.
    ///
    /// # Errors
    /// If the URL cannot be used.
    pub fn new(config: &config::Cache) -> Result<Self, CacheError> {
        Ok(Self {
            server: Server::new(config.url.expose_secret(), config.timeout, &config.ca_file)
                .map_err(CacheError::Url)?,
            connection: None,
            prefix: config.prefix.clone(),
            ttl: config.ttl,
            limit: config.timeout,
            opened: Counter::noop(),
        })
    }

    /// Counts the connections that it opens.
    #[must_use]
    pub fn counted(self, opened: Counter) -> Self {
        Self { opened, ..self }
    }

    /// The key of a member's entry.
    #[must_use]
    pub fn key(&self, site: SiteId, member: MemberId) -> String {
        format!("{}:{site}:{member}", self.prefix)
    }

    /// Writes what is newer than what is there.
    ///
    /// # Errors
    /// If the cache does not serve at all; whatever was written then is written again later.
    pub async fn write(&mut self, entries: &[Entry]) -> Result<Written, CacheError> {
        if entries.is_empty() || ceiling::is_on() {
            return Ok(Written { up_to_date: vec![true; entries.len()], error: None });
        }
        let ttls: Vec<u64> = entries.iter().map(|entry| self.ttl_millis(entry)).collect();
        self.within_limit(async |profiles| {
            let mut answers = profiles.invoke(entries, &ttls).await?;
            if answers.iter().any(|answer| answer.as_ref().is_err_and(|error| error.code() == Some("NOSCRIPT"))) {
                // The server forgot its scripts: it was restarted, failed over, or flushed. A new connection loads them.
                profiles.connection = None;
                answers = profiles.invoke(entries, &ttls).await?;
            }
            let up_to_date = answers.iter().map(Result::is_ok).collect();
            let error = answers.into_iter().find_map(Result::err);
            if error.is_some() {
                profiles.connection = None;
            }
            Ok(Written { up_to_date, error })
        })
        .await
    }

    /// Asks whether Redis serves, by a write like any other: a server that was demoted, or is full, still answers a ping.
    ///
    /// # Errors
    /// If it does not.
    pub async fn probe(&mut self) -> Result<(), CacheError> {
        const MILLIS: u64 = 10_000;
        let key = format!("{}:probe", self.prefix);
        // Newer each time, or nothing would be written.
        let now = i64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos()).unwrap_or(i64::MAX);
        self.within_limit(async |profiles| {
            let (connection, script) = profiles.connected().await?;
            connection.query::<i64>(&set_if_newer(script, &key, now, MILLIS, Some(b"{}"))).await.map(|_| ())
        })
        .await
    }

    /// Reads an entry: its sequence, and the member unless it is a tombstone.
    ///
    /// # Errors
    /// If the cache does not serve.
    pub async fn read(&mut self, site: SiteId, member: MemberId) -> Result<Option<(i64, Option<String>)>, CacheError> {
        let mut read = redis::cmd("HMGET");
        read.arg(self.key(site, member)).arg("sequence").arg("member");
        let (sequence, member): (Option<i64>, Option<String>) = self
            .within_limit(async |profiles| {
                let (connection, _) = profiles.connected().await?;
                connection.query(&read).await
            })
            .await?;
        Ok(sequence.map(|sequence| (sequence, member)))
    }

    async fn invoke(&mut self, entries: &[Entry], ttls: &[u64]) -> RedisResult<Vec<RedisResult<i64>>> {
        let keys: Vec<String> = entries.iter().map(|entry| self.key(entry.site, entry.member_id)).collect();
        let (connection, script) = self.connected().await?;
        let commands =
            entries.iter().zip(&keys).zip(ttls).map(|((entry, key), ttl)| {
                set_if_newer(script, key, entry.event_sequence, *ttl, entry.member.as_deref())
            });
        connection.query_all(commands.collect()).await
    }

    async fn connected(&mut self) -> RedisResult<&mut (Connection, Box<str>)> {
        if self.connection.is_none() {
            let mut connection = self.server.connect().await?;
            self.opened.increment(1);
            let script: String = connection.query(redis::cmd("SCRIPT").arg("LOAD").arg(SET_IF_NEWER)).await?;
            self.connection = Some((connection, script.into()));
        }
        self.connection.as_mut().ok_or_else(|| (redis::ErrorKind::Client, "not connected").into())
    }

    async fn within_limit<T>(&mut self, work: impl AsyncFnOnce(&mut Self) -> RedisResult<T>) -> Result<T, CacheError> {
        let limit = self.limit;
        let done = match tokio::time::timeout(limit, work(self)).await {
            Ok(done) => done.map_err(CacheError::Redis),
            Err(_) => Err(CacheError::Silent(limit)),
        };
        if done.is_err() {
            self.connection = None;
        }
        done
    }

    /// The time to live, spread by a tenth either way so that entries written together do not expire together. The
    /// spread follows from the member's id: no source of randomness is needed.
    fn ttl_millis(&self, entry: &Entry) -> u64 {
        let spread = u64::from(entry.member_id.0.as_bytes()[15]);
        let ttl = u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX / 2);
        ttl / 10 * 9 + ttl / 5 * spread / 255
    }
}

fn set_if_newer(script: &str, key: &str, event_sequence: i64, ttl: u64, member: Option<&[u8]>) -> Cmd {
    let mut command = redis::cmd("EVALSHA");
    command.arg(script).arg(1).arg(key).arg(event_sequence).arg(ttl);
    if let Some(member) = member {
        command.arg(member);
    }
    command
}
