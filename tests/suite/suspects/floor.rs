//! While a suspect is tried, nobody else in its process is handled. Apart from what becomes of suspects themselves.

use std::time::Duration;

use join_community::app::Stopped;
use lapin::Channel;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use sqlx::{Executor as _, PgConnection};
use uuid::Uuid;

use super::{REQUESTS, marks, take};
use crate::support::{Installation, JOINABLE, Message, PATIENCE, Producer, Worker, eventually};

#[tokio::test]
async fn nobody_else_is_handled_while_a_suspect_is() {
    let mut tried = Tried::while_no_verdict_can_be_recorded().await;
    let (worker, requests) = (tried.worker, tried.requests);
    tried.holder.execute("ROLLBACK").await.unwrap();
    let answers = tried.producer.answers(40).await;
    assert_eq!(answers[0].correlation_id.as_deref(), Some(requests[0].request_id()), "{answers:?}");
    worker.stop().await;
}

#[tokio::test]
async fn who_waits_for_a_suspect_to_be_tried_goes_at_once_when_the_worker_stops() {
    let mut tried = Tried::while_no_verdict_can_be_recorded().await;
    tried.worker.tell_to_stop();
    // The suspect is in hand still, and so is what came after it to the same lane, which is full.
    tried.installation.until_holds(REQUESTS, 20).await;
    assert_eq!(marks(&tried.installation).await, 1);
    tried.holder.execute("ROLLBACK").await.unwrap();
    assert_eq!(tried.worker.stop().await, Stopped::Drained);
    assert_eq!(marks(&tried.installation).await, 0);
}

/// A suspect that is being tried, and waits for a lock, while as many others wait as the lanes take for it.
struct Tried {
    worker: Worker,
    producer: Producer,
    holder: PgConnection,
    requests: Vec<Message>,
    // Last: the others still need it when they go.
    installation: Installation,
}

impl Tried {
    async fn while_no_verdict_can_be_recorded() -> Self {
        let installation = Installation::with(|config| {
            config.database.lock_timeout = Duration::from_secs(14);
            config.database.statement_timeout = Duration::from_secs(15);
            // What one lane gives back finds no room at the other.
            (config.join.lanes, config.join.prefetch) = (2, 20);
        })
        .await;
        let producer = installation.producer().await;
        let site = Uuid::now_v7();
        let members = installation.members(site, JOINABLE, 40).await;
        let requests: Vec<Message> = members.iter().map(|member| Message::join(site, *member)).collect();
        producer.send(&requests[0]).await;
        let taken = take(&installation, 1).await;
        let mut holder = installation.stranger().await;
        holder.execute("BEGIN").await.unwrap();
        // A lock that cannot be seen before it is waited for.
        holder.execute("LOCK TABLE join_requests IN SHARE MODE").await.unwrap();
        // Whoever looks into a quorum queue may count as a consumer.
        let before = consumers(&taken).await;
        let worker = installation.start().await;
        let lanes = u32::try_from(installation.config.join.lanes).unwrap();
        eventually("all lanes consume", PATIENCE, async || match consumers(&taken).await - before {
            consumers if consumers == lanes => Ok(()),
            consumers => Err(consumers),
        })
        .await;
        taken.close(200, "back".into()).await.unwrap();
        eventually("the suspect is being tried", PATIENCE, async || match marks(&installation).await {
            1 => Ok(()),
            marks => Err(marks),
        })
        .await;
        producer.send_all(&requests[1..]).await;
        installation.until_holds(REQUESTS, 0).await;
        Self { worker, producer, holder, requests, installation }
    }
}

async fn consumers(channel: &Channel) -> u32 {
    let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(REQUESTS.into(), passive, FieldTable::default()).await.unwrap().consumer_count()
}
