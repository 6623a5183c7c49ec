//! Joins and leaves of the same member, in a batch and in a race: they end in the order of their commits.

use std::collections::BTreeMap;
use std::time::Duration;

use join_community::domain::{Method, Verdict};
use join_community::join::rounds::{Outcome, Policy, bring_to_outcome};
use join_community::operations::Laps;
use join_community::postgres::{Role, Ruling, Session};
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::support::asking::{asking, insert, joinable, new_member, new_site, own_request};
use crate::support::{Event, Installation, JOINABLE, Message, PATIENCE, database, eventually, subject, trusted};

const POLICY: Policy = Policy { patience: 0, lease: Duration::from_secs(10) };

#[tokio::test]
async fn joins_and_leaves_that_race_end_in_the_order_of_their_commits() {
    const EACH: usize = 25;
    let installation = Installation::with(|config| {
        config.auth.producers = vec![trusted("member-gateway"), trusted("admin")];
        config.join.steered = false;
        config.join.lanes = 4;
        config.join.batch_max = 4;
    })
    .await;
    let workers = [installation.start().await, installation.start().await];
    let producers = [installation.producer().await, installation.other_producer().await];
    let mut events = installation.events().await;
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    let [joins, leaves] = [Message::join, Message::leave]
        .map(|method| -> Vec<Message> { std::iter::repeat_with(|| method(site, member)).take(EACH).collect() });
    tokio::join!(producers[0].send_all(&joins), producers[1].send_all(&leaves));
    let recorded = eventually("every request has a verdict", PATIENCE, async || {
        let recorded = installation.requests(site).await;
        if recorded.len() == 2 * EACH { Ok(recorded) } else { Err(recorded.len()) }
    })
    .await;
    installation.outbox_is_empty().await;

    let changes: BTreeMap<i64, &str> = recorded
        .iter()
        .filter(|it| !it.verdict.starts_with("already_"))
        .map(|it| (it.sequence.unwrap(), it.verdict.as_str()))
        .collect();
    let effective = recorded.iter().filter(|it| !it.verdict.starts_with("already_")).count();
    assert_eq!(changes.len(), effective, "two changes of one sequence");
    assert!(changes.keys().copied().eq(17..17 + i64::try_from(effective).unwrap()), "{changes:?}");
    let turns = ["joined", "left"].into_iter().cycle().take(effective);
    assert!(changes.values().copied().eq(turns), "{changes:?}");
    // Who effective nothing was told what was so at the time.
    for it in recorded.iter().filter(|it| it.verdict.starts_with("already_")) {
        let before = changes.get(&it.sequence.unwrap()).copied().unwrap_or("left");
        assert_eq!(it.verdict, format!("already_{before}"), "{it:?}");
    }
    let (last, how) = changes.last_key_value().unwrap();
    let (privacy, is_public) = if *how == "joined" { ("PUBLIC", true) } else { ("PRIVATE", false) };
    let record = installation.record(site, member).await.unwrap();
    assert_eq!((record.sequence, record.privacy.as_str()), (*last, privacy));
    assert_eq!(installation.cached_at(site, member, *last).await.is_some(), is_public);
    let told = events.all_so_far().await;
    let mut newest = 0;
    for event in told.iter().filter(|event| subject(event) == member).map(Event::json) {
        let sequence: i64 = event["entityEventSequence"].as_str().unwrap().parse().unwrap();
        assert_tells_of(&event, changes[&sequence]);
        newest = newest.max(sequence);
    }
    assert_eq!(newest, *last, "the newest state is announced");
    for worker in workers {
        worker.stop().await;
    }
}

fn assert_tells_of(event: &Value, change: &str) {
    let (origin, privacy) =
        if change == "joined" { ("join_community", "PUBLIC") } else { ("leave_community", "PRIVATE") };
    let told = (&event["originatedFrom"], &event["updatedEvent"]["currentEntity"]["privacyStatus"]);
    assert_eq!(told, (&json!(origin), &json!(privacy)));
}

#[tokio::test]
async fn a_batch_that_has_a_member_join_and_leave_does_both_in_its_order() {
    let (database, site) = (database().await, new_site());
    let mut store = Session::new(&database.config, Role::Lane).unwrap();
    let mut stranger = database.stranger().await;
    let (one, other) = (joinable(&mut stranger, site).await, new_member());
    insert(&mut stranger, site, other, "APPROVED", "PUBLIC").await;
    let batch = [
        (Method::Join, one),
        (Method::Leave, other),
        (Method::Leave, one),
        (Method::Leave, one),
        (Method::Join, one),
        (Method::Join, other),
    ]
    .map(|(method, member)| asking(method, own_request(site, member)));
    let outcomes = bring_to_outcome(&mut store, &batch.each_ref(), POLICY, &mut Laps::begin()).await.unwrap();
    let came: Vec<(Verdict, i64)> = outcomes
        .iter()
        .map(|outcome| {
            let Outcome::Verdict { verdict, member: Some(member), fresh: true } = outcome else {
                panic!("{outcome:?}")
            };
            (*verdict, member.event_sequence)
        })
        .collect();
    let expected = [
        (Verdict::Joined, 1),
        (Verdict::Left, 1),
        (Verdict::Left, 2),
        (Verdict::AlreadyLeft, 2),
        (Verdict::Joined, 3),
        (Verdict::Joined, 2),
    ];
    assert_eq!(came, expected);
    for (member, sequence) in [(one, 3), (other, 2)] {
        let record = store.member(site, member).await.unwrap().unwrap();
        assert!(record.is_public() && record.event_sequence == sequence, "{record:?}");
    }
}

#[tokio::test]
async fn a_leave_that_was_overtaken_is_not_recorded() {
    let (database, site) = (database().await, new_site());
    let mut store = Session::new(&database.config, Role::Lane).unwrap();
    let mut stranger = database.stranger().await;
    let overtakers = [
        "UPDATE members SET privacy_status = 'PRIVATE' WHERE id = $1",
        "UPDATE members SET status = 'BLOCKED' WHERE id = $1",
        "DELETE FROM members WHERE id = $1",
    ];
    for overtaker in overtakers {
        let member = new_member();
        insert(&mut stranger, site, member, "APPROVED", "PUBLIC").await;
        let asked = asking(Method::Leave, own_request(site, member));
        sqlx::query(overtaker).bind(member.0).execute(&mut stranger).await.unwrap();
        let ruling = Ruling { request: &asked, verdict: Verdict::Left, event_sequence: Some(1) };
        let recorded = store.commit(&[ruling], OffsetDateTime::now_utc(), POLICY.lease).await.unwrap();
        assert_eq!(recorded, [false], "{overtaker}");
        assert_eq!(store.member(site, member).await.unwrap().unwrap().event_sequence, 1, "{overtaker}");
        assert!(store.recorded(&asked.id, None).await.unwrap().is_empty(), "{overtaker}");
    }
}
