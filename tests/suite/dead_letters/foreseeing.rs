//! Dry runs: the real decision, and nothing of it anywhere.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{dead, dead_letters, left_by_the_worker, list, now, on_record};
use crate::support::{Installation, JOINABLE, MemberSpec, Message, PATIENCE, PUBLIC, eventually};

/// All that a dry run could have changed: every row and sequence of the database, the depth of every queue.
async fn everything(installation: &Installation) -> Value {
    let mut database = installation.stranger().await;
    let rows: Value = sqlx::query_scalar(
        "SELECT jsonb_build_object(
            'members', (SELECT jsonb_agg(to_jsonb(m) ORDER BY m.id) FROM members m),
            'written', (SELECT jsonb_agg(xmin::text ORDER BY id) FROM members),
            'requests', (SELECT jsonb_agg(to_jsonb(r) ORDER BY r.request_id) FROM join_requests r),
            'outbox', (SELECT jsonb_agg(to_jsonb(o) ORDER BY o.member_id) FROM outbox o),
            'suspects', (SELECT jsonb_agg(to_jsonb(s)) FROM suspects s),
            'actions', (SELECT jsonb_agg(to_jsonb(a)) FROM operator_actions a),
            'sequences', (SELECT jsonb_agg(jsonb_build_array(sequencename, last_value)) FROM pg_sequences))",
    )
    .fetch_one(&mut database)
    .await
    .unwrap();
    let mut depths = Vec::new();
    for queue in ["requests", "dead-letters", "discarded", "retry.1s", "retry.5s"] {
        depths.push(installation.depth(&format!("join-community.{queue}")).await);
    }
    depths.push(installation.depth("members.events.unrouted").await);
    json!({ "rows": rows, "depths": depths })
}

/// One letter of each kind; answers the site, and the member of the first.
async fn one_of_each(installation: &Installation) -> (Uuid, Uuid) {
    let site = Uuid::now_v7();
    let member = installation.member(site, JOINABLE).await;
    let public = installation.member(site, PUBLIC).await;
    let blocked = installation.member(site, MemberSpec { status: "BLOCKED", ..JOINABLE }).await;
    let worker = installation.start().await;
    let before = installation.member(site, JOINABLE).await;
    let mut producer = installation.producer().await;
    assert_eq!(producer.ask(&Message::join(site, before).id("repeated")).await.status, 200);
    installation.outbox_is_empty().await;
    worker.stop().await;
    let letters = [
        left_by_the_worker(site, member, &now()).id("joined"),
        left_by_the_worker(site, public, &now()).id("public"),
        left_by_the_worker(site, blocked, &now()).id("blocked"),
        left_by_the_worker(site, Uuid::now_v7(), &now()).id("unknown"),
        left_by_the_worker(site, before, &now()).id("repeated"),
        left_by_the_worker(site, member, &now()).id("repeated"),
        dead(Message::bytes("{}")).id("malformed"),
    ];
    installation.producer_as_worker().await.send_all(&letters).await;
    (site, member)
}

#[tokio::test]
async fn a_dry_run_tells_what_each_letter_would_come_to_and_changes_nothing_anywhere() {
    let installation = Installation::new().await;
    let (site, member) = one_of_each(&installation).await;
    let (order, state) = (list(&installation).await, everything(&installation).await);
    let said = dead_letters(&installation, &["replay", "--dry-run", "--all", "--output", "json"]).await;
    assert_eq!(said.code, Some(1), "one cannot be replayed: {}", said.stderr);
    let told = said.json();
    let words: Vec<_> = told
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["outcome"].as_str().unwrap(), one["code"].as_str(), one["repeated"].as_bool().unwrap()))
        .collect();
    let expected = [
        ("joined", None, false),
        ("already_joined", None, false),
        ("rejected", Some("COMMUNITY_JOIN_IMPOSSIBLE"), false),
        ("later", None, false),
        ("joined", None, true),
        ("conflict", None, false),
        ("not_replayed", None, false),
    ];
    assert_eq!(words, expected, "{told}");
    let [before, after] = ["before", "after"].map(|side| &told[0][side]);
    assert_eq!((&before["member"]["privacyStatus"], &before["eventSequence"]), (&json!("PRIVATE"), &json!("16")));
    assert_eq!((&after["member"]["privacyStatus"], &after["eventSequence"]), (&json!("PUBLIC"), &json!("17")));
    assert_eq!(told[0]["event"]["changedFields"], json!(["privacyStatus", "updatedDate"]));
    assert!(told[2]["reason"] == "BLOCKED" && told[2]["event"].is_null() && told[4]["event"].is_null(), "{told}");

    assert_eq!(everything(&installation).await, state, "a dry run changed something");
    assert_eq!(list(&installation).await, order);
    assert!(installation.cached(site, member).await.is_none());

    // And what was foreseen is what comes.
    let (mut events, worker) = (installation.events().await, installation.start().await);
    let id = told[0]["id"].as_str().unwrap();
    let said = dead_letters(&installation, &["replay", id, "--why", "a test", "--output", "json"]).await;
    assert_eq!((said.code, &said.json()["verdicts"]["joined"]), (Some(0), &json!(1)), "{said:?}");
    let (_, event) = events.until(member).await;
    let event = event.json();
    assert_eq!((&event["id"], &event["entityEventSequence"]), (&told[0]["event"]["id"], &json!("17")));
    worker.stop().await;
}

#[tokio::test]
async fn personal_data_is_shown_only_to_whoever_asks_for_it() {
    const PERSONAL: [&str; 3] = ["jane@example.com", "202 555", "Jane"];
    let installation = Installation::new().await;
    one_of_each(&installation).await;
    let masked = dead_letters(&installation, &["replay", "--dry-run", "--reason", "busy"]).await.stdout;
    assert!(masked.contains("rejected COMMUNITY_JOIN_IMPOSSIBLE BLOCKED"), "{masked}");
    assert!(masked.contains("nothing was changed") && masked.contains("(masked)"), "{masked}");
    assert!(on_record(&installation).await.is_empty());
    let unmask = ["replay", "--dry-run", "--unmask", "--why", "ticket 4711", "--reason", "busy"];
    let unmasked = dead_letters(&installation, &unmask).await.stdout;
    for personal in PERSONAL {
        assert!(!masked.contains(personal) && unmasked.contains(personal), "{personal}: {masked} {unmasked}");
    }
    let [record] = on_record(&installation).await.try_into().unwrap();
    assert_eq!(record, ["dead_letters.dry_run_unmasked", "--reason busy", "ticket 4711", "shown"]);
}

#[tokio::test]
async fn what_the_database_would_refuse_and_what_is_locked_is_told_and_the_session_goes_on() {
    let installation = Installation::new().await;
    let site = Uuid::now_v7();
    let members = installation.members(site, JOINABLE, 3).await;
    let mut stranger = installation.stranger().await;
    let refuse = "ALTER TABLE join_requests ADD CONSTRAINT not_this_one CHECK (request_id <> 'refused')";
    sqlx::query(refuse).execute(&mut stranger).await.unwrap();
    let letters = [
        left_by_the_worker(site, members[0], &now()).id("refused"),
        left_by_the_worker(site, members[1], &now()).id("locked"),
        left_by_the_worker(site, members[2], &now()).id("fine"),
    ];
    installation.producer_as_worker().await.send_all(&letters).await;
    let mut holder = installation.stranger().await;
    sqlx::query("BEGIN").execute(&mut holder).await.unwrap();
    let lock = "SELECT 1 FROM members WHERE site_id = $1 AND id = $2 FOR UPDATE";
    sqlx::query(lock).bind(site).bind(members[1]).execute(&mut holder).await.unwrap();

    let said = dead_letters(&installation, &["replay", "--dry-run", "--all", "--output", "json"]).await;
    let told = said.json();
    let words: Vec<_> = told.as_array().unwrap().iter().map(|one| one["outcome"].as_str().unwrap()).collect();
    assert_eq!(words, ["permanent", "busy", "joined"], "{told}");
    sqlx::query("ROLLBACK").execute(&mut holder).await.unwrap();
    eventually("nobody is left inside a transaction", PATIENCE, async || {
        let idle = "SELECT count(*) FROM pg_stat_activity
                    WHERE state LIKE 'idle in transaction%' AND datname = current_database()";
        let open: i64 = sqlx::query_scalar(idle).fetch_one(&mut stranger).await.unwrap();
        if open == 0 { Ok(()) } else { Err(open) }
    })
    .await;
    assert!(installation.requests(site).await.is_empty());
}
