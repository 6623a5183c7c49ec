//! Broker or database replaced, a backup restored: what consumers, cache and record know of each other afterwards.

use std::collections::{HashMap, HashSet};

use join_community::domain::Control;
use join_community::postgres::Terms;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use uuid::Uuid;

use super::QUEUE;
use super::steps::Steps;
use crate::support::{
    Events, Installation, JOINABLE, Message, PATIENCE, Worker, empty_database, eventually, subject, vhost,
};

#[tokio::test]
async fn the_broker_was_replaced() {
    let installation = Installation::new().await;
    let producer = installation.producer().await;
    installation.set(Control::PauseEvents, Terms::default()).await;
    let worker = installation.start().await;
    let answered = installation.crowd_at_the_door(&producer, 5).await;
    installation.until_answered(&answered, 5).await;
    producer.send(&Message::bytes("no request")).await;
    installation.dead_letters(1).await;
    worker.stop().await;
    // In the old broker they lie, and with it they go.
    let lost = installation.crowd_at_the_door(&producer, 3).await;
    let mut steps = Steps::of("The broker was replaced", &installation);
    steps.next().await.tells(&["1 dead letter written to letters.jsonl"]);
    let kept = std::fs::read_to_string(steps.folder().join("letters.jsonl")).unwrap();
    let letter: Value = serde_json::from_str(kept.trim_end()).expect("one letter a line");
    assert!(letter.is_object() && !kept.contains("(masked)"), "{kept}");

    let new = vhost().await;
    steps.set("JOIN_COMMUNITY__BROKER__URL", &new.worker_url);
    steps.next().await.tells(&["Queues were created", "all is as planned"]);
    let replaced = Installation::around(async { new }, |config| {
        config.database = installation.config.database.clone();
        config.cache = installation.config.cache.clone();
    })
    .await;
    let mut events = replaced.events().await;
    installation.release(Control::PauseEvents).await;
    let worker = replaced.start().await;
    let mut producer = replaced.producer().await;
    for crowd in [&answered, &lost] {
        // Under the same ids, the answered ones as well.
        for request in &crowd.requests {
            assert_eq!(producer.ask(request).await.status, 200);
        }
    }
    events.tell_of(&[&answered, &lost]).await;
    for crowd in [&answered, &lost] {
        assert_eq!(installation.answered(crowd).await, crowd.members.len(), "one verdict for each");
        for member in &crowd.members {
            installation.cached_at(crowd.site, *member, JOINABLE.sequence + 1).await;
        }
    }
    assert!(worker.counted("join_community_requests_repeated_total") >= 5);
    replaced.outbox_is_empty().await;
    // A consumer whose queue went with the old broker.
    replaced.foreign_queue(QUEUE).await;
    steps.set("SITE", answered.site.to_string());
    steps.set("QUEUE", QUEUE);
    steps.next().await.tells(&["5 of 5 members"]);
    steps.done();
    let told: HashSet<Uuid> = replaced.messages(QUEUE, 5).await.iter().map(subject).collect();
    let expected: HashSet<Uuid> = answered.members.iter().copied().collect();
    assert_eq!(told, expected);
    worker.stop().await;
}

#[tokio::test]
async fn the_database_is_moved() {
    let installation = Installation::new().await;
    let (mut producer, site) = (installation.producer().await, Uuid::new_v4());
    let members = installation.members(site, JOINABLE, 2).await;
    let worker = installation.start().await;
    let first = Message::join(site, members[0]);
    assert_eq!(producer.ask(&first).await.status, 200);
    let new = empty_database().await;
    let mut steps = Steps::of("The database is moved", &installation).with("NEW_DATABASE", new.url());
    steps.next().await.tells(&["pause database"]);
    installation.until_nobody_consumes().await;
    installation.until_the_database_is_left_alone().await;
    steps.next().await.tells(&[]);
    worker.stop().await;

    let mut config = installation.config.clone();
    config.database = new.config.clone();
    let worker = Worker::start(config).await;
    assert_eq!(installation.consumers().await, 0, "the pause has moved along");
    let second = Message::join(site, members[1]);
    for request in [&first, &second] {
        producer.send(request).await;
    }
    steps.next().await.tells(&["Nothing is set."]);
    steps.done();
    for request in [&first, &second] {
        assert_eq!(producer.answer_to(request).await.status, 200);
    }
    assert_eq!(worker.counted("join_community_requests_repeated_total"), 1, "what was answered there is known here");
    let mut moved = new.stranger().await;
    let joined = "SELECT count(*) FROM members WHERE privacy_status = 'PUBLIC' AND event_sequence = $1";
    let joined = sqlx::query_scalar::<_, i64>(joined).bind(JOINABLE.sequence + 1);
    assert_eq!(joined.fetch_one(&mut moved).await.unwrap(), 2);
    worker.stop().await;
}

/// What a consumer keeps that goes by the sequence: the newest it has heard of each member.
#[derive(Default)]
struct Consumer(HashMap<Uuid, (i64, String)>);

impl Consumer {
    async fn hears(&mut self, events: &mut Events) {
        for event in events.all_so_far().await {
            let body = event.json();
            let sequence: i64 = body["entityEventSequence"].as_str().unwrap().parse().unwrap();
            let entity = &body["updatedEvent"]["currentEntity"];
            let privacy = entity["privacyStatus"].as_str().unwrap_or_else(|| panic!("no member in {body}")).to_owned();
            let known = self.0.entry(subject(&event)).or_insert_with(|| (sequence, privacy.clone()));
            if sequence > known.0 {
                *known = (sequence, privacy);
            }
        }
    }
}

#[tokio::test]
async fn a_backup_is_restored() {
    let installation = Installation::new().await;
    let (mut producer, mut events) = (installation.producer().await, installation.events().await);
    let (site, mut consumer) = (Uuid::new_v4(), Consumer::default());
    let [before, after, never] = installation.members(site, JOINABLE, 3).await.try_into().unwrap();
    let worker = installation.start().await;
    assert_eq!(producer.ask(&Message::join(site, before)).await.status, 200);
    installation.outbox_is_empty().await;
    let empty = empty_database().await;
    let mut steps = Steps::of("A backup is restored", &installation);
    steps.run("pg_dump --format=custom --file=members.dump \"$DATABASE\"").await.tells(&[]);
    // Joined, announced and cached; and then the commit is lost.
    let lost = Message::join(site, after);
    assert_eq!(producer.ask(&lost).await.status, 200);
    installation.outbox_is_empty().await;
    consumer.hears(&mut events).await;
    assert_eq!(consumer.0[&after].1, "PUBLIC");
    worker.stop().await;

    let url = empty.config.url.expose_secret();
    steps.set("DATABASE", url);
    steps.set("JOIN_COMMUNITY__DATABASE__URL", url);
    let told = ["The database schema is up to date.", "Raised the sequences of 3 members", "Nothing is set."];
    steps.next().await.tells(&told);
    let mut config = installation.config.clone();
    config.database = empty.config.clone();
    let worker = Worker::start(config).await;
    let sequences =
        [before, after, never].map(|member| (member, JOINABLE.sequence + 1000 + i64::from(member == before)));
    for (member, sequence) in sequences {
        installation.cached_at(site, member, sequence).await;
    }
    let mut restored = empty.stranger().await;
    eventually("nothing is owed", PATIENCE, async || {
        let owed = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM outbox").fetch_one(&mut restored).await.unwrap();
        if owed == 0 { Ok(()) } else { Err(owed) }
    })
    .await;
    steps.next().await.tells(&["3 members compared with their entries: nothing is wrong."]);
    steps.done();
    consumer.hears(&mut events).await;
    for (member, privacy) in [(before, "PUBLIC"), (after, "PRIVATE"), (never, "PRIVATE")] {
        let (_, shown) = installation.cached(site, member).await.unwrap();
        assert_eq!(consumer.0[&member].1, privacy, "the consumer is told what the record says");
        assert_eq!(shown.is_some(), privacy == "PUBLIC", "so is the cache");
    }
    // Sent again, it is decided anew, and everybody hears of it.
    assert_eq!(producer.ask(&lost).await.status, 200);
    let shown = installation.cached_at(site, after, JOINABLE.sequence + 1001).await.unwrap();
    assert_eq!(shown["privacyStatus"], json!("PUBLIC"));
    let (_, event) = events.until(after).await;
    assert_eq!(event.json()["entityEventSequence"], (JOINABLE.sequence + 1001).to_string());
    worker.stop().await;
}
