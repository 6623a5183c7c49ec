//! Replaying in steps: each larger, each waited for, and none after one that failed too often.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{dead_letters, left_by_the_worker, list, now, on_record, program, said};
use crate::support::{Installation, JOINABLE, Message, PATIENCE, eventually};

async fn letters(installation: &Installation, site: Uuid, count: usize) -> Vec<Uuid> {
    let members = installation.members(site, JOINABLE, count).await;
    let letters: Vec<Message> = members.iter().map(|member| left_by_the_worker(site, *member, &now())).collect();
    installation.producer_as_worker().await.send_all(&letters).await;
    members
}

/// The arguments of the command that goes on, as a shell would read them.
fn resumed(told: &Value) -> Vec<String> {
    let line = told["resume"].as_str().unwrap_or_else(|| panic!("nothing to go on with: {told}"));
    let line = line.strip_prefix("join-community dead-letters ").unwrap_or_else(|| panic!("{line}"));
    line.split(' ').map(str::to_owned).chain(["--output".to_owned(), "json".to_owned()]).collect()
}

#[tokio::test]
async fn steps_of_one_five_and_more_are_each_waited_for_and_every_verdict_is_counted() {
    let installation = Installation::new().await;
    let site = Uuid::now_v7();
    let members = letters(&installation, site, 8).await;
    let worker = installation.start().await;
    let arguments = ["replay", "--reason", "busy", "--rate", "1000/s", "--why", "ticket 4711", "--output", "json"];
    let said = dead_letters(&installation, &arguments).await;
    let told = said.json();
    assert_eq!(said.code, Some(0), "{said:?}");
    let counts =
        ["chosen", "steps", "replayed", "cameBack", "unsettled", "left"].map(|name| told[name].as_u64().unwrap());
    assert_eq!(counts, [8, 3, 8, 0, 0, 0], "{told}");
    assert_eq!(told["verdicts"], json!({ "joined": 8 }));
    assert!(told["resume"].is_null() && list(&installation).await.is_empty());
    for member in members {
        assert_eq!(installation.record(site, member).await.unwrap().privacy, "PUBLIC");
    }
    let [ordered, [action, target, reason, outcome]] = on_record(&installation).await.try_into().unwrap();
    assert_eq!(ordered, ["dead_letters.replay", "--reason busy", "ticket 4711", "ordered"]);
    assert_eq!([&action, &target, &reason], [&ordered[0], &ordered[1], &ordered[2]]);
    assert!(outcome.contains("replayed 8"), "{outcome}");
    worker.stop().await;
}

#[tokio::test]
async fn a_replay_stops_itself_after_a_step_that_failed_and_the_printed_command_goes_on() {
    let installation = Installation::new().await;
    let site = Uuid::now_v7();
    letters(&installation, site, 3).await;
    installation.gate(site, "NO_ONE").await;
    let worker = installation.start().await;
    let said = dead_letters(&installation, &["replay", "--all", "--why", "ticket", "--output", "json"]).await;
    let told = said.json();
    assert_eq!(said.code, Some(1), "{said:?}");
    assert_eq!(
        (&told["replayed"], &told["left"], &told["verdicts"]),
        (&json!(1), &json!(2), &json!({ "rejected": 1 }))
    );
    assert!(told["stopped"].as_str().unwrap().contains("1 of 1"), "{told}");
    assert!(told["failed"][0]["why"].as_str().unwrap().contains("SITE_CLOSED"), "{told}");
    assert_eq!(list(&installation).await.len(), 2);

    installation.gate(site, "ANYONE").await;
    let arguments = resumed(&told);
    let said = dead_letters(&installation, &arguments.iter().map(String::as_str).collect::<Vec<_>>()).await;
    assert_eq!((said.code, &said.json()["verdicts"]), (Some(0), &json!({ "joined": 2 })), "{said:?}");
    worker.stop().await;
}

#[tokio::test]
async fn what_becomes_a_dead_letter_again_is_counted_and_tried_no_second_time() {
    let installation = Installation::new().await;
    let site = Uuid::now_v7();
    let member = installation.member(site, JOINABLE).await;
    let worker = installation.start().await;
    let mut producer = installation.producer().await;
    assert_eq!(producer.ask(&Message::join(site, member).id("taken")).await.status, 200);
    let other = installation.member(site, JOINABLE).await;
    installation.producer_as_worker().await.send(&left_by_the_worker(site, other, &now()).id("taken")).await;
    let before = list(&installation).await[0]["id"].as_str().unwrap().to_owned();

    let said = dead_letters(
        &installation,
        &["replay", "--all", "--max-failures", "100", "--why", "ticket", "--output", "json"],
    )
    .await;
    let told = said.json();
    assert_eq!(said.code, Some(1), "{said:?}");
    assert_eq!((&told["replayed"], &told["cameBack"], &told["unsettled"]), (&json!(1), &json!(1), &json!(0)), "{told}");
    assert!(told["failed"][0]["why"].as_str().unwrap().contains("conflict"), "{told}");
    let letter = installation.dead_letters(1).await.remove(0);
    assert!(letter.header("x-join-community-replay").starts_with(&before), "{}", letter.headers);
    assert_eq!(letter.header("x-join-community-reason"), "conflict");
    let said = dead_letters(
        &installation,
        &["replay", "--reason", "conflict", "--never-replayed", "--why", "ticket", "--output", "json"],
    )
    .await;
    assert_eq!((said.code, &said.json()["chosen"]), (Some(0), &json!(0)), "{said:?}");
    worker.stop().await;
}

#[tokio::test]
async fn without_a_worker_the_first_step_has_no_outcome_and_is_the_last() {
    let installation = Installation::new().await;
    letters(&installation, Uuid::now_v7(), 3).await;
    let said =
        dead_letters(&installation, &["replay", "--all", "--wait", "1s", "--why", "ticket", "--output", "json"]).await;
    let told = said.json();
    assert_eq!(said.code, Some(1), "{said:?}");
    let counts = ["replayed", "unsettled", "left"].map(|name| told[name].as_u64().unwrap());
    assert_eq!(counts, [1, 1, 2], "{told}");
    assert_eq!(installation.depth("join-community.requests").await, 1);
    assert_eq!(list(&installation).await.len(), 2);
}

#[tokio::test]
async fn a_replay_that_is_interrupted_ends_between_two_letters_and_says_how_to_go_on() {
    let installation = Installation::new().await;
    letters(&installation, Uuid::now_v7(), 20).await;
    let slow = ["replay", "--all", "--at-once", "--rate", "5/s", "--why", "ticket", "--output", "json"];
    let running = program(&installation, &slow).spawn().unwrap();
    eventually("a letter is replayed", PATIENCE, async || match installation.depth("join-community.requests").await {
        0 => Err(0),
        _ => Ok(()),
    })
    .await;
    let id = running.id().expect("it runs").to_string();
    tokio::process::Command::new("kill").args(["-INT", &id]).status().await.unwrap();
    let said = said(running.wait_with_output().await.unwrap());
    let told = said.json();
    let (replayed, left) = (told["replayed"].as_u64().unwrap(), told["left"].as_u64().unwrap());
    assert_eq!((said.code, replayed + left), (Some(1), 20), "{said:?}");
    assert!(replayed < 20, "it was interrupted");
    assert_eq!(list(&installation).await.len(), usize::try_from(left).unwrap());
    assert_eq!(u64::from(installation.depth("join-community.requests").await), replayed);
    assert!(resumed(&told).contains(&"--never-replayed".to_owned()));
}
