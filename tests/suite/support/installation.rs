//! One installation of the worker, with everything around it: a vhost, a database, keys of its own in the cache.
//!
//! Apart from its parts, because tests read best when they speak to one thing.

use std::time::Duration;

use join_community::config::{Config, Producer as TrustedProducer};
use join_community::rabbitmq::topology::{self, Names};
use lapin::{Channel, Connection, ConnectionProperties};
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;

use super::events::Events;
use super::producer::Producer;
use super::raw::RawProducer;
use super::worker::Worker;
use super::{TestDatabase, TestVhost, config, database, redis_prefix, vhost};

/// A whole installation. Its vhost and database go with it; what it wrote to the cache goes soon after by itself.
pub(crate) struct Installation {
    /// What workers are started with.
    pub(crate) config: Config,
    pub(super) records: Mutex<sqlx::PgConnection>,
    pub(super) cache: redis::aio::MultiplexedConnection,
    administrator: Connection,
    // Last, because fields are dropped in this order: connections before what they lead to.
    database: TestDatabase,
    vhost: TestVhost,
}

impl Installation {
    /// An installation that trusts the producer `member-gateway` with everything, and looks often at what is owed.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// The same with another configuration.
    pub(crate) async fn with(adjust: impl FnOnce(&mut Config)) -> Self {
        Self::around(vhost(), adjust).await
    }

    /// The same in a vhost that somebody else makes.
    pub(crate) async fn around(vhost: impl Future<Output = TestVhost>, adjust: impl FnOnce(&mut Config)) -> Self {
        let installation = Box::pin(Self::bare(vhost, adjust)).await;
        // Before any worker runs: one that creates queues by itself waits two seconds.
        let deployer = dial(&installation.vhost.worker_url).await;
        let names = Names::of(&installation.config.broker).with_webhooks(&installation.config.webhooks);
        topology::declare(&deployer, &names).await.expect("the topology can be declared");
        deployer.close(200, "done".into()).await.ok();
        installation
    }

    /// The same without exchanges and queues.
    pub(crate) async fn bare(vhost: impl Future<Output = TestVhost>, adjust: impl FnOnce(&mut Config)) -> Self {
        let (vhost, database) = tokio::join!(vhost, database());
        let url = database.url();
        let mut values = vhost.values();
        values.push(("DATABASE__URL", &url));
        let mut config = config(&values);
        make_brisk(&mut config);
        config.auth.producers = vec![trusted("member-gateway")];
        adjust(&mut config);

        let administrator = dial(&administrator_url(&vhost)).await;
        let records = Mutex::new(database.stranger().await);
        let cache = super::cache::connect(&config.cache).await;
        Self { config, records, cache, administrator, database, vhost }
    }

    /// The configuration of a worker that notices faults soon.
    pub(crate) fn alert(&self) -> Config {
        let mut config = self.config.clone();
        config.broker.heartbeat = Duration::from_secs(2);
        config.broker.timeout = Duration::from_secs(3);
        config.database.connect_timeout = Duration::from_secs(2);
        config.database.statement_timeout = Duration::from_secs(1);
        config.outage.max_pause = Duration::from_millis(500);
        config
    }

    /// Connects anew, after a service was stopped and started: the connections from before are gone.
    pub(crate) async fn reconnect(&mut self) {
        self.administrator = dial(&self.administrator_url()).await;
        self.records = Mutex::new(self.database.stranger().await);
        self.cache = super::cache::connect(&self.config.cache).await;
    }

    /// Starts a worker and waits until it consumes.
    pub(crate) async fn start(&self) -> Worker {
        Worker::start(self.config.clone()).await
    }

    /// A producer, as the broker user `member-gateway`.
    pub(crate) async fn producer(&self) -> Producer {
        Producer::connect(&self.vhost.producer_url).await
    }

    /// The same by another way to the broker.
    pub(crate) async fn producer_by(&self, url: &SecretString) -> Producer {
        Producer::connect(url.expose_secret()).await
    }

    /// A producer that is another broker user; by default the worker trusts it with nothing.
    pub(crate) async fn other_producer(&self) -> Producer {
        Producer::connect(&self.administrator_url()).await
    }

    /// The worker's own broker user as a sender: for what only the worker may write, and for what nobody may forge.
    pub(crate) async fn producer_as_worker(&self) -> Producer {
        Producer::connect(&self.vhost.worker_url).await
    }

    /// The producer `member-gateway` with frames written by hand.
    pub(crate) async fn raw_producer(&self) -> RawProducer {
        RawProducer::connect(&self.vhost.producer_url).await
    }

    /// Listens to the events from now on.
    pub(crate) async fn events(&self) -> Events {
        self.listen("members.events", "wix.members.v1.member_updated").await
    }

    /// Listens at an exchange from now on, beside whoever else is bound there.
    pub(crate) async fn listen(&self, exchange: &str, key: &str) -> Events {
        Events::listen(self.channel().await, exchange, key).await
    }

    /// A connection to the database by somebody who knows nothing of the worker.
    pub(crate) async fn stranger(&self) -> sqlx::PgConnection {
        self.database.stranger().await
    }

    /// The vhost.
    pub(crate) fn vhost(&self) -> &TestVhost {
        &self.vhost
    }

    /// AMQP URL of somebody who may look everywhere.
    pub(crate) fn administrator_url(&self) -> String {
        administrator_url(&self.vhost)
    }

    /// A channel of somebody who may look everywhere.
    pub(crate) async fn channel(&self) -> Channel {
        self.administrator.create_channel().await.expect("the administrator may open a channel")
    }
}

/// What the worker believes of a broker user that it trusts in everything.
pub(crate) fn trusted(user: &str) -> TrustedProducer {
    let identity_types = ["MEMBER", "ANONYMOUS_VISITOR", "WIX_USER", "APP"].map(str::to_owned);
    TrustedProducer {
        user: user.to_owned(),
        identity_types: identity_types.into(),
        sites: vec!["*".to_owned()],
        may_elevate: true,
    }
}

/// Connects as any client does.
pub(super) async fn dial(url: &str) -> Connection {
    let connected = Connection::connect(url, ConnectionProperties::default()).await;
    connected
        .unwrap_or_else(|error| panic!("RabbitMQ of the environment does not answer, `scripts/services up`: {error}"))
}

/// AMQP URL of the administrator: the only user who may look everywhere, and who is nobody to the worker.
fn administrator_url(vhost: &TestVhost) -> String {
    let management: Url = vhost.management_url.parse().expect("a URL");
    let mut url: Url = vhost.worker_url.parse().expect("a URL");
    url.set_username(management.username()).expect("a URL with a user");
    url.set_password(management.password()).expect("a URL with a password");
    url.into()
}

/// Short pauses, few lanes, nothing that listens, nothing that stays in the cache for long.
fn make_brisk(config: &mut Config) {
    config.http.listen = String::new();
    config.broker.management_url = SecretString::default();
    // A broker under the load of all tests at once may take its time for a declaration.
    config.broker.timeout = Duration::from_secs(20);
    config.broker.confirm_timeout = Duration::from_secs(1);
    config.cache.prefix = redis_prefix();
    config.cache.ttl = Duration::from_mins(10);
    // Tests leave in the cache what an audit would set right.
    config.cache.audit_rate = 0;
    config.join.lanes = 2;
    config.announce.sweep_interval = Duration::from_millis(200);
    config.announce.lease = Duration::from_secs(2);
}
