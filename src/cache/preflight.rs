//! Asks each server what it is, for a person who wants to know whether it is the right one. Separate from [`super::Profiles`],
//! which needs to know nothing of it.

use std::collections::HashMap;
use std::path::Path;

use redis::{AsyncConnectionConfig, RedisError};
use secrecy::ExposeSecret as _;
use tokio::time::timeout;

use super::connection::{client, remedy};
use crate::config::{self, redact};

/// What a server tells of itself.
#[derive(Clone, Debug, Default)]
pub struct ServerFacts {
    /// The version whose commands it knows.
    pub version: String,
    /// `master` or `slave`.
    pub role: Option<String>,
    /// Its limit in bytes; 0 for none.
    pub maxmemory: u64,
    /// What it does when it is full.
    pub maxmemory_policy: String,
}

/// Why a server tells nothing.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    /// It cannot be reached, or refuses.
    #[error("Redis cannot be reached, or refuses: check address and password{}", remedy(.0))]
    Refused(#[source] RedisError),
    /// It does not answer.
    #[error("Redis does not answer within cache.timeout = {0:?}")]
    Silent(std::time::Duration),
}

/// Asks each server of the URL, by its address without user and password.
pub async fn preflight(config: &config::Cache) -> Vec<(String, Result<ServerFacts, PreflightError>)> {
    let mut servers = Vec::new();
    for url in config.url.expose_secret().split(',').map(str::trim) {
        let answer = timeout(config.timeout, ask(url, &config.ca_file)).await;
        let answer = answer.map_err(|_| PreflightError::Silent(config.timeout));
        servers.push((redact(url), answer.and_then(|answer| answer.map_err(PreflightError::Refused))));
    }
    servers
}

async fn ask(url: &str, ca_file: &Path) -> Result<ServerFacts, RedisError> {
    // The limit around it counts, not the library's own.
    let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    let mut connection = client(url, ca_file)?.get_multiplexed_async_connection_with_config(&config).await?;
    let info: String = redis::cmd("INFO").query_async(&mut connection).await?;
    Ok(read(&info))
}

fn read(info: &str) -> ServerFacts {
    let facts: HashMap<_, _> = info.lines().filter_map(|line| line.trim_end().split_once(':')).collect();
    let text = |key| facts.get(key).copied().unwrap_or_default().to_owned();
    ServerFacts {
        version: text("redis_version"),
        role: facts.get("role").copied().map(str::to_owned),
        maxmemory: text("maxmemory").parse().unwrap_or_default(),
        maxmemory_policy: text("maxmemory_policy"),
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn what_a_server_says_is_read() {
        let facts = read(
            "# Server\r\nredis_version:7.0.15\r\n\r\nmaxmemory:1024\r\nmaxmemory_policy:volatile-ttl\r\nrole:master\r\n",
        );
        assert_eq!((facts.version.as_str(), facts.maxmemory), ("7.0.15", 1024));
        assert_eq!((facts.role.as_deref(), facts.maxmemory_policy.as_str()), (Some("master"), "volatile-ttl"));
    }
}
