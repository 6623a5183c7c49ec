//! RabbitMQ in trouble without being away: publishers blocked, connections closed, rights withdrawn, confirms refused.

use std::time::Duration;

use anyhow::Result;
use futures_util::FutureExt as _;
use lapin::options::{QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable};
use reqwest::Method;
use serde_json::{Value, json};

use crate::sender::Sender;
use crate::stage::Stage;
use crate::suite::support::services::Alarm;
use crate::trial::{Fault, Outcome, Trial};

const WHILE: Duration = Duration::from_secs(3);
const WORKER: &str = "join-worker";
const URL: &str = "JOIN_COMMUNITY__BROKER__URL";

pub(super) fn faults() -> Vec<Fault> {
    let fault = |name, what, alone, run| {
        // Another way to be locked out than without rights, and slower.
        let quick = name != "rabbitmq/password-changed";
        Fault { name, what, quick, alone, workers: &[1, 3], run }
    };
    vec![
        fault("rabbitmq/memory-alarm", "every publisher blocked for a while", true, |trial| {
            memory_alarm(trial).boxed()
        }),
        fault("rabbitmq/connections-closed", "the worker's connections closed by an operator", false, |trial| {
            connections_closed(trial).boxed()
        }),
        fault("rabbitmq/rights-withdrawn", "the worker may neither read nor write for a while", false, |trial| {
            rights_withdrawn(trial).boxed()
        }),
        fault("rabbitmq/password-changed", "the password of the worker's user changed for a while", false, |trial| {
            password_changed(trial).boxed()
        }),
        fault("rabbitmq/nacked-confirms", "a consumer's queue is full and refuses what is published", false, |trial| {
            nacked_confirms(trial).boxed()
        }),
    ]
}

async fn begin(trial: &Trial) -> Result<(Stage, Sender)> {
    let stage = Stage::with_workers(trial).await?;
    let mut sender = stage.load(if trial.quick { 200 } else { 1000 }, Duration::from_millis(30)).await?;
    sender.until(10).await?;
    Ok((stage, sender))
}

async fn memory_alarm(trial: Trial) -> Result<Outcome> {
    let (mut stage, sender) = begin(&trial).await?;
    let alarm = tokio::task::spawn_blocking(Alarm::raise).await?;
    tokio::time::sleep(WHILE).await;
    tokio::task::spawn_blocking(move || alarm.end()).await?;
    stage.healed();
    stage.conclude(sender).await
}

async fn connections_closed(trial: Trial) -> Result<Outcome> {
    let (mut stage, sender) = begin(&trial).await?;
    let closed = close_connections(&stage, WORKER).await;
    stage.healed();
    Ok(Outcome { times: closed, ..stage.conclude(sender).await? })
}

/// Closes every connection of a user that the management knows of by now; it takes seconds to learn of one.
async fn close_connections(stage: &Stage, user: &str) -> u64 {
    let vhost = stage.installation.vhost();
    let mut closed = 0;
    for _ in 0..100 {
        let path = format!("vhosts/{}/connections?columns=name,user", vhost.name);
        let connections = vhost.manage(Method::GET, &path, None).await;
        for connection in connections.as_array().into_iter().flatten().filter(|one| one["user"] == user) {
            let Some(name) = connection["name"].as_str() else { continue };
            let name = name.replace(' ', "%20").replace('>', "%3E");
            vhost.manage(Method::DELETE, &format!("connections/{name}"), None).await;
            closed += 1;
        }
        if closed > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    closed
}

async fn rights_withdrawn(trial: Trial) -> Result<Outcome> {
    let (mut stage, sender) = begin(&trial).await?;
    let path = format!("permissions/{}/{WORKER}", stage.installation.vhost().name);
    let before: Value = stage.installation.vhost().manage(Method::GET, &path, None).await;
    let rights =
        |of: &dyn Fn(&str) -> Value| json!({ "configure": of("configure"), "write": of("write"), "read": of("read") });
    let none = rights(&|_| json!("^$"));
    stage.installation.vhost().manage(Method::PUT, &path, Some(&none)).await;
    // What is open keeps what it was allowed for a while.
    close_connections(&stage, WORKER).await;
    tokio::time::sleep(WHILE).await;
    let restored = rights(&|name| before[name].clone());
    stage.installation.vhost().manage(Method::PUT, &path, Some(&restored)).await;
    stage.healed();
    stage.conclude(sender).await
}

/// The workers are a broker user of their own, so that those of other trials are not hit.
async fn password_changed(trial: Trial) -> Result<Outcome> {
    let mut stage = Stage::set(&trial).await?;
    let vhost = &stage.installation.vhost().name;
    let user = format!("worker-of-{vhost}");
    let (account, rights) = (format!("users/{user}"), format!("permissions/{vhost}"));
    let password = |word: &str| json!({ "password": word, "tags": "" });
    let broker = stage.installation.vhost();
    broker.manage(Method::PUT, &account, Some(&password("before"))).await;
    let usual = broker.manage(Method::GET, &format!("{rights}/{WORKER}"), None).await;
    let same = json!({ "configure": usual["configure"], "write": usual["write"], "read": usual["read"] });
    broker.manage(Method::PUT, &format!("{rights}/{user}"), Some(&same)).await;
    let mut url: reqwest::Url = stage.fleet.setting(URL)?.parse()?;
    let named = url.set_username(&user).and_then(|()| url.set_password(Some("before")));
    named.map_err(|()| anyhow::anyhow!("{URL} cannot carry a user"))?;
    stage.fleet.set(URL, url.as_str());
    stage.fleet.start(trial.workers).await?;
    let mut sender = stage.load(if trial.quick { 200 } else { 1000 }, Duration::from_millis(30)).await?;
    sender.until(10).await?;

    stage.installation.vhost().manage(Method::PUT, &account, Some(&password("after"))).await;
    // Who is in stays in.
    close_connections(&stage, &user).await;
    tokio::time::sleep(WHILE).await;
    stage.installation.vhost().manage(Method::PUT, &account, Some(&password("before"))).await;
    stage.healed();
    let ledger = sender.finish().await?;
    stage.rest(&ledger).await;
    stage.fleet.stop().await?;
    stage.installation.vhost().manage(Method::DELETE, &account, None).await;
    stage.compare(ledger).await
}

async fn nacked_confirms(trial: Trial) -> Result<Outcome> {
    const FULL: &str = "consumer.full";
    let (mut stage, sender) = begin(&trial).await?;
    let channel = stage.installation.channel().await;
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(1));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    channel.queue_declare(FULL.into(), QueueDeclareOptions::default(), arguments).await?;
    let (exchange, key) = ("members.events".into(), "#".into());
    channel.queue_bind(FULL.into(), exchange, key, QueueBindOptions::default(), FieldTable::default()).await?;
    tokio::time::sleep(WHILE).await;
    channel.queue_delete(FULL.into(), QueueDeleteOptions::default()).await?;
    stage.healed();
    stage.conclude(sender).await
}
