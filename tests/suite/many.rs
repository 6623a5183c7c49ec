//! Much at once: bad messages by the thousand, with no harm to the good ones between them and no end to the broker's disk;
//! more changes than there is room for.

use std::time::Duration;

use uuid::Uuid;

use crate::support::{Installation, JOINABLE, Message, PATIENCE, eventually};

#[tokio::test]
async fn a_thousand_malformed_messages_among_a_thousand_good_ones_change_nothing_for_these() {
    const EACH: u32 = 1_000;
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let mut producer = installation.producer().await;
    let site = Uuid::new_v4();
    let members = installation.members(site, JOINABLE, EACH as usize).await;
    let kinds = ["no JSON", "[]", "{}", r#"{"siteId":1}"#, r#"{"siteId":"x","siteId":"x"}"#];
    let mixed: Vec<Message> = members
        .iter()
        .zip(kinds.iter().cycle())
        .flat_map(|(member, kind)| [Message::join(site, *member), Message::bytes(*kind)])
        .collect();
    producer.send_all(&mixed).await;

    let answers = producer.answers(2 * EACH as usize).await;
    let with = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((with(200), with(400)), (EACH as usize, EACH as usize));
    let verdicts = installation.requests(site).await;
    assert_eq!(verdicts.iter().filter(|verdict| verdict.verdict == "joined").count(), EACH as usize);
    let letters = installation.dead_letters(EACH).await;
    assert!(letters.iter().all(|letter| letter.header("x-join-community-reason") == "malformed"));
    installation.outbox_is_empty().await;
    worker.stop().await;
    assert_eq!(installation.depth("join-community.requests").await, 0);
}

#[tokio::test]
async fn with_enough_dead_letters_malformed_messages_are_answered_and_dropped_and_others_kept() {
    let installation = Installation::with(|config| config.dead_letters.max = 3).await;
    for letter in 0..3 {
        installation.put("join-community.dead-letters", &[letter]).await;
    }
    let worker = installation.start().await;
    let mut producer = installation.producer().await;
    let dropped = || worker.counted("join_community_malformed_dropped_total");
    // The worker looks now and then, so the first ones may still be kept.
    eventually("the worker drops a malformed message", PATIENCE, async || {
        assert_eq!(producer.ask(&Message::bytes("no JSON")).await.status, 400);
        if dropped() > 0 { Ok(()) } else { Err(dropped()) }
    })
    .await;
    let (kept, before) = (installation.depth("join-community.dead-letters").await, dropped());

    for _ in 0..5 {
        assert_eq!(producer.ask(&Message::bytes("no JSON")).await.status, 400);
    }
    assert_eq!(dropped(), before + 5);
    let site = Uuid::new_v4();
    let members = installation.members(site, JOINABLE, 2).await;
    let request = Message::join(site, members[0]);
    assert_eq!(producer.ask(&request).await.status, 200);
    // Not malformed, but somebody's fault that must not be lost: it is kept whatever lies there.
    assert_eq!(producer.ask(&Message::join(site, members[1]).id(request.request_id())).await.status, 400);
    installation.dead_letters(kept + 1).await;
    worker.stop().await;
    assert_eq!(installation.depth("join-community.requests").await, 0);
}

#[tokio::test]
async fn changes_that_find_no_room_are_announced_long_before_their_leases_end() {
    let installation = Installation::with(|config| {
        // As little room as can be, and a lease that nobody waits for.
        (config.announce.queue, config.announce.batch_max) = (8, 4);
        config.announce.lease = Duration::from_hours(1);
    })
    .await;
    let producer = installation.producer().await;
    let mut events = installation.events().await;
    let crowd = installation.crowd_at_the_door(&producer, 200).await;
    let worker = installation.start().await;
    events.tell_of(&[&crowd]).await;
    installation.all_joined_once(&crowd).await;
    assert!(worker.counted("join_community_hints_dropped_total") > 0, "there was room for all of them");
    worker.stop().await;
}
