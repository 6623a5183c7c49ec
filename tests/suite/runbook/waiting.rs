//! What waits for somebody to mend a service: what the worker tells of it, and how it goes on.

use join_community::operations::Dependency;
use secrecy::ExposeSecret as _;
use uuid::Uuid;

use super::steps::Steps;
use super::{listening, place};
use crate::support::{Installation, JOINABLE, Message, PATIENCE, Proxy, Wire, Worker, eventually};

const URLS: [&str; 3] = ["JOIN_COMMUNITY__BROKER__URL", "JOIN_COMMUNITY__DATABASE__URL", "JOIN_COMMUNITY__CACHE__URL"];

#[tokio::test]
async fn a_dependency_is_out() {
    let installation = Installation::with(listening).await;
    let mut config = installation.alert();
    let wires = [
        Proxy::before(&mut config.broker.url),
        Proxy::before(&mut config.database.url),
        Proxy::before(&mut config.cache.url),
    ];
    let urls = [&config.broker.url, &config.database.url, &config.cache.url].map(|url| url.expose_secret().to_owned());
    let worker = Worker::start(config).await;
    let (mut producer, site) = (installation.producer().await, Uuid::new_v4());
    let services =
        [("broker", Dependency::Consuming), ("database", Dependency::Database), ("cache", Dependency::Cache)];
    for (wire, (service, dependency)) in wires.iter().zip(services) {
        let mut steps =
            Steps::of("A dependency is out", &installation).with("WORKER", place(&worker)).with("SERVICE", service);
        // Whoever looks from here meets the same.
        for (name, url) in URLS.into_iter().zip(&urls) {
            steps.set(name, url.as_str());
        }
        let waiting = Message::join(site, installation.member(site, JOINABLE).await);
        wire.set(Wire::Cut);
        producer.send(&waiting).await;
        worker.until_misses(dependency).await;
        let said = steps.next().await;
        let told = format!("error   {service:<9} ");
        assert!(said.code == Some(1) && said.stdout.contains(&told), "{said:#?}");
        wire.set(Wire::Whole);
        steps.next().await.tells(&[&format!("The worker tries the {service} now")]);
        steps.done();
        assert_eq!(producer.answer_to(&waiting).await.status, 200);
        eventually("it serves", PATIENCE, async || {
            if worker.health().is_up(dependency) { Ok(()) } else { Err(worker.health().report()) }
        })
        .await;
        worker.until_ready().await;
    }
    installation.outbox_is_empty().await;
    worker.stop().await;
}
