//! Editing: the same request with another body, never with more rights than its sender had.

use std::path::PathBuf;

use join_community::domain::IdentityType;
use lapin::options::QueueDeleteOptions;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Said, dead, dead_letters, left_by_the_worker, list, now, on_record, wear_out};
use crate::support::{Installation, Issuer, JOINABLE, Message, PATIENCE, PERMISSION, eventually};

/// A body in a file that goes with this value.
struct Body(PathBuf);

impl Body {
    fn of(body: &Value) -> Self {
        let path = std::env::temp_dir().join(format!("join-community-{}", Uuid::now_v7()));
        std::fs::write(&path, body.to_string()).unwrap();
        Self(path)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

async fn edit(installation: &Installation, id: &str, body: &Value, more: &[&str]) -> Said {
    let file = Body::of(body);
    let path = file.0.to_str().unwrap();
    dead_letters(
        installation,
        &[&["edit", id, "--body", path, "--why", "ticket 4711", "--output", "json"], more].concat(),
    )
    .await
}

async fn only_letter(installation: &Installation) -> String {
    installation.dead_letters(1).await;
    list(installation).await[0]["id"].as_str().unwrap().to_owned()
}

fn member_of(member: Uuid) -> Value {
    json!({ "identityType": "MEMBER", "memberId": member })
}

#[tokio::test]
async fn a_malformed_request_of_a_trusted_producer_is_mended_under_its_id_and_both_versions_are_on_record() {
    let installation = Installation::new().await;
    let site = Uuid::now_v7();
    let member = installation.member(site, JOINABLE).await;
    let worker = installation.start().await;
    let malformed = json!({ "siteId": site, "memberId": 7, "identity": member_of(member) });
    let mut producer = installation.producer().await;
    let sent = Message::json(&malformed).id("mend-me");
    assert_eq!(producer.ask(&sent).await.status, 400);
    let id = only_letter(&installation).await;
    let mended = json!({ "siteId": site, "memberId": member, "identity": member_of(member) });

    let said = edit(&installation, &id, &mended, &["--dry-run"]).await;
    assert_eq!((said.code, &said.json()["foreseen"]["outcome"]), (Some(0), &json!("joined")), "{said:?}");
    assert_eq!(said.json()["sent"], false);
    assert_eq!((only_letter(&installation).await, installation.requests(site).await.len()), (id.clone(), 0));
    let said = edit(&installation, &id, &mended, &[]).await;
    assert_eq!(said.code, Some(1), "nobody agreed: {said:?}");

    let said = edit(&installation, &id, &mended, &["--yes"]).await;
    assert_eq!((said.code, &said.json()["sent"]), (Some(0), &json!(true)), "{said:?}");
    eventually("the member is public", PATIENCE, async || {
        let record = installation.record(site, member).await.unwrap();
        if record.privacy == "PUBLIC" { Ok(()) } else { Err(record) }
    })
    .await;
    let verdict = installation.verdict(site, &sent).await;
    assert_eq!((verdict.requester.as_str(), verdict.verdict.as_str()), ("producer:member-gateway", "joined"));
    assert!(installation.dead_letters(0).await.is_empty());
    let [ordered, [action, target, reason, outcome]] = on_record(&installation).await.try_into().unwrap();
    assert_eq!(ordered, ["dead_letters.edit", id.as_str(), "ticket 4711", "ordered"]);
    assert_eq!([&action, &target, &reason], [&ordered[0], &ordered[1], &ordered[2]]);
    let digest = |body: &Value| join_community::wire::copy::body_digest(body.to_string().as_bytes());
    for part in [&digest(&malformed), &digest(&mended), &id, "mend-me"] {
        assert!(outcome.contains(part), "{part} is not in {outcome}");
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_bad_edit_is_undone_by_restoring_the_letter_that_its_replacement_names() {
    let installation = Installation::new().await;
    let (site, member) = (Uuid::now_v7(), Uuid::now_v7());
    installation.producer_as_worker().await.send(&left_by_the_worker(site, member, &now()).id("edited")).await;
    let id = only_letter(&installation).await;
    let before = shown(&installation, &id, &[]).await;
    let bad = json!({ "siteId": site, "memberId": member, "identity": member_of(member), "elevated": false });
    let said = edit(&installation, &id, &bad, &["--yes"]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    let sent = installation.messages("join-community.requests", 1).await.remove(0);
    assert!(sent.header("x-join-community-replay").starts_with(&format!("{id}/")), "{}", sent.headers);
    assert!(list(&installation).await.is_empty());
    assert_eq!(shown(&installation, &id, &["--discarded"]).await, before, "kept, it is what it was");
    let said = dead_letters(&installation, &["restore", &id, "--why", "a test", "--output", "json"]).await;
    assert_eq!((said.code, &said.json()["restored"]), (Some(0), &json!(1)), "{said:?}");
    assert_eq!(shown(&installation, &id, &[]).await, before, "restored, it is what it was");
}

#[tokio::test]
async fn a_letter_that_cannot_be_kept_is_not_edited_and_stays() {
    let installation = Installation::new().await;
    let (site, member) = (Uuid::now_v7(), Uuid::now_v7());
    installation.producer_as_worker().await.send(&left_by_the_worker(site, member, &now())).await;
    let id = only_letter(&installation).await;
    let channel = installation.channel().await;
    channel.queue_delete("join-community.discarded".into(), QueueDeleteOptions::default()).await.unwrap();
    let body = json!({ "siteId": site, "memberId": member, "identity": member_of(member) });
    let said = edit(&installation, &id, &body, &["--yes"]).await;
    assert!(said.code == Some(1) && said.stderr.contains("join-community.discarded"), "{said:?}");
    assert_eq!(only_letter(&installation).await, id);
    assert_eq!(installation.depth("join-community.requests").await, 0);
}

/// What the letter is to whoever may see all of it, without what the broker adds when it is looked at, and whether it is kept
/// on disk: all that is moved is.
async fn shown(installation: &Installation, id: &str, more: &[&str]) -> Value {
    let show = [&["show", id, "--unmask", "--why", "a test", "--output", "json"][..], more].concat();
    let said = dead_letters(installation, &show).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    let mut letter = said.json();
    for name in ["x-delivery-count", "x-acquired-count"] {
        letter["headers"].as_object_mut().unwrap().remove(name);
    }
    letter["properties"].as_object_mut().unwrap().remove("deliveryMode");
    letter
}

#[tokio::test]
async fn an_edit_can_say_no_other_site_caller_or_elevation_than_the_letter_did() {
    let installation = Installation::new().await;
    let (site, member, other) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    installation.producer().await.send(&Message::join(site, member)).await;
    wear_out(&installation).await;
    let id = only_letter(&installation).await;
    let body = |site: Uuid, caller: Uuid, elevated: Value| json!({ "siteId": site, "memberId": member, "identity": member_of(caller), "elevated": elevated });
    for (what, refused) in [
        ("siteId", body(other, member, Value::Null)),
        ("identity", body(site, other, Value::Null)),
        ("elevated", body(site, member, json!(true))),
        ("malformed", json!({ "siteId": site, "memberId": 7 })),
    ] {
        let said = edit(&installation, &id, &refused, &["--yes"]).await;
        assert_eq!(said.code, Some(1), "{what}: {said:?}");
        assert!(said.stderr.contains(what), "{what}: {}", said.stderr);
    }
    assert_eq!(
        (only_letter(&installation).await, installation.depth("join-community.requests").await),
        (id.clone(), 0)
    );
    let said = edit(&installation, &id, &body(site, member, json!(false)), &["--yes"]).await;
    assert_eq!(said.code, Some(0), "less is allowed: {said:?}");
}

#[tokio::test]
async fn what_a_token_proved_holds_at_its_own_site_alone_and_a_token_that_lies_there_says_what_it_covers() {
    let issuer = Issuer::new();
    let installation = Installation::with(|config| issuer.trusted_by(config)).await;
    let (site, other, member) = (Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7());
    // The worker's copy of a request with a token: the copy does not say of which site the token spoke.
    let copy = dead(Message::json(&json!({ "siteId": site })))
        .text_header("x-join-community-reason", "busy")
        .text_header("x-join-community-first-seen", &now())
        .text_header(
            "x-join-community-requester",
            &format!("token:{}:MEMBER:{member}", installation.config.auth.issuer),
        )
        .text_header("x-join-community-caller", &format!("MEMBER:{member}"))
        .header("x-join-community-permission", lapin::types::AMQPValue::Boolean(false));
    installation.producer_as_worker().await.send(&copy).await;
    let id = only_letter(&installation).await;
    let said = edit(&installation, &id, &json!({ "siteId": other }), &["--yes"]).await;
    assert!(said.code == Some(1) && said.stderr.contains("siteId"), "{said:?}");
    let said = edit(&installation, &id, &json!({ "siteId": site, "memberId": member }), &["--yes"]).await;
    assert_eq!(said.code, Some(0), "{said:?}");

    let mut claims = issuer.claims(site, IdentityType::Member, member);
    claims.permissions = vec![PERMISSION.to_owned()];
    let producer = installation.producer().await;
    let wrong = json!({ "siteId": other, "elevated": false });
    producer.send(&Message::json(&wrong).id("wrong-site").token(&issuer.token(&claims))).await;
    wear_out(&installation).await;
    eventually("the letter is there", PATIENCE, async || {
        match installation.depth("join-community.dead-letters").await {
            2 => Ok(()),
            depth => Err(depth),
        }
    })
    .await;
    let letters = list(&installation).await;
    let id = letters.iter().find(|one| one["requestId"] == "wrong-site").unwrap()["id"].as_str().unwrap();
    let said = edit(&installation, id, &json!({ "siteId": site, "elevated": true }), &["--yes"]).await;
    assert!(said.code == Some(1) && said.stderr.contains("elevated"), "{said:?}");
    let said = edit(&installation, id, &json!({ "siteId": Uuid::now_v7(), "elevated": false }), &["--yes"]).await;
    assert!(said.code == Some(1) && said.stderr.contains("prove"), "{said:?}");
    let said = edit(&installation, id, &json!({ "siteId": site, "elevated": false }), &["--yes"]).await;
    assert_eq!(said.code, Some(0), "the token covers that site: {said:?}");
}

#[tokio::test]
async fn under_an_id_that_means_something_else_already_it_gets_a_new_one_and_says_so() {
    let installation = Installation::new().await;
    let site = Uuid::now_v7();
    let [first, second] = installation.members(site, JOINABLE, 2).await.try_into().unwrap();
    let worker = installation.start().await;
    let mut producer = installation.producer().await;
    assert_eq!(producer.ask(&Message::join(site, first).id("used")).await.status, 200);
    assert_eq!(producer.ask(&Message::join(site, second).id("used")).await.status, 400);
    let id = only_letter(&installation).await;
    let body = json!({ "siteId": site, "memberId": second, "identity": member_of(second), "note": "mended" });
    let said = edit(&installation, &id, &body, &["--yes"]).await;
    assert_eq!(said.code, Some(0), "{said:?}");
    let new = said.json()["link"]["newRequestId"].as_str().unwrap().to_owned();
    assert!(new != "used" && said.stderr.contains(&new), "{said:?}");
    eventually("the second is public", PATIENCE, async || {
        let record = installation.record(site, second).await.unwrap();
        if record.privacy == "PUBLIC" { Ok(()) } else { Err(record) }
    })
    .await;
    let ids: Vec<_> = installation.requests(site).await.into_iter().map(|verdict| verdict.request_id).collect();
    assert!(ids.contains(&new) && ids.contains(&"used".to_owned()) && ids.len() == 2, "{ids:?}");
    worker.stop().await;
}

#[tokio::test]
async fn an_editor_is_given_the_body_and_what_it_leaves_is_sent() {
    let installation = Installation::new().await;
    let (site, member) = (Uuid::now_v7(), Uuid::now_v7());
    installation.producer_as_worker().await.send(&left_by_the_worker(site, member, &now())).await;
    let id = only_letter(&installation).await;
    let mut unchanged = super::program(&installation, &["edit", &id, "--yes", "--why", "ticket 4711"]);
    let said = super::said(
        unchanged.env("EDITOR", "true").env("PATH", std::env::var("PATH").unwrap()).output().await.unwrap(),
    );
    assert!(said.code == Some(1) && said.stderr.contains("the body is what it was"), "{said:?}");
    let mut changed = super::program(&installation, &["edit", &id, "--yes", "--why", "ticket 4711"]);
    changed
        .env("EDITOR", r#"sed -i s/"siteId"/"elevated":false,"siteId"/"#)
        .env("PATH", std::env::var("PATH").unwrap());
    let said = super::said(changed.output().await.unwrap());
    assert_eq!(said.code, Some(0), "{said:?}");
    let copy = installation.messages("join-community.requests", 1).await.remove(0);
    assert_eq!((&copy.json()["elevated"], &copy.json()["siteId"]), (&json!(false), &json!(site)));
    let done: Vec<_> = on_record(&installation).await.into_iter().map(|[action, ..]| action).collect();
    assert_eq!(
        done,
        ["dead_letters.unmask", "dead_letters.unmask", "dead_letters.edit", "dead_letters.edit"],
        "whoever saw it is on record"
    );
}
