//! A member whose requests became dead letters: its timeline tells of them, in the console as they were read last, at the command
//! line as they lie there now.

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use uuid::Uuid;

use super::repairing::{DEAD, letters};
use crate::support::{Caller, Installation, Message, ask_for_tokens};

/// The part of a member's timeline that tells of dead letters.
async fn told(caller: &Caller, site: Uuid, member: Uuid) -> Value {
    caller.get(&format!("/api/v1/members/{site}/{member}/timeline")).await.json()["deadLetters"].take()
}

#[tokio::test]
async fn a_member_s_timeline_tells_of_its_dead_letters_and_of_nobody_else_s() {
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    let site = Uuid::now_v7();
    let [member, other] = letters(&installation, site, 2).await.try_into().unwrap();
    // A body that names no site may be about the member at any.
    let nowhere = Message::json(&json!({ "memberId": member })).to("join-community.internal", "dead-letter");
    installation.producer_as_worker().await.send(&nowhere).await;
    installation.until_holds(DEAD, 3).await;
    let operator = Caller::of(&worker).bearing("operator");
    let page = format!("/members/{site}/{member}");
    assert!(told(&operator, site, member).await["readAt"].is_null());
    let unread = operator.get(&page).await.text;
    assert!(unread.contains("nobody has had the dead letters read"), "{unread}");

    let read = operator.post("/api/v1/dead-letters/reading", &Value::Null).await.json()["read"].take();
    let of_member = told(&operator, site, member).await;
    assert_eq!((&of_member["readAt"], &of_member["read"]), (&read["readAt"], &json!(3)), "{of_member}");
    let found = of_member["letters"].as_array().unwrap();
    assert_eq!(found.len(), 2, "{of_member}");
    // The one that says when it was first seen is the newer one.
    let told_of: Vec<_> = found.iter().map(|letter| (&letter["reason"], letter["firstSeen"].is_string())).collect();
    assert_eq!(told_of, [(&json!("busy"), true), (&json!("unknown"), false)], "{of_member}");
    let lines = read["letters"].as_array().unwrap();
    let line = lines.iter().find(|line| line["id"] == found[0]["id"]).unwrap_or_else(|| panic!("{read}"));
    assert_eq!((&line["requestId"], &line["firstSeen"]), (&found[0]["requestId"], &found[0]["firstSeen"]));
    assert_eq!(told(&operator, site, other).await["letters"].as_array().unwrap().len(), 1);
    assert_eq!(told(&operator, Uuid::now_v7(), other).await["letters"], json!([]));

    let shown = operator.get(&page).await.text;
    let id = found[0]["id"].as_str().unwrap();
    for part in [
        "2 about it among the 3 of 3 dead letters",
        &format!("href=\"/dead-letters/{id}\""),
        "reason busy",
        "no further request for this member is on record",
    ] {
        assert!(shown.contains(part), "{part} is not on the page: {shown}");
    }
    let nobody = operator.get(&format!("/members/{site}/{}", Uuid::now_v7())).await.text;
    assert!(nobody.contains("none about it among the 3 of 3 dead letters"), "{nobody}");
    worker.stop().await;
}

#[tokio::test]
async fn the_command_tells_of_a_member_s_dead_letters_from_their_queue_or_why_it_does_not() {
    const OPERATOR: &str = "JOIN_COMMUNITY__BROKER__OPERATOR_URL";
    let installation = Installation::new().await;
    let site = Uuid::now_v7();
    let [member] = letters(&installation, site, 1).await.try_into().unwrap();
    installation.until_holds(DEAD, 1).await;
    let (site, member) = (site.to_string(), member.to_string());
    let arguments = ["members", "timeline", &site, &member];
    let may_read = [(OPERATOR, installation.config.broker.operator_url.expose_secret())];
    let as_json = [&arguments[..], &["--output", "json"]].concat();
    let told = installation.program_with(&as_json, &may_read).end().await.json()["deadLetters"].take();
    assert_eq!((&told["total"], &told["letters"][0]["reason"]), (&json!(1), &json!("busy")), "{told}");
    let id = told["letters"][0]["id"].as_str().unwrap();
    let said = installation.program_with(&arguments, &may_read).end().await;
    assert_eq!(said.code, Some(0), "{said:?}");
    for part in ["1 about it among the 1 of 1 dead letters", &format!("{id}, reason busy")] {
        assert!(said.stdout.contains(part), "{part} is not said: {said:?}");
    }
    let said = installation.program_with(&arguments, &[(OPERATOR, "")]).end().await;
    assert!(said.code == Some(0) && said.stdout.contains("broker.operator_url is empty"), "{said:?}");
    installation.until_holds(DEAD, 1).await;
}
