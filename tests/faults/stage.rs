//! The stage of a trial: an installation of its own, queues in which every event and reply is kept, workers as
//! processes, and the way back to rest at the end.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use lapin::options::{QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use secrecy::ExposeSecret as _;

use crate::checker::{EVENTS, Finding, Kind, Place, REPLIES, check};
use crate::fleet::Fleet;
use crate::ledger::{Key, Ledger};
use crate::load::{Load, PRODUCER};
use crate::logs;
use crate::sender::Sender;
use crate::suite::support::{Installation, vhost};
use crate::trial::{Outcome, Trial};

/// A way back to rest that deserves a word.
const LONG: Duration = Duration::from_secs(15);
/// A quorum queue whose broker is killed within two seconds of its declaration can be lost.
const SAFE: Duration = Duration::from_secs(3);

/// A stage.
pub(crate) struct Stage {
    /// Vhost, database, keys of the cache.
    pub(crate) installation: Installation,
    /// The workers.
    pub(crate) fleet: Fleet,
    trial: Trial,
    made: Instant,
    healed: Option<Instant>,
    lasting_broker: Option<String>,
}

impl Stage {
    /// Sets it; no worker runs yet.
    pub(crate) async fn set(trial: &Trial) -> Result<Self> {
        Self::around(Installation::new().await, trial).await
    }

    /// The same around an installation that is not like the others.
    pub(crate) async fn around(installation: Installation, trial: &Trial) -> Result<Self> {
        keep(&installation).await?;
        let fleet = Fleet::new(trial.program.clone(), environment(&installation), trial.folder.clone());
        let (trial, made) = (trial.clone(), Instant::now());
        Ok(Self { installation, fleet, trial, made, healed: None, lasting_broker: None })
    }

    /// The same as the trial's own program sets it up, whatever build that is of: schema and topology are those it knows.
    pub(crate) async fn set_up_by_its_program(trial: &Trial) -> Result<Self> {
        let installation = Installation::bare(vhost(), |_| {}).await;
        let mut owner = installation.stranger().await;
        sqlx::raw_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public").execute(&mut owner).await?;
        let mut fleet = Fleet::new(trial.program.clone(), environment(&installation), trial.folder.clone());
        // It has its default, and an earlier build may not know of it.
        fleet.unset("JOIN_COMMUNITY__BROKER__SHARDS");
        fleet.command(&["migrate"]).await?;
        fleet.command(&["topology", "declare"]).await?;
        keep(&installation).await?;
        let (trial, made) = (trial.clone(), Instant::now());
        Ok(Self { installation, fleet, trial, made, healed: None, lasting_broker: None })
    }

    /// Sets it and starts the workers that the trial is made with.
    pub(crate) async fn with_workers(trial: &Trial) -> Result<Self> {
        let mut stage = Self::set(trial).await?;
        stage.fleet.start(trial.workers).await?;
        Ok(stage)
    }

    /// Starts to send a mixed load, slowly enough for something to happen meanwhile.
    pub(crate) async fn load(&self, joins: usize, pause: Duration) -> Result<Sender> {
        let load = Load::mixed(&self.installation, self.trial.seed, joins).await?;
        Ok(self.send(load, pause))
    }

    /// Starts to send a load.
    pub(crate) fn send(&self, load: Load, pause: Duration) -> Sender {
        Sender::start(self.installation.vhost().producer_url.clone(), load, pause)
    }

    /// Somebody who knows nothing of the worker gives members another name.
    pub(crate) async fn change_by_others(&self, members: &[Key]) -> Result<()> {
        let mut database = self.installation.stranger().await;
        for (site, id) in members {
            sqlx::query(
                "UPDATE members SET profile = profile || jsonb_build_object('nickname', 'Jo' || event_sequence)
                 WHERE site_id = $1 AND id = $2",
            )
            .bind(site)
            .bind(id)
            .execute(&mut database)
            .await?;
        }
        Ok(())
    }

    /// Waits until the queues survive a kill of their broker.
    pub(crate) async fn until_queues_are_safe(&self) {
        tokio::time::sleep(SAFE.saturating_sub(self.made.elapsed())).await;
    }

    /// Whether so many dead letters are there.
    pub(crate) async fn has_dead_letters(&self, count: u32) -> Result<bool> {
        Ok(self.installation.depth("join-community.dead-letters").await >= count)
    }

    /// Says where the broker is still found when this run is over.
    pub(crate) fn broker_lasts_at(&mut self, url: String) {
        self.lasting_broker = Some(url);
    }

    /// Says that the fault is over: the time of recovery begins.
    pub(crate) fn healed(&mut self) {
        self.healed = Some(Instant::now());
    }

    /// Waits until all is sent and everything is at rest, stops the workers, and compares.
    pub(crate) async fn conclude(self, sender: Sender) -> Result<Outcome> {
        let ledger = sender.finish().await?;
        self.compare(ledger).await
    }

    /// The same for a ledger that the fault has changed: by what it allows, or by whom else it let write.
    pub(crate) async fn compare(mut self, ledger: Ledger) -> Result<Outcome> {
        let place = self.place();
        let waited_for = self.until_rest(&place, &ledger).await;
        let recovery = self.healed.map_or(Duration::ZERO, |healed| healed.elapsed());
        let stopped = self.fleet.stop().await;
        let mut checked = check(&place, &ledger).await.context("the check")?;
        if let Err(error) = stopped {
            checked.findings.push(Finding { kind: Kind::Unexpected, what: format!("{error:#}") });
        }
        let told = logs::secrets(&self.trial.folder)?;
        checked.findings.extend(told.into_iter().map(|what| Finding { kind: Kind::Unexpected, what }));
        if checked.findings.is_empty() {
            // Taking it down waits on the spot, and other stages of this task are in the middle of something.
            let installation = self.installation;
            tokio::task::spawn_blocking(move || drop(installation)).await?;
        } else {
            self.keep(&place, &ledger)?;
        }
        let (counts, findings, sent) = (checked.counts, checked.findings, ledger.confirmed());
        Ok(Outcome { times: 1, sent, counts, findings, recovery, note: waited_for.unwrap_or_default() })
    }

    /// Waits until everything is at rest, or long enough.
    pub(crate) async fn rest(&self, ledger: &Ledger) {
        self.until_rest(&self.place(), ledger).await;
    }

    /// Where the traces are.
    pub(crate) fn place(&self) -> Place {
        Place {
            database: self.installation.config.database.url.expose_secret().to_owned(),
            broker: self.installation.administrator_url(),
            cache: self.installation.config.cache.url.expose_secret().to_owned(),
            cache_prefix: self.installation.config.cache.prefix.clone(),
        }
    }

    /// Waits until a check finds nothing. What is still on its way looks like lost, so it is made again and again; when
    /// time is up, the last one counts.
    ///
    /// Answers what was waited for, if that took long.
    async fn until_rest(&self, place: &Place, ledger: &Ledger) -> Option<String> {
        let began = Instant::now();
        let mut pause = Duration::from_millis(50);
        let mut waits_for = None;
        loop {
            let looked = Instant::now();
            let missing = match check(place, ledger).await {
                Ok(checked) => checked.findings.first().map(ToString::to_string),
                // A service may be on its way back.
                Err(error) => Some(format!("{error:#}")),
            };
            let took = began.elapsed();
            if missing.is_none() || took > self.trial.patience {
                return waits_for.filter(|_| took > LONG).map(|what| format!("{took:.0?} until this was over: {what}"));
            }
            waits_for = missing;
            // To look takes the services' time, which the workers need.
            tokio::time::sleep(pause.max(looked.elapsed() * 2)).await;
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }

    /// Leaves everything as it is, and what is needed to check again.
    fn keep(self, place: &Place, ledger: &Ledger) -> Result<()> {
        let folder = &self.trial.folder;
        fs::create_dir_all(folder)?;
        fs::write(folder.join("ledger.json"), serde_json::to_vec_pretty(ledger)?)?;
        let broker = self.lasting_broker.as_ref().unwrap_or(&place.broker).clone();
        let place = Place { broker, ..place.clone() };
        fs::write(folder.join("place.json"), serde_json::to_vec_pretty(&place)?)?;
        // Its end would take vhost and database along.
        std::mem::forget(self.installation);
        Ok(())
    }
}

/// What workers are started with: faults are noticed soon, batches are many, and nothing is on the ladder for long.
fn environment(installation: &Installation) -> Vec<(String, String)> {
    let url = |secret: &secrecy::SecretString| secret.expose_secret().to_owned();
    let producers =
        format!("[{{ user = \"{PRODUCER}\", identity_types = [\"MEMBER\"], sites = [\"*\"], may_elevate = false }}]");
    [
        ("BROKER__URL", installation.vhost().worker_url.clone()),
        ("BROKER__SHARDS", installation.config.broker.shards.to_string()),
        ("BROKER__DECLARE", "false".to_owned()),
        ("BROKER__HEARTBEAT", "2s".to_owned()),
        ("BROKER__TIMEOUT", "3s".to_owned()),
        ("BROKER__CONFIRM_TIMEOUT", "1s".to_owned()),
        ("BROKER__REPLY_QUEUES", "[\"faults.*\"]".to_owned()),
        ("DATABASE__URL", url(&installation.config.database.url)),
        ("DATABASE__CONNECT_TIMEOUT", "2s".to_owned()),
        ("DATABASE__STATEMENT_TIMEOUT", "1s".to_owned()),
        ("DATABASE__LOCK_TIMEOUT", "300ms".to_owned()),
        ("CACHE__URL", url(&installation.config.cache.url)),
        ("CACHE__PREFIX", installation.config.cache.prefix.clone()),
        // What is wrong in the cache shall be seen, not set right behind the checker's back.
        ("CACHE__AUDIT_RATE", "0".to_owned()),
        ("AUTH__PRODUCERS", producers),
        ("JOIN__LANES", "3".to_owned()),
        ("JOIN__BATCH_MAX", "8".to_owned()),
        ("JOIN__PREFETCH", "16".to_owned()),
        ("JOIN__UNKNOWN_MEMBER_RETRIES", "1".to_owned()),
        ("OUTAGE__HOLD", "2s".to_owned()),
        ("OUTAGE__MAX_PAUSE", "300ms".to_owned()),
        ("ANNOUNCE__SWEEP_INTERVAL", "200ms".to_owned()),
        ("ANNOUNCE__LEASE", "2s".to_owned()),
        ("LOG__FILTER", "info,lapin=off".to_owned()),
    ]
    .map(|(name, value)| (format!("JOIN_COMMUNITY__{name}"), value))
    .into()
}

/// Makes the queues in which events and replies are kept, before anything can be sent.
async fn keep(installation: &Installation) -> Result<()> {
    let channel = installation.channel().await;
    for queue in [EVENTS, REPLIES] {
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        // The checker looks many times; RabbitMQ 4 would let go of them after twenty.
        arguments.insert("x-delivery-limit".into(), AMQPValue::LongInt(1_000_000));
        let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(queue.into(), durable, arguments).await?;
    }
    let (exchange, key) = ("members.events".into(), "#".into());
    channel.queue_bind(EVENTS.into(), exchange, key, QueueBindOptions::default(), FieldTable::default()).await?;
    channel.close(200, "made".into()).await?;
    Ok(())
}
