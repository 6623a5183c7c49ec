//! What a run was made with: a figure without its versions says little.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use sqlx::{Connection as _, PgConnection};

use crate::suite::support::{cache, variable};

/// The versions of the services, and of the worker.
pub(crate) async fn of_services() -> Result<BTreeMap<&'static str, String>> {
    let mut database = PgConnection::connect(&variable("JOIN_COMMUNITY__DATABASE__URL")).await?;
    let postgres: String = sqlx::query_scalar("SHOW server_version").fetch_one(&mut database).await?;
    let mut cache = cache::connection(&variable("JOIN_COMMUNITY__CACHE__URL")).await?;
    let info: String = redis::cmd("INFO").arg("server").query_async(&mut cache).await?;
    let word = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
    // Valkey calls itself a Redis as well, of the version that it is compatible with.
    let cache = match word("valkey_version:") {
        Some(version) => ("Valkey", version),
        None => ("Redis", word("redis_version:").context("the cache tells no version")?),
    };
    Ok(BTreeMap::from([
        ("RabbitMQ", broker().await?),
        ("PostgreSQL", postgres),
        cache,
        ("join-community", env!("CARGO_PKG_VERSION").to_owned()),
        ("cores", std::thread::available_parallelism()?.to_string()),
    ]))
}

async fn broker() -> Result<String> {
    let mut url: reqwest::Url = variable("RABBITMQ_MANAGEMENT_URL").parse()?;
    let (user, password) = (url.username().to_owned(), url.password().map(str::to_owned));
    // What stands in the URL would be sent as well.
    url.set_username("").and_then(|()| url.set_password(None)).map_err(|()| anyhow::anyhow!("a URL without a host"))?;
    let client = reqwest::Client::builder().no_proxy().build()?;
    let overview = client.get(url.join("api/overview")?).basic_auth(user, password).send().await?;
    let overview: serde_json::Value = overview.error_for_status()?.json().await?;
    Ok(overview["rabbitmq_version"].as_str().unwrap_or("unknown").to_owned())
}
