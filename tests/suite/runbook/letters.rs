//! Dead letters: put back once what made them is mended, or thrown away where that is its producer's to mend.

use std::time::Duration;

use sqlx::Connection as _;
use uuid::Uuid;

use super::steps::Steps;
use crate::support::{Installation, JOINABLE, Message, PATIENCE, eventually};
use crate::suspects::{come_back, mark_as_by_another};

const SECTION: &str = "Dead letters appear";
const DEAD_LETTERS: &str = "join-community.dead-letters";

#[tokio::test]
async fn dead_letters_appear() {
    let installation = Installation::with(|config| {
        (config.join.busy_retries, config.database.lock_timeout) = (0, Duration::from_millis(100));
    })
    .await;
    let (mut producer, site) = (installation.producer().await, Uuid::new_v4());
    let [busy, poisoned, deadly, first, second] = installation.members(site, JOINABLE, 5).await.try_into().unwrap();
    let mut holder = installation.stranger().await;
    let mut held = holder.begin().await.unwrap();
    sqlx::query("SELECT FROM members WHERE id = $1 FOR UPDATE").bind(busy).execute(&mut *held).await.unwrap();
    installation.refuse_changes_of("poison").await;
    let poison = "UPDATE members SET login_email = 'poison' WHERE site_id = $1 AND id = $2";
    installation.change(site, poisoned, poison).await;
    // Two processes died of it, alone.
    let killer = Message::join(site, deadly);
    producer.send(&killer).await;
    come_back(&installation, 1).await;
    for _ in 0..2 {
        mark_as_by_another(&installation, &killer, producer.user()).await;
    }
    let worker = installation.start().await;
    let named = Message::join(site, first);
    assert_eq!(producer.ask(&named).await.status, 200);
    let reused = Message::join(site, second).id(named.request_id());
    let others = [Message::join(site, busy), Message::join(site, poisoned), Message::bytes("no request"), reused];
    producer.send_all(&others).await;

    let mut steps = Steps::of(SECTION, &installation);
    steps.next_until("5 dead letters: ").await;
    steps.again().await.tells(&["1 busy", "1 conflict", "1 crash_loop", "1 malformed", "1 permanent"]);
    held.rollback().await.unwrap();
    installation.refuse_changes_of("nobody").await;
    steps.set("REASON", "busy");
    steps.next().await.tells(&["1 dead letter replayed (1 joined)"]);
    for reason in ["permanent", "crash_loop"] {
        steps.set("REASON", reason);
        steps.again().await.tells(&["1 dead letter replayed (1 joined)"]);
    }
    steps.set("COUNT", "1");
    steps.set("REASON", "malformed");
    steps.next().await.tells(&["1 dead letter discarded"]);
    steps.set("REASON", "conflict");
    steps.again().await.tells(&["1 dead letter discarded"]);
    steps.done();
    installation.until_holds(DEAD_LETTERS, 0).await;
    for member in [busy, poisoned, deadly] {
        assert_eq!(installation.record(site, member).await.unwrap().privacy, "PUBLIC");
    }
    assert_eq!(installation.record(site, second).await.unwrap().privacy, "PRIVATE");
    worker.stop().await;
}

#[tokio::test]
async fn malformed_messages_are_dropped() {
    let installation = Installation::with(|config| config.dead_letters.max = 3).await;
    let (mut producer, worker) = (installation.producer().await, installation.start().await);
    // The worker looks now and then how many lie there, so more than three are kept at first.
    eventually("a malformed message is dropped", PATIENCE, async || {
        assert_eq!(producer.ask(&Message::bytes("no JSON")).await.status, 400);
        match worker.counted("join_community_malformed_dropped_total") {
            0 => Err(0),
            dropped => Ok(dropped),
        }
    })
    .await;
    let count = installation.depth(DEAD_LETTERS).await;
    let steps = Steps::of(SECTION, &installation).with("REASON", "malformed").with("COUNT", count.to_string());
    let mut steps = steps.pass_by().pass_by();
    steps.next().await.tells(&[&format!("{count} dead letters discarded")]);
    steps.done();
    eventually("one is kept again", PATIENCE, async || {
        assert_eq!(producer.ask(&Message::bytes("no JSON")).await.status, 400);
        match installation.depth(DEAD_LETTERS).await {
            0 => Err(0),
            kept => Ok(kept),
        }
    })
    .await;
    worker.stop().await;
}
