//! What waits for somebody to mend a service, or to let it go on: what the worker tells of it, and how it goes on.

use join_community::domain::Control;
use join_community::operations::Dependency;
use join_community::postgres::Terms;
use uuid::Uuid;

use super::{Steps, place};
use crate::support::{Installation, JOINABLE, Message, Proxy, Wire, Worker};

#[tokio::test]
async fn a_dependency_is_out() {
    let installation = Installation::with(|config| "127.0.0.1:0".clone_into(&mut config.http.listen)).await;
    let mut config = installation.alert();
    let wire = Proxy::before(&mut config.database.url);
    let worker = Worker::start(config).await;
    let (mut producer, site) = (installation.producer().await, Uuid::new_v4());
    let member = installation.member(site, JOINABLE).await;
    wire.set(Wire::Cut);
    let waiting = Message::join(site, member);
    producer.send(&waiting).await;
    worker.until_misses(Dependency::Database).await;
    wire.set(Wire::Whole);
    let mut steps = Steps::of("A dependency is out", &installation).with("WORKER", place(&worker));
    steps.next().await.tells(&["The worker tries the database now"]);
    steps.done();
    assert_eq!(producer.answer_to(&waiting).await.status, 200);
    worker.until_ready().await;
    worker.stop().await;
}

#[tokio::test]
async fn events_are_missing_because_they_are_owed() {
    let installation = Installation::new().await;
    installation.set(Control::PauseEvents, Terms::default()).await;
    let (mut producer, worker) = (installation.producer().await, installation.start().await);
    let (mut events, site) = (installation.events().await, Uuid::new_v4());
    let member = installation.member(site, JOINABLE).await;
    let request = Message::join(site, member);
    assert_eq!(producer.ask(&request).await.status, 200);
    installation.cached_at(site, member, JOINABLE.sequence + 1).await;
    let of_request = || Steps::of("Events are missing", &installation).with("REQUEST", request.request_id());
    of_request().next_until("of sequence").await;
    installation.release(Control::PauseEvents).await;
    events.until(member).await;
    installation.outbox_is_empty().await;
    of_request().next().await.tells(&["owed       nothing"]);
    worker.stop().await;
}
