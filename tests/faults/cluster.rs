//! A RabbitMQ cluster of three behind a load balancer, for trials that lose nodes of it. Apart from the services of all
//! other trials: started when the first trial wants it, lent to one at a time, ended with the run.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use reqwest::Url;
use serde_json::Value;
use tokio::sync::{MappedMutexGuard, Mutex, MutexGuard};
use tokio::time::{Instant, sleep};

use crate::proxy::Proxy;
use crate::report::Line;
use crate::suite::support::services::script;
use crate::suite::support::vhost::BrokerUrls;

/// How long the cluster may take to be as it should be. A node that was away joins in within seconds.
const PATIENCE: Duration = Duration::from_mins(2);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a node may take to answer a question; it asks the others, and waits seconds for each that stands still.
const ANSWER: Duration = Duration::from_secs(30);
/// Faults of this group leave the cluster running where a promise was broken.
const GROUP: &str = "cluster/";

/// Its nodes, by number.
pub(crate) const NODES: [usize; 3] = [1, 2, 3];

static CLUSTER: Mutex<Option<Cluster>> = Mutex::const_new(None);
static IS_STARTED: AtomicBool = AtomicBool::new(false);

/// The cluster.
pub(crate) struct Cluster {
    /// Where it is found: the load balancer, which leads to any node that takes connections.
    pub(crate) urls: BrokerUrls,
    nodes: Vec<BrokerUrls>,
    _balancers: [Proxy; 2],
}

/// What is done to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// `kill -9`.
    Kill,
    /// A stop in order.
    Stop,
    /// SIGSTOP.
    Freeze,
}

/// A node that is away. It is back once this value goes, also where a trial fails: the stage can then be taken down.
pub(crate) struct Lost {
    node: usize,
    deed: Deed,
}

/// A quorum queue, as a node sees it.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    /// Its name.
    pub(crate) name: String,
    /// The node that leads it.
    pub(crate) leader: Option<usize>,
    /// The nodes that hold a copy.
    members: usize,
    /// Those of them that are there.
    online: usize,
}

/// Waits for the turn of this trial; starts the cluster if none runs.
pub(crate) async fn turn() -> Result<MappedMutexGuard<'static, Cluster>> {
    let mut cluster = CLUSTER.lock().await;
    if cluster.is_none() {
        *cluster = Some(Cluster::start().await?);
    }
    MutexGuard::try_map(cluster, Option::as_mut).map_err(|_| anyhow!("no cluster"))
}

/// Ends the cluster once the run is over, but for one that is still to be looked at.
pub(crate) async fn end(lines: &[Line]) -> Result<()> {
    if lines.iter().any(|line| line.is_broken() && line.name.starts_with(GROUP)) {
        println!("the cluster is left as it is; `scripts/services cluster down` ends it");
    } else if IS_STARTED.load(Ordering::Relaxed) {
        said(&["down"]).await?;
    }
    Ok(())
}

/// Ends the cluster, whoever uses it.
pub(crate) fn end_at_once() {
    if IS_STARTED.load(Ordering::Relaxed) {
        script(&["cluster", "down"]);
    }
}

impl Lost {
    /// Brings it back; returns when it answers, or runs again.
    pub(crate) async fn bring_back(self) -> Result<()> {
        Ok(tokio::task::spawn_blocking(move || drop(self)).await?)
    }
}

impl Drop for Lost {
    fn drop(&mut self) {
        let word = match self.deed {
            Deed::Kill | Deed::Stop => "start-node",
            Deed::Freeze => "thaw-node",
        };
        script(&["cluster", word, &self.node.to_string()]);
    }
}

impl Cluster {
    async fn start() -> Result<Self> {
        IS_STARTED.store(true, Ordering::Relaxed);
        said(&["up"]).await?;
        let ports = said(&["ports"]).await?;
        let usual = BrokerUrls::of_environment();
        let (mut nodes, mut brokers, mut managements) = (Vec::new(), Vec::new(), Vec::new());
        for line in ports.lines() {
            let (amqp, management) = line.split_once(' ').context("two ports of each node")?;
            let (amqp, management) = (amqp.parse()?, management.parse()?);
            nodes.push(at(&usual, amqp, management)?);
            brokers.push(SocketAddr::from(([127, 0, 0, 1], amqp)));
            managements.push(SocketAddr::from(([127, 0, 0, 1], management)));
        }
        ensure!(nodes.len() == NODES.len(), "not three nodes: {ports}");
        let (brokers, amqp) = Proxy::balancing(&usual.worker, brokers, 0)?;
        let (managements, management) = Proxy::balancing(&usual.management, managements, 0)?;
        let port = |url: &str| url.parse::<Url>()?.port().context("a URL with a port");
        let urls = at(&usual, port(&amqp)?, port(&management)?)?;
        Ok(Self { urls, nodes, _balancers: [brokers, managements] })
    }

    /// One of its nodes.
    pub(crate) fn node(&self, node: usize) -> &BrokerUrls {
        &self.nodes[node - 1]
    }

    /// Takes a node away, until the value that it answers goes.
    pub(crate) async fn lose(&self, node: usize, deed: Deed) -> Result<Lost> {
        let word = match deed {
            Deed::Kill => "kill-node",
            Deed::Stop => "stop-node",
            Deed::Freeze => "freeze-node",
        };
        said(&[word, &node.to_string()]).await?;
        Ok(Lost { node, deed })
    }

    /// The queues of a vhost, as a node sees them now.
    pub(crate) async fn queues(&self, node: usize, vhost: &str) -> Result<Vec<Queue>> {
        // Without statistics, which are seconds old.
        let path = format!("queues/{vhost}?disable_stats=true&enable_queue_totals=false");
        let queues: Value = self.ask(node, &path).await?.error_for_status()?.json().await?;
        queues.as_array().context("a list of queues")?.iter().map(queue).collect()
    }

    /// Waits until the queues of a vhost are as they should be, as a node sees them.
    pub(crate) async fn until(&self, node: usize, vhost: &str, is_so: impl Fn(&Queue) -> bool) -> Result<Vec<Queue>> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let seen = self.queues(node, vhost).await;
            match seen {
                Ok(queues) if !queues.is_empty() && queues.iter().all(&is_so) => return Ok(queues),
                Ok(_) | Err(_) if Instant::now() < deadline => sleep(PAUSE).await,
                Ok(queues) => return Err(anyhow!("after {PATIENCE:?} node {node} sees {queues:?}")),
                Err(error) => return Err(error.context(format!("node {node} after {PATIENCE:?}"))),
            }
        }
    }

    /// Waits until all nodes agree that each queue of a vhost has three members, all there, and that any node could be
    /// lost.
    pub(crate) async fn until_whole(&self, vhost: &str) -> Result<Vec<Queue>> {
        let is_whole =
            |queue: &Queue| queue.leader.is_some() && queue.members == NODES.len() && queue.online == NODES.len();
        let mut queues = Vec::new();
        for node in NODES {
            queues = self.until(node, vhost, is_whole).await?;
            let deadline = Instant::now() + PATIENCE;
            while !self.is_dispensable(node).await {
                ensure!(Instant::now() < deadline, "queues need node {node} after {PATIENCE:?}");
                sleep(PAUSE).await;
            }
        }
        Ok(queues)
    }

    async fn is_dispensable(&self, node: usize) -> bool {
        let answer = self.ask(node, "health/checks/node-is-quorum-critical").await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    async fn ask(&self, node: usize, path: &str) -> Result<reqwest::Response> {
        let mut url: Url = self.node(node).management.parse()?;
        let (user, password) = (url.username().to_owned(), url.password().map(str::to_owned));
        // What stands in the URL would be sent as well.
        url.set_username("").and_then(|()| url.set_password(None)).map_err(|()| anyhow!("a URL without a host"))?;
        let client = reqwest::Client::builder().no_proxy().timeout(ANSWER).build()?;
        Ok(client.get(url.join(&format!("api/{path}"))?).basic_auth(user, password).send().await?)
    }
}

fn queue(of: &Value) -> Result<Queue> {
    let count = |what: &str| of[what].as_array().map_or(0, Vec::len);
    let name = of["name"].as_str().context("a queue without a name")?.to_owned();
    // A node is called join-community-2@localhost.
    let number = |name: &str| name.split('@').next()?.rsplit('-').next()?.parse().ok();
    Ok(Queue {
        name,
        leader: of["leader"].as_str().and_then(number),
        members: count("members"),
        online: count("online"),
    })
}

/// The same users elsewhere.
fn at(urls: &BrokerUrls, amqp: u16, management: u16) -> Result<BrokerUrls> {
    let moved = |url: &str, port: u16| {
        let mut url: Url = url.parse()?;
        url.set_host(Some("127.0.0.1"))?;
        url.set_port(Some(port)).map_err(|()| anyhow!("a URL with a port"))?;
        anyhow::Ok(String::from(url))
    };
    Ok(BrokerUrls {
        worker: moved(&urls.worker, amqp)?,
        producer: moved(&urls.producer, amqp)?,
        operator: moved(&urls.operator, amqp)?,
        management: moved(&urls.management, management)?,
    })
}

/// Runs `scripts/services cluster …`, which waits for nodes: not in this runtime's way.
async fn said(words: &[&str]) -> Result<String> {
    let words: Vec<String> = ["cluster"].iter().chain(words).map(|word| (*word).to_owned()).collect();
    let ran = tokio::task::spawn_blocking(move || script(&words.iter().map(String::as_str).collect::<Vec<_>>()));
    Ok(ran.await?)
}
