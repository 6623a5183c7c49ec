//! Nodes of a RabbitMQ cluster of three lost under load: one, each in turn, two of them at once. Apart from the faults of
//! a single broker, because here another node takes over, or none may.

mod shards;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures_util::FutureExt as _;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::cluster::{self, Cluster, Deed, NODES, Queue};
use crate::in_turn;
use crate::ledger::Ledger;
use crate::load::Load;
use crate::stage::Stage;
use crate::suite::support::Installation;
use crate::suite::support::vhost::vhost_at;
use crate::trial::{Fault, Outcome, Trial};

/// How long two nodes are away: longer than the longest limit of a stage, a lost heartbeat included.
const WHILE: Duration = Duration::from_secs(8);
/// How long the cluster may take to notice.
const PATIENCE: Duration = Duration::from_mins(1);
/// Between windows of a load, so that there is some left.
const PAUSE: Duration = Duration::from_millis(100);
const REQUESTS: &str = "join-community.requests";
/// Messages that are sent while workers stand still, so that several of one member lie in a queue when a node is lost.
const PILE: usize = 120;
const PROBE: &str = "faults.probe";

pub(super) fn faults() -> Vec<Fault> {
    let fault = |name, what, run| {
        let quick = matches!(name, "cluster/leader-killed" | "cluster/shards");
        let workers: &[usize] = if name == "cluster/shards" { &[2, 3] } else { &[1, 3] };
        Fault { name, what, quick, alone: false, workers, run }
    };
    vec![
        fault("cluster/leader-killed", "three nodes: `kill -9` of the leader of the request queue", |trial| {
            leader_killed(trial).boxed()
        }),
        fault(
            "cluster/shards",
            "three nodes, requests spread over six shards, members who join and leave in turn: `kill -9` of the node that \
             leads most of them",
            |trial| shards::kill_their_leader(trial).boxed(),
        ),
        fault(
            "cluster/each-node-in-turn",
            "three nodes: each killed and brought back in turn, then each stopped in order and started again",
            |trial| each_in_turn(trial).boxed(),
        ),
        fault("cluster/two-killed", "three nodes: `kill -9` of two, the third stops by itself", |trial| {
            two_killed(trial).boxed()
        }),
        fault(
            "cluster/two-frozen",
            "three nodes: SIGSTOP of two, the third takes messages and confirms none",
            |trial| two_frozen(trial).boxed(),
        ),
    ]
}

/// A stage on the cluster, with requests spread over so many queues. All have members on all nodes.
async fn set(cluster: &Cluster, trial: &Trial, shards: u16) -> Result<Stage> {
    let installation = Installation::around(vhost_at(&cluster.urls), |config| config.broker.shards = shards).await;
    let mut stage = Stage::around(installation, trial).await?;
    stage.broker_lasts_at(of_administrator(cluster, &stage, 1)?);
    cluster.until_whole(&stage.installation.vhost().name).await?;
    stage.until_queues_are_safe().await;
    if shards > 1 {
        stage.fleet.set("JOIN_COMMUNITY__LOG__FILTER", in_turn::FILTER);
    }
    stage.fleet.start(trial.workers).await?;
    Ok(stage)
}

/// Where an administrator finds the vhost of a stage at a node.
fn of_administrator(cluster: &Cluster, stage: &Stage, node: usize) -> Result<String> {
    let mut url: reqwest::Url = stage.installation.administrator_url().parse()?;
    let there: reqwest::Url = cluster.node(node).worker.parse()?;
    url.set_port(there.port()).map_err(|()| anyhow::anyhow!("a URL with a port"))?;
    Ok(url.into())
}

async fn mixed(stage: &Stage, trial: &Trial) -> Result<Load> {
    Load::mixed(&stage.installation, trial.seed, if trial.quick { 200 } else { 1000 }).await
}

/// A load in so many parts.
fn parts(Load { ledger, messages }: Load, count: usize) -> (Ledger, Vec<Load>) {
    let size = messages.len().div_ceil(count);
    let part = |messages: &[_]| Load { ledger: Ledger::default(), messages: messages.to_vec() };
    (ledger, messages.chunks(size).map(part).collect())
}

/// Loses a node while a part of a load is on its way, and brings it back while the next is. Whatever was sent meanwhile
/// is confirmed, for two nodes are enough. Answers how many queues have a new leader.
async fn lose_and_bring_back(
    (cluster, stage): (&Cluster, &Stage),
    (node, deed): (usize, Deed),
    ledger: &mut Ledger,
    parts: [Load; 2],
) -> Result<usize> {
    let vhost = &stage.installation.vhost().name;
    let other = node % NODES.len() + 1;
    let [first, second] = parts;
    let led = |queues: &[Queue]| queues.iter().filter(|queue| queue.leader == Some(node)).count();
    let before = led(&cluster.queues(other, vhost).await?);
    let mut sender = stage.send(Load { ledger: std::mem::take(ledger), ..first }, PAUSE);
    sender.until(20).await?;
    let piles_up = stage.installation.config.broker.shards > 1;
    if piles_up {
        stage.fleet.signal("STOP").await?;
        let wanted = sender.confirmed() + PILE;
        sender.until_sent(wanted).await?;
    }
    let lost = cluster.lose(node, deed).await?;
    if piles_up {
        stage.fleet.signal("CONT").await?;
    }
    cluster.until(other, vhost, |queue| queue.leader.is_some_and(|leader| leader != node)).await?;
    *ledger = sender.finish().await?;
    let mut sender = stage.send(Load { ledger: std::mem::take(ledger), ..second }, PAUSE);
    sender.until(50).await?;
    lost.bring_back().await?;
    cluster.until_whole(vhost).await?;
    *ledger = sender.finish().await?;
    Ok(before)
}

async fn leader_killed(trial: Trial) -> Result<Outcome> {
    let cluster = cluster::turn().await?;
    let mut stage = set(&cluster, &trial, 1).await?;
    let (mut ledger, parts) = parts(mixed(&stage, &trial).await?, 2);
    let leader = leader(&cluster, &stage).await?;
    let both = parts.try_into().map_err(|_| anyhow::anyhow!("not two parts"))?;
    lose_and_bring_back((&cluster, &stage), (leader, Deed::Kill), &mut ledger, both).await?;
    stage.healed();
    stage.installation.reconnect().await;
    stage.compare(ledger).await
}

async fn each_in_turn(trial: Trial) -> Result<Outcome> {
    let cluster = cluster::turn().await?;
    let mut stage = set(&cluster, &trial, 1).await?;
    let turns = [Deed::Kill, Deed::Stop].into_iter().flat_map(|deed| NODES.map(|node| (node, deed)));
    let (mut ledger, parts) = parts(mixed(&stage, &trial).await?, 4 * NODES.len());
    let (mut parts, mut moved, mut times) = (parts.into_iter(), 0, 0);
    for turn in turns {
        let both = [parts.next().context("a part")?, parts.next().context("a part")?];
        moved += lose_and_bring_back((&cluster, &stage), turn, &mut ledger, both).await?;
        times += 1;
    }
    ensure!(moved > 0, "no node that was lost was a leader");
    stage.healed();
    stage.installation.reconnect().await;
    let outcome = stage.compare(ledger).await?;
    Ok(Outcome { times, note: format!("{moved} queues had to find another leader"), ..outcome })
}

async fn two_killed(trial: Trial) -> Result<Outcome> {
    let cluster = cluster::turn().await?;
    let mut stage = set(&cluster, &trial, 1).await?;
    let [first, second] = two(leader(&cluster, &stage).await?);
    let left = rest([first, second]);
    let mut sender = stage.load(if trial.quick { 200 } else { 1000 }, PAUSE).await?;
    sender.until(20).await?;
    let lost = [cluster.lose(first, Deed::Kill).await?, cluster.lose(second, Deed::Kill).await?];
    until_closed(&cluster, left).await?;
    let confirmed = sender.confirmed();
    sleep(WHILE).await;
    ensure!(sender.confirmed() == confirmed, "confirms went on without a quorum");
    for lost in lost {
        lost.bring_back().await?;
    }
    cluster.until_whole(&stage.installation.vhost().name).await?;
    stage.healed();
    let ledger = sender.finish().await?;
    stage.installation.reconnect().await;
    stage.compare(ledger).await
}

async fn two_frozen(trial: Trial) -> Result<Outcome> {
    let cluster = cluster::turn().await?;
    let mut stage = set(&cluster, &trial, 1).await?;
    let [first, second] = two(leader(&cluster, &stage).await?);
    let left = rest([first, second]);
    let (connection, probe) = probe(&of_administrator(&cluster, &stage, left)?).await?;
    cluster.until_whole(&stage.installation.vhost().name).await?;
    let mut sender = stage.load(if trial.quick { 200 } else { 1000 }, PAUSE).await?;
    sender.until(20).await?;
    let lost = [cluster.lose(first, Deed::Freeze).await?, cluster.lose(second, Deed::Freeze).await?];
    // Sent when both were away for certain.
    let sent =
        probe.basic_publish("".into(), PROBE.into(), BasicPublishOptions::default(), b"", BasicProperties::default());
    let mut confirm = Box::pin(sent.await?);
    let confirmed = timeout(WHILE / 2, &mut confirm).await;
    ensure!(!matches!(confirmed, Ok(Ok(Confirmation::Ack(_)))), "a message was confirmed without a quorum");
    let confirmed = sender.confirmed();
    sleep(WHILE / 2).await;
    ensure!(sender.confirmed() == confirmed, "confirms went on without a quorum");
    for lost in lost {
        lost.bring_back().await?;
    }
    cluster.until_whole(&stage.installation.vhost().name).await?;
    stage.healed();
    connection.close(200, "done".into()).await.ok();
    let ledger = sender.finish().await?;
    stage.installation.reconnect().await;
    stage.compare(ledger).await
}

/// The node that leads the request queue.
async fn leader(cluster: &Cluster, stage: &Stage) -> Result<usize> {
    let queues = cluster.until_whole(&stage.installation.vhost().name).await?;
    let requests = queues.iter().find(|queue| queue.name == REQUESTS).context("no request queue")?;
    requests.leader.context("the request queue has no leader")
}

/// A node and the next.
fn two(node: usize) -> [usize; 2] {
    [node, node % NODES.len() + 1]
}

/// The node that is left.
fn rest([first, second]: [usize; 2]) -> usize {
    NODES.iter().sum::<usize>() - first - second
}

/// Waits until a node takes no connections any more: it is alone, and has noticed.
async fn until_closed(cluster: &Cluster, node: usize) -> Result<()> {
    let url: reqwest::Url = cluster.node(node).worker.parse()?;
    let address = *url.socket_addrs(|| None)?.first().context("an address")?;
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(address).await.is_ok() {
        ensure!(Instant::now() < deadline, "node {node} serves alone after {PATIENCE:?}");
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// A channel with confirms, and a quorum queue of nobody else.
async fn probe(url: &str) -> Result<(Connection, Channel)> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(PROBE.into(), durable, arguments).await?;
    Ok((connection, channel))
}
