//! `dead-letters` as an operator runs it: the program itself, on letters of all kinds.

mod choosing;
mod discarding;
mod editing;
mod foreseeing;
mod looking;
mod ramping;
mod replaying;

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Output, Stdio};

use join_community::rabbitmq::connect::connect;
use join_community::rabbitmq::consumer::{Deliveries, Source};
use join_community::rabbitmq::dead_letters::DeadLetters;
use lapin::options::{BasicGetOptions, BasicNackOptions};
use lapin::types::AMQPValue;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{self, Installation, Message, PATIENCE, variable};

const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl";
const INTERNAL: &str = "join-community.internal";

/// What the program says and with which code it ends.
#[derive(Debug)]
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

fn program(installation: &Installation, arguments: &[&str]) -> tokio::process::Command {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_join-community"));
    command.arg("dead-letters").args(arguments).env_clear();
    command.env("JOIN_COMMUNITY__CACHE__URL", variable("JOIN_COMMUNITY__CACHE__URL"));
    let producers = r#"[{ user = "member-gateway", identity_types = ["MEMBER"], sites = ["*"], may_elevate = false }]"#;
    command.env("JOIN_COMMUNITY__AUTH__PRODUCERS", producers);
    let auth = &installation.config.auth;
    for (name, value) in [("JWKS", &auth.jwks), ("ISSUER", &auth.issuer), ("AUDIENCE", &auth.audience)] {
        command.env(format!("JOIN_COMMUNITY__AUTH__{name}"), value);
    }
    for (name, value) in installation.vhost().values() {
        command.env(format!("JOIN_COMMUNITY__{name}"), value);
    }
    command.env("JOIN_COMMUNITY__DATABASE__URL", installation.config.database.url.expose_secret());
    command.env("USER", "ana").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

async fn dead_letters(installation: &Installation, arguments: &[&str]) -> Said {
    said(program(installation, arguments).output().await.unwrap())
}

fn said(Output { status, stdout, stderr }: Output) -> Said {
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

/// What operators did, the oldest first: action, target, reason and outcome.
async fn on_record(installation: &Installation) -> Vec<[String; 4]> {
    let mut records = installation.stranger().await;
    let this_user = support::this_user();
    let of_others = "SELECT count(*) FROM operator_actions WHERE who <> $1 OR role <> 'command line'";
    let of_others: i64 = sqlx::query_scalar(of_others).bind(&this_user).fetch_one(&mut records).await.unwrap();
    assert_eq!(of_others, 0, "not all was done by {this_user} at the command line");
    support::on_record(&mut records).await
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
        .text_header("authorization", "Bearer opaque-secret")
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
    for secret in [TOKEN, "c2lnbmF0dXJl", "opaque-secret", "\u{1b}"] {
        assert!(!said.contains(secret), "{secret:?} is shown: {said:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_copied_is_a_dead_letter_as_it_came() {
    let installation = Installation::new().await;
    let producer = installation.producer().await;
    let request = Message::join(Uuid::now_v7(), Uuid::now_v7());
    producer.send(&request).await;
    let broker = &installation.config.broker;
    let connection = connect(&broker.url, "test", broker).await.unwrap();
    let requests = Source { queue: "join-community.requests".to_owned(), prefetch: 1 };
    let mut deliveries = Deliveries::open(&connection, &[requests], PATIENCE).await.unwrap();
    let (tag, _) = deliveries.next_batch(1).await.unwrap().remove(0);
    deliveries.settlements().reject(tag).await.unwrap();
    let [letter] = installation.dead_letters(1).await.try_into().unwrap();
    assert_eq!(letter.headers["x-death"][0]["reason"], "rejected", "{letter:?}");
    assert_eq!((letter.message_id(), letter.body.as_slice()), (Some(request.request_id()), request.body()));
    assert_eq!(list(&installation).await[0]["reason"], "rejected");
}
