//! What a worker chooses for itself, by what PostgreSQL takes for a batch: with PostgreSQL nearby one lane gathers what comes,
//! with PostgreSQL far away all lanes wait for it side by side. What is fixed stays.

use std::convert::Infallible;
use std::time::Duration;

use futures_util::future::join_all;
use join_community::config::Config;
use secrecy::ExposeSecret as _;
use uuid::Uuid;

use crate::faults::proxy::{Network, Proxy};
use crate::support::{Installation, JOINABLE, Message, PATIENCE, Producer, Worker, eventually};

/// So far away PostgreSQL is: a batch asks it twice, so no batch takes less than four times that.
const AWAY: Duration = Duration::from_millis(5);
/// So far away it is as good as nearby, and yet no machine makes more than 500 batches a second with two lanes.
const HARDLY_AWAY: Duration = Duration::from_millis(1);
/// Producers, and requests of each that wait for their answers: more than lanes, so that none rests, and far from a full batch.
const PRODUCERS: usize = 8;
const AT_ONCE: usize = 2;
const BATCHES: &str = "join_community_batch_requests_count";

/// Lanes that shall work, and how long each waits at least from batch to batch.
type Chosen = (u64, Duration);

const GATHERING: Chosen = (1, Duration::from_millis(5));
const SIDE_BY_SIDE: Chosen = (2, Duration::ZERO);

/// An installation whose worker reaches PostgreSQL through a proxy.
async fn behind_a_proxy(adjust: impl FnOnce(&mut Config)) -> (Installation, Proxy) {
    let mut installation = Installation::with(adjust).await;
    let (proxy, through) = Proxy::before(installation.config.database.url.expose_secret(), 0).unwrap();
    installation.config.database.url = through.into();
    (installation, proxy)
}

/// Has producers ask for as long as that is watched. Each request costs its batch two statements, and changes nobody.
async fn while_many_ask(installation: &Installation, watching: impl Future<Output = ()>) {
    let site = Uuid::new_v4();
    installation.gate(site, "NO_ONE").await;
    let mut producers = Vec::new();
    for _ in 0..PRODUCERS {
        producers.push((installation.producer().await, installation.members(site, JOINABLE, AT_ONCE).await));
    }
    let asking = join_all(producers.iter_mut().map(|(producer, members)| keep_asking(producer, site, members)));
    tokio::select! {
        _ = asking => panic!("nobody asks any more"),
        () = watching => {}
    }
}

async fn keep_asking(producer: &mut Producer, site: Uuid, members: &[Uuid]) -> Infallible {
    loop {
        let requests: Vec<Message> = members.iter().map(|member| Message::join(site, *member)).collect();
        producer.send_all(&requests).await;
        producer.answers(requests.len()).await;
    }
}

fn chosen(worker: &Worker) -> Chosen {
    (worker.counted("join_community_lanes_wanted"), worker.seconds("join_community_pace_seconds"))
}

async fn until_chosen(worker: &Worker, expected: Chosen) {
    eventually(&format!("{expected:?} is chosen"), PATIENCE * 2, async || match chosen(worker) {
        seen if seen == expected => Ok(()),
        seen => Err(seen),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_lane_gathers_until_the_database_is_far_away_and_again_when_it_is_back() {
    let (installation, proxy) = behind_a_proxy(|_| {}).await;
    let worker = installation.start().await;
    while_many_ask(&installation, async {
        proxy.set(Network::Slow(HARDLY_AWAY));
        until_chosen(&worker, GATHERING).await;
        proxy.set(Network::Slow(AWAY));
        until_chosen(&worker, SIDE_BY_SIDE).await;
        proxy.set(Network::Slow(HARDLY_AWAY));
        until_chosen(&worker, GATHERING).await;
    })
    .await;
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_fixed_stays_however_far_away_the_database_is() {
    let (installation, proxy) = behind_a_proxy(|config| config.join.steered = false).await;
    let worker = installation.start().await;
    let fixed = || {
        let shown = ["join_community_batch_limit_requests", "join_community_prefetch_requests"];
        (chosen(&worker), shown.map(|gauge| worker.counted(gauge)))
    };
    let join = &installation.config.join;
    let configured = (SIDE_BY_SIDE, [join.batch_max as u64, u64::from(join.prefetch)]);
    while_many_ask(&installation, async {
        // Both take two seconds at least, so that whoever chooses would have chosen.
        for (away, batches) in [(HARDLY_AWAY, 1_000), (AWAY, 200)] {
            proxy.set(Network::Slow(away));
            worker.until_counts(BATCHES, worker.counted(BATCHES) + batches).await;
            assert_eq!(fixed(), configured, "{away:?} away");
        }
    })
    .await;
    worker.stop().await;
}
