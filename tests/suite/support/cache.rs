//! The cache as its readers see it: plain Redis commands, and nothing of the worker's code.

use std::collections::HashMap;
use std::time::Duration;

use join_community::config;
use redis::AsyncCommands as _;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use sqlx::Row as _;
use uuid::Uuid;

use super::waiting::{PATIENCE, eventually};
use super::{Installation, Worker, instant};

/// An entry, or a tombstone if there is no member in it.
pub(crate) type Cached = (i64, Option<Value>);

pub(super) async fn connect(config: &config::Cache) -> redis::aio::MultiplexedConnection {
    connection(config.url.expose_secret())
        .await
        .unwrap_or_else(|error| panic!("Redis of the environment does not answer, `scripts/services up`: {error}"))
}

/// A connection that bears a machine which is busy with other tests; the library gives up after half a second.
pub(crate) async fn connection(url: &str) -> redis::RedisResult<redis::aio::MultiplexedConnection> {
    let patient =
        redis::AsyncConnectionConfig::new().set_connection_timeout(Some(PATIENCE)).set_response_timeout(Some(PATIENCE));
    redis::Client::open(url)?.get_multiplexed_async_connection_with_config(&patient).await
}

impl Installation {
    /// What the cache holds for a member.
    pub(crate) async fn cached(&self, site: Uuid, member: Uuid) -> Option<Cached> {
        let entry: HashMap<String, String> = self.cache.clone().hgetall(self.key(site, member)).await.unwrap();
        let sequence = entry.get("sequence")?.parse().expect("a decimal sequence");
        assert!(entry.keys().all(|field| field == "sequence" || field == "member"), "{entry:?}");
        Some((sequence, entry.get("member").map(|json| serde_json::from_str(json).expect("JSON"))))
    }

    /// Waits until the cache holds an entry or tombstone of this sequence for a member.
    pub(crate) async fn cached_at(&self, site: Uuid, member: Uuid, sequence: i64) -> Option<Value> {
        eventually(&format!("the cache holds member {member} at {sequence}"), PATIENCE, async || {
            match self.cached(site, member).await {
                Some((cached, entry)) if cached == sequence => Ok(entry),
                other => Err(other),
            }
        })
        .await
    }

    /// Puts an entry there, as an earlier worker may have left it.
    pub(crate) async fn cache_holds(&self, site: Uuid, member: Uuid, sequence: i64, entry: &Value) {
        let fields = [("sequence", sequence.to_string()), ("member", entry.to_string())];
        let _: () = self.cache.clone().hset_multiple(self.key(site, member), &fields).await.unwrap();
        let _: bool = self.cache.clone().pexpire(self.key(site, member), 600_000).await.unwrap();
    }

    /// What the cache is to show of a member.
    pub(crate) async fn profile(&self, site: Uuid, member: Uuid) -> Value {
        let row = "SELECT created_date, updated_date FROM members WHERE site_id = $1 AND id = $2";
        let row = sqlx::query(row).bind(site).bind(member).fetch_one(&mut self.stranger().await).await.unwrap();
        let date = |column: usize| instant(row.get(column));
        json!({
            "id": member, "contactId": member, "createdDate": date(0), "updatedDate": date(1),
            "privacyStatus": "PUBLIC", "profile": { "nickname": "Jane", "slug": "jane" },
        })
    }

    /// How long an entry has still to live.
    pub(crate) async fn cache_ttl(&self, site: Uuid, member: Uuid) -> Duration {
        let left: i64 = self.cache.clone().pttl(self.key(site, member)).await.unwrap();
        Duration::from_millis(left.try_into().expect("the entry has a time to live"))
    }

    /// A connection to the cache, for what has no words of its own here.
    pub(crate) fn redis(&self) -> redis::aio::MultiplexedConnection {
        self.cache.clone()
    }

    fn key(&self, site: Uuid, member: Uuid) -> String {
        format!("{}:{site}:{member}", self.config.cache.prefix)
    }
}

impl Worker {
    /// Waits until the audit has looked at every member, of whom there are so many, wherever its round began.
    pub(crate) async fn until_audited(&self, members: u64) {
        let audited = || self.counted("join_community_profile_cache_audited_total");
        let most = audited() + 2 * members;
        eventually("a whole round is audited", PATIENCE, async || match audited() {
            audited if audited >= most => Ok(()),
            audited => Err(audited),
        })
        .await;
    }

    /// How many entries were found behind, wrong and ahead.
    pub(crate) fn drift(&self) -> [u64; 3] {
        let count = |kind| self.counted(&format!("join_community_profile_cache_drift_total{{kind=\"{kind}\"}}"));
        ["behind", "wrong", "ahead"].map(count)
    }
}
