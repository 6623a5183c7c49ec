//! What the worker is made of.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32};

use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::StartError;
use crate::announce::audit::Auditor;
use crate::announce::{Announcer, Parts};
use crate::auth::{Authenticator, Provider};
use crate::cache::{CacheError, Profiles};
use crate::config::Config;
use crate::console::{self, Console};
use crate::join::{Desk, DeskParts, Shards};
use crate::operations::{self, Collector, Controls, Dependency, Destination, Health, Meters, Push, Traces};
use crate::postgres::{Role, Session, StoreError};
use crate::rabbitmq::address::Address;
use crate::rabbitmq::publisher::{Publisher, Publishing};
use crate::rabbitmq::topology::Names;
use crate::webhooks::Webhooks;
use crate::wire::headers::EVENT_TYPE;

/// The worker, ready to run.
pub struct App {
    pub(super) config: Config,
    pub(super) health: Health,
    pub(super) meters: Meters,
    pub(super) traces: Traces,
    pub(super) push: Option<Push>,
    pub(super) names: Names,
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) publisher: Publisher,
    pub(super) publishing: Publishing,
    pub(super) announcer: Announcer,
    pub(super) worker_user: Box<str>,
    pub(super) dead_letters: Arc<AtomicU32>,
    pub(super) several_sites: Arc<AtomicBool>,
    pub(super) shards: Arc<Shards>,
    pub(super) operations: Option<(TcpListener, Console)>,
    pub(super) pruner: Option<Session>,
    /// What operators have set.
    pub(super) controls: Controls,
    /// Asks what operators have set, and whether there are several sites.
    pub(super) watcher: Option<Session>,
    /// An operator wants this worker to stop.
    pub(super) drain: CancellationToken,
    /// Ends what only serves the rest.
    pub(super) background: CancellationToken,
    pub(super) webhooks: Option<Webhooks>,
}

impl App {
    /// Puts the worker together. Connects to nothing: what is out may come later.
    ///
    /// # Errors
    /// If the configuration cannot be used.
    pub async fn build(config: Config) -> Result<Self, StartError> {
        let health = Health::default();
        let names = Names::of(&config.broker).with_webhooks(&config.webhooks);
        let meters = Meters::with_targets(names.targets())?;
        let (traces, push) = collected(&config, &names, &health, &meters)?;
        let worker_user: Box<str> = Address::parse(&config.broker.url)?.user().into();
        let (background, drain, controls) = (CancellationToken::new(), CancellationToken::new(), Controls::default());
        hold_announcing(&health);
        let listener = listen(&config.http.listen).await?;
        let authenticator = Arc::new(Authenticator::start(&config.auth, &worker_user, background.clone()).await?);
        let operations = listener.map(|listener| {
            let stops = (&drain, &background);
            Ok::<_, StartError>((listener, console(&config, &health, (&controls, stops), &meters, &authenticator)?))
        });
        let (publisher, publishing) = Publisher::new(config.broker.confirm_timeout);
        let announcer = Announcer::start(Parts {
            publisher: publisher.clone(),
            exchange: names.events(),
            profiles: profiles(&config, &meters)?,
            sweeper: session(&config, Role::Announcer, &meters)?,
            forgetter: session(&config, Role::Announcer, &meters)?,
            auditor: auditor(&config, &meters)?,
            health: health.clone(),
            controls: controls.clone(),
            meters: meters.clone(),
            traces: traces.clone(),
            announce: config.announce.clone(),
            longest_pause: config.outage.max_pause,
            leeway: config.auth.leeway,
        });
        let webhooks = Webhooks::new(&config, &names, &meters, &worker_user)?;
        let shards = Arc::new(Shards::new(names.shards(), config.join.lanes, meters.clone()));
        let [pruner, watcher] = [session(&config, Role::Tool, &meters)?, session(&config, Role::Tool, &meters)?];
        if authenticator.keys_missing().is_none() {
            health.up(Dependency::Keys);
        }
        Ok(Self {
            config,
            health,
            meters,
            traces,
            push,
            names,
            authenticator,
            publisher,
            publishing,
            announcer,
            worker_user,
            dead_letters: Arc::default(),
            // Until the first look has told.
            several_sites: Arc::new(AtomicBool::new(true)),
            shards,
            operations: operations.transpose()?,
            pruner: Some(pruner),
            controls,
            watcher: Some(watcher),
            drain,
            background,
            webhooks,
        })
    }

    /// Where the operations server listens, if it does.
    #[must_use]
    pub fn operations_address(&self) -> Option<SocketAddr> {
        self.operations.as_ref().and_then(|(listener, _)| listener.local_addr().ok())
    }

    /// The state of the worker's dependencies.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// The worker's metrics.
    #[must_use]
    pub fn meters(&self) -> Meters {
        self.meters.clone()
    }

    pub(super) fn desk(&self) -> Arc<Desk> {
        let parts = DeskParts {
            authenticator: Arc::clone(&self.authenticator),
            publisher: self.publisher.clone(),
            hand_over: self.announcer.hand_over(),
            health: self.health.clone(),
            controls: self.controls.clone(),
            meters: self.meters.clone(),
            traces: self.traces.clone(),
            names: self.names.clone(),
            worker_user: self.worker_user.clone(),
            dead_letters: Arc::clone(&self.dead_letters),
            several_sites: Arc::clone(&self.several_sites),
            shards: Arc::clone(&self.shards),
        };
        Arc::new(Desk::new(parts, &self.config))
    }
}

/// Nothing is announced before it is known what operators have set: they may have paused it.
fn hold_announcing(health: &Health) {
    for dependency in [Dependency::Publishing, Dependency::Cache] {
        health.hold(dependency, Some("what operators have set is not read yet".to_owned()));
    }
}

/// Traces, and the push of metrics if that is wanted; neither without a collector.
fn collected(
    config: &Config,
    names: &Names,
    health: &Health,
    meters: &Meters,
) -> Result<(Traces, Option<Push>), operations::Unusable> {
    let otlp = &config.otlp;
    if otlp.endpoint.is_empty() {
        return Ok((Traces::default(), None));
    }
    let (intake, queue, events) = (names.intake(), names.requests(), names.events());
    let [joins, leaves] =
        names.request_keys().map(|routing_key| Destination { exchange: &intake, routing_key, queue: &queue });
    let collector = Collector {
        endpoint: &otlp.endpoint,
        authorization: otlp.authorization.expose_secret(),
        timeout: otlp.timeout,
        joins,
        leaves,
        events: Destination { exchange: &events, routing_key: EVENT_TYPE, queue: "" },
    };
    let push = || Push::to(collector, health.clone(), meters.clone());
    let push = if otlp.metrics_interval.is_zero() { None } else { Some(push()?) };
    Ok((Traces::to(collector, meters)?, push))
}

fn console(
    config: &Config,
    health: &Health,
    (controls, (drain, background)): (&Controls, (&CancellationToken, &CancellationToken)),
    meters: &Meters,
    authenticator: &Arc<Authenticator>,
) -> Result<Console, StartError> {
    let parts = console::Parts {
        config,
        health: health.clone(),
        controls: controls.clone(),
        drain: drain.clone(),
        meters: meters.clone(),
        authenticator: Arc::clone(authenticator),
        issuer: Provider::start(&config.http, &config.auth, background.clone())?,
        sessions: [session(config, Role::Tool, meters)?, session(config, Role::Tool, meters)?],
        profiles: profiles(config, meters)?,
    };
    Ok(Console::new(parts))
}

fn session(config: &Config, role: Role, meters: &Meters) -> Result<Session, StoreError> {
    Ok(Session::new(&config.database, role)?.counted(meters.connections.of("database").clone()))
}

fn profiles(config: &Config, meters: &Meters) -> Result<Profiles, CacheError> {
    Ok(Profiles::new(&config.cache)?.counted(meters.connections.of("cache").clone()))
}

fn auditor(config: &Config, meters: &Meters) -> Result<Option<(Auditor, u32)>, StartError> {
    let rate = config.cache.audit_rate;
    if rate == 0 {
        return Ok(None);
    }
    let store = session(config, Role::Announcer, meters)?;
    Ok(Some((Auditor::new(store, profiles(config, meters)?), rate)))
}

async fn listen(address: &str) -> Result<Option<TcpListener>, StartError> {
    if address.is_empty() {
        return Ok(None);
    }
    let listener = console::bind(address).await;
    listener.map(Some).map_err(|source| StartError::Listen { address: address.into(), source })
}
