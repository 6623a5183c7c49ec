//! `events resync`: the same events once more, to everybody or to one queue; nobody is left out, whatever stops it.

mod stopped;

use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Value, json};
use time::{Duration as Span, OffsetDateTime};
use uuid::Uuid;

use crate::support::{Event, Installation, JOINABLE, MemberSpec, Message, PUBLIC, instant, on_record, subject};

const QUEUE: &str = "search.members";
const WHY: &[&str] = &["--why", "ticket"];
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const BLOCK: &str = "UPDATE members SET status = 'BLOCKED' WHERE site_id = $1 AND id = $2";

async fn resync(installation: &Installation, site: Uuid, arguments: &[&str]) -> Value {
    let site = site.to_string();
    let said =
        installation.run(&[&["events", "resync", "--output", "json", "--site", &site], arguments].concat()).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    said.json()
}

fn subjects(events: &[Event]) -> Vec<Uuid> {
    let mut subjects: Vec<Uuid> = events.iter().map(subject).collect();
    subjects.sort();
    subjects
}

/// Everything of an event but the queue it was found in.
fn content(event: &Event) -> (&[u8], &lapin::BasicProperties) {
    (&event.body, &event.properties)
}

#[tokio::test]
async fn a_member_who_joined_is_announced_again_by_the_very_same_event() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let (mut producer, mut events) = (installation.producer().await, installation.events().await);
    let site = Uuid::new_v4();
    let members = installation.members(site, JOINABLE, 3).await;
    for member in &members {
        let request = Message::join(site, *member).text_header("traceparent", TRACE);
        assert_eq!(producer.ask(&request).await.status, 200);
    }
    let mut first = vec![events.next().await, events.next().await, events.next().await];
    installation.outbox_is_empty().await;
    worker.stop().await;

    let report = resync(&installation, site, WHY).await;
    assert_eq!(
        report,
        json!({
            "siteId": site, "dryRun": false, "members": 3, "announced": 3, "tooLarge": 0, "unreadable": 0, "done": true
        })
    );
    let mut again = events.all_so_far().await;
    for events in [&mut first, &mut again] {
        events.sort_by_key(subject);
    }
    assert_eq!(subjects(&again), subjects(&first));
    for (first, again) in first.iter().zip(&again) {
        assert_eq!(content(again), content(first));
        assert_eq!((&*again.exchange, &*again.routing_key), (&*first.exchange, &*first.routing_key));
        assert!(again.headers["requestId"].is_string() && again.headers["traceparent"].is_string(), "{again:?}");
    }
}

#[tokio::test]
async fn of_a_change_that_nothing_is_recorded_of_only_the_cause_is_left_out() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let mut events = installation.events().await;
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    installation.change(site, member, BLOCK).await;
    let first = events.next().await;
    installation.outbox_is_empty().await;
    worker.stop().await;

    resync(&installation, site, WHY).await;
    let again = events.next().await;
    let whole = String::from_utf8(first.body.clone()).unwrap();
    let without = whole.replace(r#""originatedFrom":"external","#, "");
    assert_ne!(whole, without);
    assert_eq!((String::from_utf8(again.body).unwrap(), again.properties), (without, first.properties));
}

#[tokio::test]
async fn what_is_owed_is_announced_as_it_will_be_and_stays_owed() {
    let installation = Installation::new().await;
    let mut events = installation.events().await;
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    installation.change(site, member, BLOCK).await;
    resync(&installation, site, &["--dry-run"]).await;
    resync(&installation, site, &["--why", "ticket 4711"]).await;
    let target = format!("--site {site}");
    let expected = ["ordered", "announced 1 of 1 members"]
        .map(|outcome| ["events.resync", &target, "ticket 4711", outcome].map(str::to_owned));
    assert_eq!(on_record(&mut installation.stranger().await).await, expected, "who only counts is not on record");
    let early = events.next().await;
    assert_eq!(early.json()["originatedFrom"], "external");
    let worker = installation.start().await;
    assert_eq!(content(&events.next().await), content(&early));
    worker.stop().await;
}

#[tokio::test]
async fn only_members_with_a_change_are_announced_and_only_those_of_the_site() {
    let installation = Installation::new().await;
    let mut events = installation.events().await;
    let (site, other) = (Uuid::new_v4(), Uuid::new_v4());
    let mut announced = installation.members(site, JOINABLE, 130).await;
    announced.push(installation.member(site, MemberSpec { status: "BLOCKED", ..JOINABLE }).await);
    installation.members(other, JOINABLE, 2).await;
    installation.member(site, MemberSpec { sequence: 0, ..PUBLIC }).await;
    let deleted = installation.member(site, JOINABLE).await;
    installation.change(site, deleted, "DELETE FROM members WHERE site_id = $1 AND id = $2").await;
    announced.sort();

    let dry = resync(&installation, site, &["--dry-run"]).await;
    assert_eq!((&dry["members"], &dry["announced"], &dry["done"]), (&json!(133), &json!(131), &json!(true)));
    assert_eq!(events.all_so_far().await.len(), 0, "it would announce, and does not");
    resync(&installation, site, WHY).await;
    assert_eq!(subjects(&events.all_so_far().await), announced);
}

#[tokio::test]
async fn since_leaves_out_who_changed_before() {
    let installation = Installation::new().await;
    let mut events = installation.events().await;
    let (site, at) = (Uuid::new_v4(), OffsetDateTime::now_utc() - Span::hours(1));
    let changed = |updated| MemberSpec { updated: Some(updated), ..JOINABLE };
    installation.members(site, changed(at - Span::milliseconds(1)), 5).await;
    let mut expected = vec![installation.member(site, changed(at)).await];
    expected.push(installation.member(site, changed(at + Span::hours(1))).await);
    expected.sort();
    let report = resync(&installation, site, &["--since", &instant(at), "--why", "ticket"]).await;
    assert_eq!((&report["members"], &report["announced"]), (&json!(7), &json!(2)));
    assert_eq!(subjects(&events.all_so_far().await), expected);
}

#[tokio::test]
async fn one_queue_can_be_told_alone() {
    let installation = Installation::new().await;
    let mut events = installation.events().await;
    let site = Uuid::new_v4();
    let mut members = installation.members(site, JOINABLE, 70).await;
    members.sort();
    installation.foreign_queue(QUEUE).await;
    let report = resync(&installation, site, &["--to", QUEUE, "--why", "ticket"]).await;
    assert_eq!((&report["to"], &report["announced"]), (&json!(QUEUE), &json!(70)));
    assert_eq!(events.all_so_far().await.len(), 0, "nobody else is told");
    let found = installation.messages(QUEUE, 70).await;
    assert_eq!(subjects(&found), members);
    let id = Uuid::new_v5(
        &"0c5b2f0e-6d2c-5f6e-9b1d-3a7c4e8f1a20".parse().unwrap(),
        format!("{site}/{}/16", subject(&found[0])).as_bytes(),
    );
    assert_eq!(found[0].message_id(), Some(&*id.to_string()));
}

#[tokio::test]
async fn a_queue_that_does_not_exist_or_is_the_worker_s_own_is_named() {
    let installation = Installation::new().await;
    let site = Uuid::new_v4();
    installation.members(site, JOINABLE, 2).await;
    let site = site.to_string();
    let to = async |queue: &str| {
        installation.run(&[&["events", "resync", "--site", &site, "--to", queue], WHY].concat()).await
    };
    let said = to("nowhere").await;
    assert!(said.code == Some(1) && said.stderr.contains("there is no queue `nowhere`"), "{said:?}");
    assert!(said.stdout.contains("Announced 0 of 0") && said.stdout.contains("Go on with"), "{said:?}");
    let said = to("join-community.requests").await;
    assert!(said.code == Some(1) && said.stderr.contains("a queue of Join Community itself"), "{said:?}");
    assert_eq!(installation.depth("join-community.requests").await, 0);
}

/// A queue that refuses what is above so many messages.
async fn small_queue(installation: &Installation, most: i32) {
    let mut arguments = FieldTable::default();
    arguments.insert("x-max-length".into(), AMQPValue::LongInt(most));
    arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    installation.channel().await.queue_declare(QUEUE.into(), options, arguments).await.unwrap();
}
