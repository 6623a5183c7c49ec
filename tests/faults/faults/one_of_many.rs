//! Trouble that only one worker has, or only one of its channels: it must give up what it holds, and the others go on.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures_util::FutureExt as _;

use super::network::{BROKER, CACHE, DATABASE};
use crate::load::Load;
use crate::logs;
use crate::proxy::{Network, Proxy, Way};
use crate::stage::Stage;
use crate::suite::support::services::Impatience;
use crate::trial::{Fault, Outcome, Trial};

/// Longer than every limit of a stage but the lost heartbeat's double.
const WHILE: Duration = Duration::from_secs(5);
/// Longer than the broker's patience in that trial.
const HELD: Duration = Duration::from_secs(3);

pub(super) fn faults() -> Vec<Fault> {
    vec![
        Fault {
            name: "network/one-of-many",
            what: "one of three workers cut off alone: from each service in turn, by refusal and by silence",
            quick: true,
            alone: false,
            workers: &[3],
            run: |trial| cut_off_alone(trial).boxed(),
        },
        Fault {
            name: "rabbitmq/consumer-timeout",
            what: "a database away for longer than RabbitMQ waits for acknowledgements: it closes the channels that consume",
            quick: true,
            alone: true,
            workers: &[1, 3],
            run: |trial| consumer_timeout(trial).boxed(),
        },
    ]
}

async fn cut_off_alone(trial: Trial) -> Result<Outcome> {
    let mut stage = Stage::set(&trial).await?;
    // The others, on a way of their own.
    stage.fleet.start(trial.workers - 1).await?;
    let mut proxies = Vec::new();
    for variable in [BROKER, DATABASE, CACHE] {
        let (proxy, through) = Proxy::before(&stage.fleet.setting(variable)?, trial.seed)?;
        stage.fleet.set(variable, through);
        proxies.push(proxy);
    }
    stage.fleet.start(1).await?;
    let load = Load::mixed(&stage.installation, trial.seed, if trial.quick { 200 } else { 1000 }).await?;
    let mut sender = stage.send(load, Duration::from_millis(100));
    let states: &[Network] = if trial.quick {
        &[Network::Refusing]
    } else {
        &[Network::Refusing, Network::Hung(Way::Up), Network::Hung(Way::Down)]
    };
    let share = 60 / (proxies.len() * states.len());
    let mut times = 0;
    for proxy in &proxies {
        for state in states {
            sender.until(10 + times * share).await?;
            proxy.set(*state);
            tokio::time::sleep(WHILE).await;
            proxy.set(Network::Good);
            times += 1;
        }
    }
    stage.healed();
    Ok(Outcome { times: u64::try_from(times)?, ..stage.conclude(sender).await? })
}

/// What is held during an outage is taken away, channel and all, and delivered again.
async fn consumer_timeout(trial: Trial) -> Result<Outcome> {
    let folder = trial.folder.clone();
    let impatience = tokio::task::spawn_blocking(Impatience::begin).await?;
    let mut stage = Stage::set(&trial).await?;
    // Else the worker gives everything back before the broker takes it.
    stage.fleet.set("JOIN_COMMUNITY__OUTAGE__HOLD", "1m");
    let (proxy, through) = Proxy::before(&stage.fleet.setting(DATABASE)?, trial.seed)?;
    stage.fleet.set(DATABASE, through);
    stage.fleet.start(trial.workers).await?;
    let load = Load::mixed(&stage.installation, trial.seed, if trial.quick { 200 } else { 1000 }).await?;
    let mut sender = stage.send(load, Duration::from_millis(30));
    sender.until(10).await?;
    proxy.set(Network::Refusing);
    tokio::time::sleep(HELD).await;
    // The checker takes its time as well.
    tokio::task::spawn_blocking(move || drop(impatience)).await?;
    proxy.set(Network::Good);
    stage.healed();
    let outcome = stage.conclude(sender).await?;
    let times = u64::try_from(logs::count(&folder, "a lane lost its channel")?)?;
    ensure!(times > 0, "the broker was patient: no channel was closed; see {}", folder.display());
    Ok(Outcome { times, ..outcome })
}
