//! Dead letters repaired through the console: foreseen, replayed, stopped, edited, discarded, restored; all of it on record.

use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Caller, Installation, JOINABLE, Message, PATIENCE, Worker, ask_for_tokens, eventually};

pub(super) const DEAD: &str = "join-community.dead-letters";
pub(super) const REPLAY: &str = "/api/v1/dead-letters/replay";

/// Requests of members as the worker gives them up.
pub(super) async fn letters(installation: &Installation, site: Uuid, count: usize) -> Vec<Uuid> {
    let members = installation.members(site, JOINABLE, count).await;
    let now = join_community::wire::instant::text(time::OffsetDateTime::now_utc());
    let letter = |member: &Uuid| {
        Message::join(site, *member)
            .to("join-community.internal", "dead-letter")
            .text_header("x-join-community-reason", "busy")
            .text_header("x-join-community-first-seen", &now)
            .text_header("x-join-community-requester", "producer:member-gateway")
            .text_header("x-join-community-caller", &format!("MEMBER:{member}"))
    };
    let letters: Vec<Message> = members.iter().map(letter).collect();
    installation.producer_as_worker().await.send_all(&letters).await;
    members
}

pub(super) async fn ended(operator: &Caller) -> Value {
    eventually("the replay has ended", PATIENCE, async || {
        let replay = operator.get(REPLAY).await.json()["replay"].clone();
        if replay["running"] == false { Ok(replay) } else { Err(replay) }
    })
    .await
}

/// What is on record of an action: reason and outcome, the oldest first.
pub(super) async fn on_record(worker: &Worker, action: &str) -> Vec<(String, String)> {
    let actions = Caller::of(worker).bearing("admin").get("/api/v1/actions").await.json();
    let of_it = actions.as_array().unwrap().iter().rev().filter(|one| one["action"] == action);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    of_it
        .map(|one| {
            assert_eq!(one["who"], "operator");
            (text(&one["reason"]), text(&one["outcome"]))
        })
        .collect()
}

/// Who asked for a dry run with personal data, why, and what came of it, the oldest first.
async fn unmaskings(worker: &Worker) -> Vec<Value> {
    let actions = Caller::of(worker).bearing("admin").get("/api/v1/actions").await.json();
    let of_it = actions.as_array().unwrap().iter().rev().filter(|one| one["action"] == "dead_letters.dry_run_unmasked");
    of_it.map(|one| json!([one["who"], one["reason"], one["outcome"]])).collect()
}

#[tokio::test]
async fn letters_are_foreseen_and_then_replayed_in_the_background_with_every_step_on_record() {
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    let site = Uuid::now_v7();
    let members = letters(&installation, site, 7).await;
    let operator = Caller::of(&worker).bearing("operator");
    let busy = json!({ "reason": "busy" });
    let foreseen = operator.post("/api/v1/dead-letters/dry-run", &json!({ "letters": busy })).await;
    assert_eq!(foreseen.status, StatusCode::OK, "{foreseen:?}");
    let outcomes =
        foreseen.json()["letters"].as_array().unwrap().iter().filter(|one| one["outcome"] == "joined").count();
    assert_eq!(outcomes, 7, "{}", foreseen.text);
    assert!(!foreseen.text.contains("jane@example.com"), "{}", foreseen.text);
    assert!(installation.requests(site).await.is_empty());
    let unmask = json!({ "letters": busy, "unmask": "ticket 4711" });
    assert_eq!(operator.post("/api/v1/dead-letters/dry-run", &unmask).await.status, StatusCode::FORBIDDEN);
    let unmasked = Caller::of(&worker).bearing("admin").post("/api/v1/dead-letters/dry-run", &unmask).await;
    assert!(unmasked.text.contains("jane@example.com"), "{unmasked:?}");
    assert_eq!(
        unmaskings(&worker).await,
        [json!(["operator", "ticket 4711", "refused: needs role admin"]), json!(["admin", "ticket 4711", "shown"])]
    );

    assert_eq!(operator.post(REPLAY, &json!({ "letters": busy, "reason": " " })).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(operator.post(REPLAY, &json!({ "letters": {}, "reason": "why" })).await.status, StatusCode::BAD_REQUEST);
    let begun = operator.post(REPLAY, &json!({ "letters": busy, "reason": "ticket 4711" })).await;
    assert_eq!(begun.status, StatusCode::ACCEPTED, "{begun:?}");
    let replay = ended(&operator).await;
    assert_eq!((&replay["tally"]["replayed"], &replay["tally"]["verdicts"]), (&json!(7), &json!({ "joined": 7 })));
    assert_eq!((&replay["who"], &replay["tally"]["steps"]), (&json!("operator"), &json!(3)), "{replay}");
    for member in members {
        assert_eq!(installation.record(site, member).await.unwrap().privacy, "PUBLIC");
    }
    let page = operator.get("/dead-letters/replay").await;
    assert!(
        page.text.contains("replayed 7") && page.text.contains("data-live=\"/dead-letters/replay/live\""),
        "{page:?}"
    );
    let record = on_record(&worker, "dead_letters.replay").await;
    assert_eq!(record[0], ("ticket 4711".to_owned(), "ordered".to_owned()));
    assert!(record[1].1.contains("replayed 7"), "{record:?}");
    worker.stop().await;
}

#[tokio::test]
async fn a_replay_is_shown_live_is_the_only_one_and_can_be_stopped() {
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    letters(&installation, Uuid::now_v7(), 40).await;
    let operator = Caller::of(&worker).bearing("operator");
    let order = json!({ "letters": { "all": true }, "reason": "why", "rate": 4 });
    assert_eq!(operator.post(REPLAY, &order).await.status, StatusCode::ACCEPTED);
    let second = operator.post(REPLAY, &order).await;
    assert_eq!(second.status, StatusCode::CONFLICT, "{second:?}");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let live = format!("http://{}/dead-letters/replay/live", operator.server());
    let mut live = client.get(live).bearer_auth("viewer").send().await.unwrap();
    let first = tokio::time::timeout(PATIENCE, live.chunk()).await.expect("an update comes").unwrap().unwrap();
    assert!(String::from_utf8_lossy(&first).contains("begun by operator"), "{first:?}");
    let stop = "/api/v1/dead-letters/replay/stop";
    assert_eq!(operator.post(stop, &json!({ "reason": " " })).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(operator.get(REPLAY).await.json()["replay"]["running"], true, "nothing is stopped without a reason");
    let stopped = operator.post(stop, &json!({ "reason": "the site asked" })).await;
    assert_eq!(stopped.status, StatusCode::OK, "{stopped:?}");
    let replay = ended(&operator).await;
    let (replayed, left) = (replay["tally"]["replayed"].as_u64().unwrap(), replay["tally"]["left"].as_u64().unwrap());
    assert!(replayed < 40 && replayed + left == 40, "{replay}");
    installation.until_holds(DEAD, u32::try_from(left).unwrap()).await;
    assert!(replay["outcome"].as_str().unwrap().contains("told to stop"), "{replay}");
    let told = ("the site asked".to_owned(), "told to stop".to_owned());
    assert_eq!(on_record(&worker, "dead_letters.replay_stop").await, [told]);
    worker.stop().await;
}

/// So many discarded letters are read: each says when it was discarded, and that it goes seven days later. The list leads on to
/// each, and has a box for it.
async fn are_listed(operator: &Caller, count: usize) {
    let (path, reading) = ("/api/v1/dead-letters?discarded=true", "/api/v1/dead-letters/reading?discarded=true");
    assert!(operator.get(path).await.json()["read"].is_null(), "a look reads nothing");
    let read = operator.post(reading, &Value::Null).await.json()["read"].clone();
    let letters = read["letters"].as_array().unwrap();
    assert_eq!((letters.len(), operator.get(path).await.json()["read"] == read), (count, true), "{read}");
    for letter in letters {
        let [discarded, gone] = ["discardedAt", "goneAt"]
            .map(|name| join_community::wire::instant::parse(letter[name].as_str().unwrap()).unwrap());
        let ago = time::OffsetDateTime::now_utc() - discarded;
        assert!(ago >= time::Duration::ZERO && ago < time::Duration::minutes(1), "{letter}");
        assert_eq!((gone - discarded, &letter["reason"]), (time::Duration::days(7), &json!("busy")), "{letter}");
    }
    assert!(operator.get("/api/v1/dead-letters").await.json()["read"].is_null(), "these are no dead letters");
    let id = letters[0]["id"].as_str().unwrap();
    let page = operator.get("/dead-letters/discarded").await.text;
    for part in [
        "Restore the chosen ones",
        &format!("type=\"checkbox\" name=\"ids\" value=\"{id}\""),
        &format!("href=\"/dead-letters/discarded/{id}\""),
        &format!("{count} of the {count} that"),
    ] {
        assert!(page.contains(part), "{part} is not on the page: {page}");
    }
    let again = operator.submit("/dead-letters/discarded/reading", "").await;
    assert_eq!((again.status, again.header("location")), (StatusCode::SEE_OTHER, "/dead-letters/discarded"));
}

#[tokio::test]
async fn as_many_as_are_said_are_discarded_and_restored_by_api_and_by_pages() {
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    letters(&installation, Uuid::now_v7(), 3).await;
    installation.until_holds(DEAD, 3).await;
    let operator = Caller::of(&worker).bearing("operator");
    let order = |count: u32| json!({ "letters": { "reason": "busy" }, "count": count, "reason": "known" });
    let wrong = operator.post("/api/v1/dead-letters/discard", &order(2)).await;
    assert!(wrong.status == StatusCode::CONFLICT && wrong.text.contains("3 are meant"), "{wrong:?}");
    let discarded = operator.post("/api/v1/dead-letters/discard", &order(3)).await;
    assert_eq!((discarded.status, &discarded.json()["moved"]), (StatusCode::OK, &json!(3)), "{discarded:?}");
    installation.until_holds("join-community.discarded", 3).await;
    are_listed(&operator, 3).await;
    let restore = json!({ "letters": { "all": true }, "reason": "not known" });
    let restored = operator.post("/api/v1/dead-letters/restore", &restore).await.json();
    assert_eq!((&restored["moved"], &restored["total"]), (&json!(3), &json!(3)), "{restored}");
    installation.until_holds(DEAD, 3).await;

    let page = operator.submit("/dead-letters/discard", "reason=busy&count=3&why=known").await;
    assert!(page.status == StatusCode::OK && page.text.contains("3 were discarded"), "{page:?}");
    let page = operator.submit("/dead-letters/restore", "reason=busy&why=not+known").await;
    assert!(page.text.contains("3 lie among the dead letters again, of 3 that"), "{page:?}");
    let page = operator.submit("/dead-letters/dry-run", "reason=busy").await;
    assert!(page.text.contains("joined") && page.text.contains("name=\"why\""), "{page:?}");
    let elsewhere = operator.with("sec-fetch-site", "cross-site");
    let refused = elsewhere.submit("/dead-letters/discard", "all=yes&count=3&why=x").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "another site's form");
    installation.until_holds(DEAD, 3).await;
    let outcomes: Vec<_> =
        on_record(&worker, "dead_letters.discard").await.into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(outcomes.iter().filter(|outcome| *outcome == "discarded 3").count(), 2, "{outcomes:?}");
    worker.stop().await;
}

#[tokio::test]
async fn an_edited_letter_is_foreseen_sent_and_on_record_with_both_versions() {
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    let site = Uuid::now_v7();
    let member = installation.member(site, JOINABLE).await;
    let identity = json!({ "identityType": "MEMBER", "memberId": member });
    let malformed = Message::json(&json!({ "siteId": site, "memberId": 7, "identity": identity }));
    assert_eq!(installation.producer().await.ask(&malformed).await.status, 400);
    installation.until_holds(DEAD, 1).await;
    let operator = Caller::of(&worker).bearing("operator");
    let read = operator.post("/api/v1/dead-letters/reading", &Value::Null).await.json();
    let id = read["read"]["letters"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/dead-letters/{id}/edit");
    let body = json!({ "siteId": site, "memberId": member, "identity": identity }).to_string();
    let foreseen = operator.post(&path, &json!({ "body": body })).await;
    assert_eq!(
        (foreseen.status, &foreseen.json()["foreseen"]["outcome"]),
        (StatusCode::OK, &json!("joined")),
        "{foreseen:?}"
    );
    let greedy = json!({ "siteId": Uuid::now_v7(), "memberId": member, "identity": identity }).to_string();
    let refused = operator.post(&path, &json!({ "body": greedy, "send": true, "reason": "why" })).await;
    assert!(refused.status == StatusCode::BAD_REQUEST && refused.text.contains("siteId"), "{refused:?}");
    installation.until_holds(DEAD, 1).await;
    let page = operator.get(&format!("/dead-letters/{id}")).await;
    assert!(page.text.contains("Replay with another body"), "{page:?}");
    let sent = operator.post(&path, &json!({ "body": body, "send": true, "reason": "ticket 4711" })).await;
    assert_eq!((sent.status, &sent.json()["sent"]), (StatusCode::OK, &json!(true)), "{sent:?}");
    eventually("the member is public", PATIENCE, async || {
        let record = installation.record(site, member).await.unwrap();
        if record.privacy == "PUBLIC" { Ok(()) } else { Err(record) }
    })
    .await;
    installation.until_holds(DEAD, 0).await;
    installation.until_holds("join-community.discarded", 1).await;
    let record = on_record(&worker, "dead_letters.edit").await;
    let (_, outcome) =
        record.iter().find(|(reason, outcome)| reason == "ticket 4711" && outcome.starts_with("sent")).unwrap();
    let digest = join_community::wire::copy::body_digest(body.as_bytes());
    assert!(outcome.contains(&digest) && outcome.contains(&id), "{outcome}");
    worker.stop().await;
}
