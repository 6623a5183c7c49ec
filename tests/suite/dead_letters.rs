//! `dead-letters` as an operator runs it: the program itself, on letters of all kinds.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use join_community::rabbitmq::dead_letters::DeadLetters;
use lapin::options::{BasicGetOptions, BasicNackOptions};
use lapin::types::AMQPValue;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Installation, JOINABLE, Message, PATIENCE, eventually, variable};

const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl";
const INTERNAL: &str = "join-community.internal";

/// What the program says and with which code it ends.
struct Said {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Said {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {} {}", self.stdout, self.stderr))
    }
}

async fn dead_letters(installation: &Installation, arguments: &[&str]) -> Said {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_join-community"));
    command.arg("dead-letters").args(arguments).env_clear();
    command.env("JOIN_COMMUNITY__CACHE__URL", variable("JOIN_COMMUNITY__CACHE__URL"));
    let producers = r#"[{ user = "member-gateway", identity_types = ["MEMBER"], sites = ["*"], may_elevate = false }]"#;
    command.env("JOIN_COMMUNITY__AUTH__PRODUCERS", producers);
    for (name, value) in installation.vhost().values() {
        command.env(format!("JOIN_COMMUNITY__{name}"), value);
    }
    let Output { status, stdout, stderr } = command.output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

async fn list(installation: &Installation) -> Vec<Value> {
    let said = dead_letters(installation, &["list", "--output", "json"]).await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    said.json().as_array().unwrap().clone()
}

fn dead(message: Message) -> Message {
    message.to(INTERNAL, "dead-letter")
}

/// A letter as the worker leaves one of a request that `member-gateway` sent for this member.
fn left_by_the_worker(site: Uuid, member: Uuid, seen: &str) -> Message {
    dead(Message::join(site, member))
        .text_header("x-join-community-reason", "busy")
        .text_header("x-join-community-error", "the record was locked")
        .text_header("x-join-community-first-seen", seen)
        .text_header("x-join-community-arrived", seen)
        .text_header("x-join-community-requester", "producer:member-gateway")
        .text_header("x-join-community-caller", &format!("MEMBER:{member}"))
        .header("x-join-community-attempts", AMQPValue::LongLongInt(8))
}

fn now() -> String {
    join_community::wire::instant::text(time::OffsetDateTime::now_utc())
}

/// Gives a request back to the broker so often that it gives up.
async fn wear_out(installation: &Installation) {
    let channel = installation.channel().await;
    let queue = "join-community.requests";
    while let Some(message) = channel.basic_get(queue.into(), BasicGetOptions::default()).await.unwrap() {
        let again = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
        assert!(message.delivery.nack(again).await.unwrap());
    }
}

#[tokio::test]
async fn looking_fifty_times_changes_neither_order_nor_content() {
    let installation = Installation::new().await;
    let stranger = installation.other_producer().await;
    for number in 0..20 {
        let letter = dead(Message::bytes(format!("letter {number}"))).text_header("authorization", TOKEN);
        stranger.send(&letter).await;
    }
    let before = list(&installation).await;
    let broker = &installation.config.broker;
    for look in 0..50 {
        let mut letters = DeadLetters::open(broker).await.unwrap();
        // Some look at a few only: those must not go behind the rest.
        let few = if look % 3 == 0 { 5 } else { 20 };
        for number in 0..few {
            let letter = letters.next().await.unwrap().expect("twenty letters");
            assert_eq!(letter.incoming.body, format!("letter {number}").as_bytes(), "look {look}");
        }
        letters.close().await.unwrap();
    }
    assert_eq!(list(&installation).await, before);
    let found = installation.dead_letters(20).await;
    assert!(found.iter().all(|letter| letter.header("authorization") == TOKEN), "{found:?}");
}

#[tokio::test]
async fn a_list_tells_what_worker_and_broker_say_and_nothing_that_others_claim() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let mut producer = installation.producer().await;
    assert_eq!(producer.ask(&Message::json(&json!({ "siteId": 7 })).id("malformed-1")).await.status, 400);
    worker.stop().await;
    producer.send(&Message::bytes("{}").id("worn-out").text_header("x-join-community-reason", "busy")).await;
    wear_out(&installation).await;
    let claims = dead(Message::bytes("{}")).id("claimed").text_header("x-join-community-reason", "busy");
    installation.other_producer().await.send(&claims).await;

    installation.dead_letters(3).await;
    let letters = list(&installation).await;
    let told: Vec<_> = letters.iter().map(|letter| (&letter["requestId"], &letter["reason"])).collect();
    let reasons =
        [("malformed-1", json!("malformed")), ("worn-out", json!("delivery_limit")), ("claimed", Value::Null)];
    let expected: Vec<_> = reasons.iter().map(|(id, reason)| (Value::from(*id), reason)).collect();
    assert_eq!(told, expected.iter().map(|(id, reason)| (id, *reason)).collect::<Vec<_>>());
    assert_eq!((&letters[0]["pointer"], &letters[0]["attempts"]), (&"/siteId".into(), &0.into()));
    assert!(letters[0]["firstSeen"].is_string() && letters[1]["firstSeen"].is_string(), "{letters:?}");
    assert_eq!((&letters[2]["firstSeen"], &letters[1]["attempts"]), (&Value::Null, &Value::Null));
    let human = dead_letters(&installation, &["list"]).await.stdout;
    assert!(human.contains("3 dead letters: 1 delivery_limit, 1 malformed, 1 unknown"), "{human}");
}

#[tokio::test]
async fn no_token_and_no_control_character_is_ever_shown() {
    let installation = Installation::new().await;
    let letter = dead(Message::bytes("{\"a\u{1b}[2J"))
        .text_header("authorization", &format!("Bearer {TOKEN}"))
        .text_header("x-other", &format!("see {TOKEN}"))
        .text_header("x-escape", "\u{1b}[31m");
    installation.other_producer().await.send(&letter).await;
    let id = list(&installation).await[0]["id"].as_str().unwrap().to_owned();
    let folder = std::env::temp_dir().join(format!("join-community-{}", Uuid::now_v7()));
    let file = folder.to_str().unwrap();
    let mut said = String::new();
    for arguments in [&["show", &id][..], &["show", &id, "--output", "json"], &["export"], &["export", file]] {
        let output = dead_letters(&installation, arguments).await;
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        said += &output.stdout;
        said += &output.stderr;
    }
    let exported = std::fs::read_to_string(&folder).unwrap();
    let mode = std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777;
    let again = dead_letters(&installation, &["export", file]).await;
    std::fs::remove_file(&folder).unwrap();
    assert_eq!(mode, 0o600);
    assert_eq!(again.code, Some(1), "another file was written over");
    assert_eq!(exported.lines().count(), 1);
    said += &exported;
    assert!(said.contains("not written by the worker") && said.contains("(masked)"), "{said}");
    assert!(!said.contains(TOKEN) && !said.contains("c2lnbmF0dXJl") && !said.contains('\u{1b}'), "{said:?}");
}

#[tokio::test]
async fn a_replayed_letter_goes_as_the_workers_copy_with_its_proof_written_anew_and_is_then_handled() {
    let installation = Installation::new().await;
    let site = Uuid::now_v7();
    let member = installation.member(site, JOINABLE).await;
    let letter = left_by_the_worker(site, member, &now());
    installation.producer_as_worker().await.send(&letter).await;

    let said = dead_letters(&installation, &["replay", "--reason", "busy", "--output", "json"]).await;
    assert_eq!((said.code, &said.json()["replayed"]), (Some(0), &1.into()), "{}", said.stderr);
    assert!(installation.dead_letters(0).await.is_empty());
    let copy = installation.messages("join-community.requests", 1).await.remove(0);
    assert_eq!(copy.properties.user_id().as_ref().unwrap().as_str(), "join-worker");
    assert_eq!(copy.message_id(), Some(letter.request_id()));
    assert_eq!(copy.headers["x-join-community-attempts"], 0);
    assert_eq!(copy.header("x-join-community-requester"), "producer:member-gateway");
    assert!(copy.headers.get("x-join-community-reason").is_none(), "{}", copy.headers);

    let worker = installation.start().await;
    eventually("the member is public", PATIENCE, async || {
        let record = installation.record(site, member).await;
        if record.as_ref().is_some_and(|record| record.privacy == "PUBLIC") { Ok(()) } else { Err(record) }
    })
    .await;
    worker.stop().await;
}

#[tokio::test]
async fn what_the_broker_gave_up_is_replayed_on_its_producers_word() {
    let installation = Installation::new().await;
    let (site, member) = (Uuid::now_v7(), Uuid::now_v7());
    installation.producer().await.send(&Message::join(site, member)).await;
    wear_out(&installation).await;
    installation.dead_letters(1).await;
    let id = list(&installation).await[0]["id"].as_str().unwrap().to_owned();
    let said = dead_letters(&installation, &["replay", &id]).await;
    assert_eq!(said.code, Some(0), "{} {}", said.stdout, said.stderr);
    let copy = installation.messages("join-community.requests", 1).await.remove(0);
    assert_eq!(copy.header("x-join-community-requester"), "producer:member-gateway");
    assert_eq!(copy.header("x-join-community-caller"), format!("MEMBER:{member}"));
}

#[tokio::test]
async fn what_proves_nothing_is_malformed_cut_or_too_old_stays_and_is_told_with_its_reason() {
    let installation = Installation::new().await;
    let (site, member) = (Uuid::now_v7(), Uuid::now_v7());
    let worker = installation.producer_as_worker().await;
    // Everything that the worker would write, but another user sent it: laundering would make it the worker's word.
    installation.other_producer().await.send(&left_by_the_worker(site, member, &now()).id("forged")).await;
    worker.send(&dead(Message::bytes("{}")).id("malformed")).await;
    let cut = left_by_the_worker(site, member, &now()).header("x-join-community-body-size", AMQPValue::LongLongInt(99));
    worker.send(&cut.id("cut")).await;
    worker.send(&left_by_the_worker(site, member, "2020-01-01T00:00:00.000Z").id("old")).await;
    worker.send(&left_by_the_worker(site, member, "no time").id("ageless")).await;

    let said = dead_letters(&installation, &["replay", "--all", "--output", "json"]).await;
    let told = said.json();
    assert_eq!((said.code, &told["replayed"]), (Some(1), &0.into()), "{told}");
    let why = |id: &str| {
        let refused = told["refused"].as_array().unwrap().iter().find(|refused| refused["requestId"] == id);
        refused.unwrap_or_else(|| panic!("{id} was not refused: {told}"))["why"].as_str().unwrap().to_owned()
    };
    for (id, reason) in [
        ("forged", "NO_PROOF"),
        ("malformed", "malformed"),
        ("cut", "beginning"),
        ("old", "older than requests.retention"),
        ("ageless", "whether it is older"),
    ] {
        assert!(why(id).contains(reason), "{id}: {}", why(id));
    }
    assert_eq!(installation.dead_letters(5).await.len(), 5);
    assert_eq!(installation.depth("join-community.requests").await, 0);

    let forced = dead_letters(&installation, &["replay", "--all", "--force", "--output", "json"]).await;
    assert_eq!((forced.code, &forced.json()["replayed"]), (Some(1), &2.into()), "{}", forced.stdout);
    assert_eq!(installation.dead_letters(3).await.len(), 3);
}

#[tokio::test]
async fn what_is_discarded_is_gone_and_nothing_else_is() {
    let installation = Installation::new().await;
    let (site, member) = (Uuid::now_v7(), Uuid::now_v7());
    let worker = installation.producer_as_worker().await;
    worker.send(&left_by_the_worker(site, member, &now()).id("busy")).await;
    for id in ["one", "two", "three"] {
        worker.send(&dead(Message::bytes(id)).id(id)).await;
    }
    let letters = list(&installation).await;
    let two = letters[2]["id"].as_str().unwrap();
    let said = dead_letters(&installation, &["discard", two, "--yes", "--output", "json"]).await;
    assert_eq!((said.code, &said.json()["discarded"]), (Some(0), &1.into()), "{}", said.stderr);
    let said = dead_letters(&installation, &["discard", "--reason", "busy", "--yes"]).await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let left: Vec<_> = list(&installation).await.iter().map(|letter| letter["requestId"].clone()).collect();
    assert_eq!(left, ["one", "three"]);

    let said = dead_letters(&installation, &["discard", two, "--yes", "--output", "json"]).await;
    assert_eq!((said.code, &said.json()["notFound"]), (Some(1), &json!([two])));
    let said = dead_letters(&installation, &["discard", "--all", "--yes"]).await;
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert!(list(&installation).await.is_empty());
}
