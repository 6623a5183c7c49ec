//! Looking closely: with personal data only for whoever says why, and on record before; and at the way of a letter.

use std::os::unix::fs::PermissionsExt as _;

use lapin::types::AMQPValue;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{TOKEN, dead, dead_letters, list, now, on_record, wear_out};
use crate::support::{Installation, Message};

const PERSONAL: [&str; 2] = ["jane@example.com", "202 555 0142"];

/// A letter whose id, headers and body tell of a person.
fn indiscreet() -> Message {
    let body = json!({ "siteId": Uuid::now_v7(), "email": PERSONAL[0], "phone": PERSONAL[1] });
    dead(Message::json(&body))
        .id(format!("of-{}", PERSONAL[0]))
        .text_header("authorization", TOKEN)
        .text_header("x-phone", PERSONAL[1])
        .text_header("x-join-community-reason", "malformed")
        .text_header("x-join-community-error", "siteId is missing")
        .text_header("x-join-community-first-seen", &now())
}

#[tokio::test]
async fn what_is_shown_is_masked_until_somebody_says_why_and_then_it_is_on_record() {
    let installation = Installation::new().await;
    installation.producer_as_worker().await.send(&indiscreet()).await;
    let id = list(&installation).await[0]["id"].as_str().unwrap().to_owned();
    let mut masked = String::new();
    for arguments in
        [&["list"][..], &["list", "--output", "json"], &["show", &id], &["show", &id, "--output", "json"], &["export"]]
    {
        let said = dead_letters(&installation, arguments).await;
        assert_eq!(said.code, Some(0), "{said:?}");
        masked += &said.stdout;
    }
    assert!(masked.contains("siteId is missing") && masked.contains("(masked)"), "{masked}");
    assert!(on_record(&installation).await.is_empty(), "whoever sees nothing is not on record");
    let said = dead_letters(&installation, &["show", &id, "--unmask"]).await;
    assert_eq!(said.code, Some(2), "without a reason: {said:?}");
    let said = dead_letters(&installation, &["show", &id, "--unmask", "--why", " "]).await;
    assert!(said.code == Some(2) && said.stderr.contains("say why"), "{said:?}");

    let shown = dead_letters(&installation, &["show", &id, "--unmask", "--why", "ticket 4711"]).await;
    assert_eq!(shown.code, Some(0), "{shown:?}");
    for personal in PERSONAL {
        assert!(!masked.contains(personal) && shown.stdout.contains(personal), "{personal}: {masked} {shown:?}");
    }
    assert!(!shown.stdout.contains(TOKEN), "a token is shown to nobody: {shown:?}");
    let [record] = on_record(&installation).await.try_into().unwrap();
    assert_eq!(record, ["dead_letters.unmask", id.as_str(), "ticket 4711", "shown"]);
}

#[tokio::test]
async fn an_export_is_a_backup_only_unmasked_and_what_was_taken_is_on_record() {
    let installation = Installation::new().await;
    installation.producer_as_worker().await.send_all(&[indiscreet(), indiscreet()]).await;
    let path = std::env::temp_dir().join(format!("join-community-{}", Uuid::now_v7()));
    let file = path.to_str().unwrap();
    let arguments = ["export", file, "--reason", "malformed", "--unmask", "--why", "a backup", "--output", "json"];
    let said = dead_letters(&installation, &arguments).await;
    let exported = std::fs::read_to_string(&path).unwrap();
    let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    std::fs::remove_file(&path).unwrap();
    assert_eq!((said.code, said.json(), mode), (Some(0), json!({ "exported": 2 }), 0o600), "{said:?}");
    let letters: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let body: Value = serde_json::from_str(letters[0]["body"].as_str().unwrap()).unwrap();
    assert_eq!((letters.len(), &body["email"]), (2, &json!(PERSONAL[0])), "{exported}");
    let target = format!("--reason malformed to {file}");
    let expected = ["ordered", "exported 2"]
        .map(|outcome| ["dead_letters.export_unmasked", &target, "a backup", outcome].map(str::to_owned));
    assert_eq!(on_record(&installation).await, expected);
}

#[tokio::test]
async fn what_cannot_be_recorded_is_not_unmasked() {
    let installation = Installation::new().await;
    installation.producer_as_worker().await.send(&indiscreet()).await;
    let id = list(&installation).await[0]["id"].as_str().unwrap().to_owned();
    let mut stranger = installation.stranger().await;
    sqlx::query("ALTER TABLE operator_actions RENAME TO elsewhere").execute(&mut stranger).await.unwrap();
    let unmask = ["--unmask", "--why", "ticket 4711"];
    for arguments in [&["show", &id][..], &["export"], &["replay", "--dry-run", "--all"]] {
        let said = dead_letters(&installation, &[arguments, &unmask].concat()).await;
        assert_eq!(said.code, Some(1), "{said:?}");
        assert!(said.stdout.is_empty() && said.stderr.contains("cannot be recorded"), "{said:?}");
    }
    assert_eq!(list(&installation).await.len(), 1);
}

#[tokio::test]
async fn letters_are_counted_by_reason_error_and_version_with_the_first_and_the_last() {
    let installation = Installation::new().await;
    let letter = |reason: &str, error: &str, seen: &str| {
        dead(Message::bytes("{}"))
            .text_header("x-join-community-reason", reason)
            .text_header("x-join-community-error", error)
            .text_header("x-join-community-first-seen", seen)
    };
    let [early, late] = ["2020-01-01T10:00:00.000Z", "2026-11-25T10:00:00.000Z"];
    let missing =
        |seen| letter("malformed", "siteId is missing", seen).text_header("x-join-community-version", "1.1.0");
    let person = letter("malformed", &format!("no such person: {}", PERSONAL[0]), early);
    let letters = [missing(late), person, missing(early)];
    installation.producer_as_worker().await.send_all(&letters).await;
    let groups = dead_letters(&installation, &["list", "--groups", "--output", "json"]).await.json();
    let group = |error: &str, version: Option<&str>, count: u32, last: &str| {
        let reason = "malformed";
        json!({
            "reason": reason, "error": error, "version": version, "count": count, "firstSeen": early, "lastSeen": last
        })
    };
    let expected =
        [group("siteId is missing", Some("1.1.0"), 2, late), group("no such person: (masked)", None, 1, early)];
    assert_eq!(groups, json!(expected));
    let listed = dead_letters(&installation, &["list"]).await.stdout;
    assert!(listed.contains("3 dead letters: 3 malformed") && listed.contains("siteId is missing"), "{listed}");
    let counted = dead_letters(&installation, &["list", "--groups"]).await.stdout;
    assert!(counted.lines().count() == 3 && counted.contains(" 1.1.0 "), "{counted}");
}

#[tokio::test]
async fn a_letter_tells_when_it_went_to_the_ladder_and_when_the_broker_took_it_out_of_a_queue() {
    let installation = Installation::new().await;
    let retries = "2020-01-01T10:00:00.000Z 1s, 2020-01-01T10:00:01.500Z 5s";
    let copy = |id: &str| {
        Message::bytes("{}")
            .id(id)
            .header("x-join-community-attempts", AMQPValue::LongLongInt(2))
            .text_header("x-join-community-retries", retries)
    };
    installation.producer_as_worker().await.send(&copy("own")).await;
    installation.producer().await.send(&copy("forged")).await;
    wear_out(&installation).await;
    installation.dead_letters(2).await;
    let by_worker = [
        "2020-01-01T10:00:00.000Z to the retry ladder, rung 1s",
        "2020-01-01T10:00:01.500Z to the retry ladder, rung 5s",
    ];
    for letter in list(&installation).await {
        let id = letter["id"].as_str().unwrap();
        let shown = dead_letters(&installation, &["show", id, "--output", "json"]).await.json();
        let told: Vec<String> = shown["history"]
            .as_array()
            .unwrap_or_else(|| panic!("{shown}"))
            .iter()
            .map(|past| format!("{} {}", past["at"].as_str().unwrap(), past["what"].as_str().unwrap()))
            .collect();
        let (last, before) = told.split_last().expect("the broker says when it gave it up");
        assert!(last.ends_with(" out of queue join-community.requests: delivery_limit"), "{told:?}");
        let expected: &[&str] = if letter["requestId"] == "own" { &by_worker } else { &[] };
        assert_eq!(before, expected, "{letter}");
        let human = dead_letters(&installation, &["show", id]).await.stdout;
        assert!(told.iter().all(|past| human.contains(&format!("history     {past}"))), "{human}");
    }
}
