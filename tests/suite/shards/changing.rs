//! The way from one queue to several and back, and to fewer of them.

use join_community::rabbitmq::connect::connect;
use join_community::rabbitmq::topology::{self, Names, Problem};

use super::{SHARDS, depths, spread, until_empty};
use crate::support::{Installation, Message, Producer, Worker};

async fn declare(installation: &Installation, shards: u16) {
    let broker = &installation.config.broker;
    let deployer = connect(&broker.url, "deployment", broker).await.unwrap();
    topology::declare(&deployer, &Names::new("").sharded(shards)).await.unwrap();
    deployer.close(200, "done".into()).await.unwrap();
}

/// What `verify` finds, with no look at arguments and bindings.
async fn findings(installation: &Installation, shards: u16) -> Vec<Problem> {
    let broker = &installation.config.broker;
    let connection = connect(&broker.url, "test", broker).await.unwrap();
    let report = topology::verify(&connection, None, &Names::new("").sharded(shards)).await.unwrap();
    report.findings.into_iter().map(|finding| finding.problem).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn from_one_queue_to_four_shards_and_back_under_load_nothing_is_lost_and_nothing_comes_twice() {
    let installation = Installation::new().await;
    let producer = installation.producer().await;
    let spread_config = {
        let mut config = installation.config.clone();
        spread(&mut config);
        config
    };
    let crowd = installation.crowd(1_500).await;
    let one = installation.start().await;
    let to_four = async {
        installation.until_answered(&crowd, 50).await;
        declare(&installation, SHARDS).await;
        let four = Worker::start(spread_config).await;
        one.stop().await;
        four
    };
    let (four, ()) = tokio::join!(to_four, send(&producer, &crowd.requests[..500]));
    let back = async {
        installation.until_answered(&crowd, 550).await;
        declare(&installation, 1).await;
        let one = installation.start().await;
        four.stop().await;
        one
    };
    let (one, ()) = tokio::join!(back, send(&producer, &crowd.requests[500..1_000]));
    send(&producer, &crowd.requests[1_000..]).await;
    installation.all_recorded_once(&crowd).await;
    until_empty(&installation).await;
    one.stop().await;
    // Nothing comes into the shards any more, and whoever looks is told of them.
    installation.crowd_at_the_door(&producer, 10).await;
    assert_eq!((depths(&installation).await, installation.depth("join-community.requests").await), (vec![0; 4], 10));
    assert_eq!(findings(&installation, 1).await, vec![Problem::LeftOver { messages: 0 }; 4]);
    assert_eq!(findings(&installation, 4).await, []);
}

/// Few at a time, so that something happens meanwhile.
async fn send(producer: &Producer, requests: &[Message]) {
    for few in requests.chunks(10) {
        producer.send_all(few).await;
    }
}

#[tokio::test]
async fn fewer_shards_are_bound_and_the_others_are_told_of_and_drained() {
    let installation = Installation::with(spread).await;
    let producer = installation.producer().await;
    let crowd = installation.crowd_at_the_door(&producer, 50).await;
    let waiting = depths(&installation).await;
    declare(&installation, 2).await;
    let left = |place: usize| Problem::LeftOver { messages: waiting[place] };
    assert_eq!(findings(&installation, 2).await, [left(2), left(3)]);
    producer.send_all(&installation.crowd(20).await.requests).await;
    assert_eq!(depths(&installation).await[2..], waiting[2..], "a shard that is no longer planned takes requests");

    let mut config = installation.config.clone();
    config.broker.shards = 2;
    let worker = Worker::start(config).await;
    installation.all_joined_once(&crowd).await;
    until_empty(&installation).await;
    worker.stop().await;
}
