//! The ground of one measurement: a vhost, a database and keys of its own, and members. Everything is new each time, so
//! that no series finds what another one left.

use anyhow::{Context as _, Result, ensure};
use join_community::config::Config;
use lapin::Channel;
use reqwest::Method;
use secrecy::ExposeSecret as _;
use serde_json::Value;
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::place::{KEPT, Place};
use crate::queues::{consumers, declare, depth};
use crate::records::{self, Member};
use crate::suite::support::{Installation, Issuer, TestDatabase, empty_database, variable};

/// The tables of everybody who is not us.
const PLAIN_TABLES: &str = include_str!("../peers/schema.sql");
/// The database of Redis that is the bench's own: it is emptied each time.
const CACHE_DATABASE: &str = "/9";

/// Whose tables a series works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tables {
    /// The worker's: with triggers that see to events of changes by others.
    Ours,
    /// Plain ones, as the peers would have them: members, inbox, outbox.
    Plain,
}

impl Tables {
    /// The queue that its requests lie in.
    pub(crate) const fn queue(self) -> &'static str {
        match self {
            Self::Ours => "join-community.requests",
            // Celery speaks a language of its own: nothing of ours shall lie beside it.
            Self::Plain => "peer.requests",
        }
    }
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Size {
    /// Members who ask to join, once each.
    pub(crate) requests: usize,
    /// Members who do not.
    pub(crate) others: usize,
    /// Requests that stand recorded from earlier, some of them so old that they are pruned.
    pub(crate) recorded: usize,
}

impl Size {
    /// So many members, all of whom ask.
    pub(crate) const fn of(requests: usize) -> Self {
        Self { requests, others: 0, recorded: 0 }
    }
}

/// What a measurement stands on.
pub(crate) struct Ground {
    /// Where everything is.
    pub(crate) place: Place,
    /// The members who ask, still private.
    pub(crate) members: Vec<Member>,
    /// Over how many queues requests are spread.
    pub(crate) shards: u16,
    tables: Tables,
    records: PgConnection,
    channel: Channel,
    cache: redis::aio::MultiplexedConnection,
    // Last, because fields are dropped in this order: connections before what they lead to. Where the tables are not those of
    // the installation, they have a database of their own.
    own: Option<TestDatabase>,
    installation: Installation,
}

/// What is there of the work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Verdicts, or rows of the inbox.
    pub(crate) verdicts: usize,
    /// Rows of the outbox.
    pub(crate) owed: usize,
    /// Entries of the cache.
    pub(crate) entries: usize,
}

impl Ground {
    /// Lays it.
    pub(crate) async fn lay(tables: Tables, size: Size) -> Result<Self> {
        Self::lay_spread(tables, size, 1).await
    }

    /// The same with requests spread over so many queues.
    pub(crate) async fn lay_spread(tables: Tables, size: Size, shards: u16) -> Result<Self> {
        let own = match tables {
            Tables::Ours => None,
            Tables::Plain => Some(plain_database().await?),
        };
        Box::pin(Self::around(own, tables, size, shards)).await
    }

    /// The same for a worker, on a database that has its tables already.
    pub(crate) async fn lay_on(database: TestDatabase, size: Size) -> Result<Self> {
        Box::pin(Self::around(Some(database), Tables::Ours, size, 1)).await
    }

    /// Lays it around a database of the series' own, or on that of the installation.
    async fn around(own: Option<TestDatabase>, tables: Tables, size: Size, shards: u16) -> Result<Self> {
        let adjust = |config: &mut Config| {
            Issuer::new().trusted_by(config);
            config.broker.shards = shards;
        };
        let installation = Installation::with(adjust).await;
        let database_url = match &own {
            Some(database) => database.url(),
            None => installation.config.database.url.expose_secret().to_owned(),
        };
        let mut records = PgConnection::connect(&database_url).await?;
        let members = records::fill(&mut records, size).await?;
        // PostgreSQL writes a checkpoint when a database is dropped: nobody meets one that the filling has left.
        drop(empty_database().await);
        let place = Place {
            worker_url: installation.vhost().worker_url.clone(),
            producer_url: installation.vhost().producer_url.clone(),
            administrator_url: installation.administrator_url(),
            database_url,
            cache_url: cache_url()?,
            cache_prefix: installation.config.cache.prefix.clone(),
            queue: tables.queue(),
            auth: installation.config.auth.clone(),
        };
        let channel = installation.channel().await;
        declare(&channel, tables).await?;
        let mut cache = crate::suite::support::cache::connection(&place.cache_url).await?;
        redis::cmd("FLUSHDB").exec_async(&mut cache).await?;
        Ok(Self { place, members, shards, tables, records, channel, cache, own, installation })
    }

    /// Requests that lie in the queue, or its shards, not handed to anybody.
    pub(crate) async fn waiting(&self) -> Result<usize> {
        let mut waiting = depth(&self.channel, self.place.queue).await?;
        for number in (1..=self.shards).filter(|_| self.shards > 1) {
            waiting += depth(&self.channel, &format!("{}.{number}", self.place.queue)).await?;
        }
        Ok(waiting)
    }

    /// Makes members of two sites, and has those of the first ask; answers the others.
    pub(crate) async fn settle_two_sites(&mut self, asking: usize, others: usize) -> Result<Vec<Member>> {
        let [asking, others] = records::fill_two_sites(&mut self.records, [asking, others]).await?;
        self.members = asking;
        Ok(others)
    }

    /// Whether all who ask are public. Costs little until nothing waits any more.
    pub(crate) async fn is_joined(&mut self) -> Result<bool> {
        if self.waiting().await? > 0 {
            return Ok(false);
        }
        let Some(Member { site, .. }) = self.members.first() else { return Ok(true) };
        Ok(records::joined_at(&mut self.records, *site).await? == self.members.len())
    }

    /// Consumers of the queue that requests lie in.
    pub(crate) async fn consumers(&self) -> Result<u32> {
        consumers(&self.channel, self.place.queue).await
    }

    /// Events that were confirmed.
    pub(crate) async fn events(&self) -> Result<usize> {
        depth(&self.channel, KEPT).await
    }

    /// Everything else that the work comes to. Reads whole tables: not for every moment.
    pub(crate) async fn progress(&mut self) -> Result<Progress> {
        let (verdicts, owed) = records::progress(&mut self.records, self.tables).await?;
        // The worker's probe, now and then, is no entry of anybody. Asked for first: one that has expired is counted until then.
        let probe = format!("{}:probe", self.place.cache_prefix);
        let mut count = redis::pipe();
        count.atomic().cmd("EXISTS").arg(probe).cmd("DBSIZE");
        let (probes, keys): (usize, usize) = count.query_async(&mut self.cache).await?;
        Ok(Progress { verdicts, owed, entries: keys - probes })
    }

    /// What stands recorded from earlier and is not pruned yet. Reads the whole table.
    pub(crate) async fn recorded(&mut self) -> Result<usize> {
        records::recorded(&mut self.records).await
    }

    /// Whether the outbox is empty: asked before everything else is counted.
    pub(crate) async fn owes_nothing(&mut self) -> Result<bool> {
        Ok(sqlx::query_scalar("SELECT NOT EXISTS (SELECT FROM outbox)").fetch_one(&mut self.records).await?)
    }

    /// Members who are public.
    pub(crate) async fn joined(&mut self) -> Result<usize> {
        records::joined(&mut self.records).await
    }

    /// What RabbitMQ's management API says of this vhost, or of what is below it.
    pub(crate) async fn broker_says(&self, below: &str) -> Value {
        let vhost = self.installation.vhost();
        vhost.manage(Method::GET, &format!("vhosts/{}{below}", vhost.name), None).await
    }

    /// A channel of somebody who may look everywhere.
    pub(crate) async fn channel(&self) -> Channel {
        self.installation.channel().await
    }

    /// Takes it away, and what is in the cache, so that the next one counts its own.
    pub(crate) async fn clear(self) -> Result<()> {
        let Self { records, channel, mut cache, own, installation, .. } = self;
        redis::cmd("FLUSHDB").exec_async(&mut cache).await?;
        records.close().await?;
        // Taking vhost and database down waits on the spot.
        tokio::task::spawn_blocking(move || drop((channel, own, installation))).await?;
        Ok(())
    }
}

async fn plain_database() -> Result<TestDatabase> {
    let database = empty_database().await;
    let mut connection = database.stranger().await;
    connection.execute(PLAIN_TABLES).await.context("benches/peers/schema.sql")?;
    connection.close().await?;
    Ok(database)
}

fn cache_url() -> Result<String> {
    let given = variable("JOIN_COMMUNITY__CACHE__URL");
    ensure!(!given.contains(','), "the bench counts the keys of one Redis, not of a cluster");
    let mut url: reqwest::Url = given.parse()?;
    url.set_path(CACHE_DATABASE);
    Ok(url.into())
}
