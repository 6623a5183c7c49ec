//! Changes that no request made: by plain SQL, by import, by whoever writes to the members. Announced and cached alike.

use join_community::domain::SiteId;
use join_community::postgres::{Role, Session};
use join_community::wire::member;
use lapin::types::FieldTable;
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::support::{Event, Installation, JOINABLE, Message, PUBLIC, Producer};

#[tokio::test]
async fn a_change_by_plain_sql_is_announced_as_external_and_cached_as_the_record_now_is() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let mut events = installation.events().await;
    let site = Uuid::new_v4();
    let member = installation.member(site, PUBLIC).await;
    let changes: [(&str, &'static str, bool); 6] = [
        (
            "another profile",
            "UPDATE members SET profile = '{\"nickname\": \"Joan\"}' WHERE site_id = $1 AND id = $2",
            true,
        ),
        ("blocked", "UPDATE members SET status = 'BLOCKED' WHERE site_id = $1 AND id = $2", false),
        ("approved again", "UPDATE members SET status = 'APPROVED' WHERE site_id = $1 AND id = $2", true),
        ("left", "UPDATE members SET privacy_status = 'PRIVATE' WHERE site_id = $1 AND id = $2", false),
        (
            "a change that nobody sees",
            "UPDATE members SET last_login_date = now() WHERE site_id = $1 AND id = $2",
            false,
        ),
        ("public by hand", "UPDATE members SET privacy_status = 'PUBLIC' WHERE site_id = $1 AND id = $2", true),
    ];
    for ((what, statement, shown), sequence) in changes.into_iter().zip(17..) {
        installation.change(site, member, statement).await;
        let event = events.next().await;
        assert_external(&event, "external", sequence);
        let entity = &event.json()["updatedEvent"]["currentEntity"];
        let record = installation.record(site, member).await.unwrap();
        assert_eq!(
            (&entity["status"], &entity["privacyStatus"]),
            (&json!(record.status), &json!(record.privacy)),
            "{what}"
        );
        let cached = installation.cached_at(site, member, sequence).await;
        assert_eq!(cached.is_some(), shown, "{what}: {cached:?}");
        if let Some(cached) = cached {
            assert_eq!(
                (&cached["profile"], &cached["updatedDate"]),
                (&entity["profile"], &entity["updatedDate"]),
                "{what}"
            );
        }
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_deleted_member_leaves_the_cache_and_no_event() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let (mut producer, mut events) = (installation.producer().await, installation.events().await);
    let site = Uuid::new_v4();
    let member = joined(&installation, &mut producer, site).await;
    assert!(installation.cached_at(site, member, 17).await.is_some());

    installation.change(site, member, "DELETE FROM members WHERE site_id = $1 AND id = $2").await;
    assert_eq!(installation.cached_at(site, member, 18).await, None);
    let record = installation.record(site, member).await.unwrap();
    assert!(record.deleted && record.sequence == 18, "{record:?}");

    // Nor does a member who is new, or one whom a change leaves as it was.
    installation.change(site, Uuid::new_v4(), "INSERT INTO members (site_id, id) VALUES ($1, $2)").await;
    let same = installation.member(site, JOINABLE).await;
    installation.change(site, same, "UPDATE members SET status = 'APPROVED' WHERE site_id = $1 AND id = $2").await;
    installation.outbox_is_empty().await;
    let (before, _) = {
        let marker = joined(&installation, &mut producer, site).await;
        events.until(marker).await
    };
    assert_eq!(before.iter().map(|event| event.json()["entityId"].clone()).collect::<Vec<_>>(), [json!(member)]);
    worker.stop().await;
}

#[tokio::test]
async fn an_import_of_a_known_member_is_announced_as_import_unless_nothing_differs() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let (mut producer, mut events) = (installation.producer().await, installation.events().await);
    let site = Uuid::new_v4();
    let (known, new) = (installation.member(site, JOINABLE).await, Uuid::new_v4());
    let mut store = Session::new(&installation.config.database, Role::Tool).unwrap();
    let mut import = async |id: Uuid, nickname: &str| {
        let line =
            json!({ "id": id, "status": "APPROVED", "privacyStatus": "PUBLIC", "profile": { "nickname": nickname } });
        let imported = member::parse(line.to_string().as_bytes()).unwrap();
        store.import(SiteId(site), &[&imported], OffsetDateTime::now_utc()).await.unwrap();
    };

    import(new, "New").await;
    import(known, "Joan").await;
    let event = events.next().await;
    assert_external(&event, "import", 17);
    assert_eq!(event.json()["updatedEvent"]["currentEntity"]["profile"], json!({ "nickname": "Joan" }));
    assert_eq!(installation.cached_at(site, known, 17).await.unwrap()["profile"], json!({ "nickname": "Joan" }));
    import(known, "Joan").await;
    installation.outbox_is_empty().await;
    events.none_before(joined(&installation, &mut producer, site).await).await;
    assert_eq!(installation.cached(site, new).await, None);
    worker.stop().await;
}

#[tokio::test]
async fn a_change_not_announced_yet_is_folded_into_the_next_one() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let mut producer = installation.producer().await;
    let site = Uuid::new_v4();
    // With nobody bound and nowhere to be kept, an event is returned, and stays owed.
    let channel = installation.channel().await;
    let unrouted = || "members.events.unrouted".into();
    channel.queue_unbind(unrouted(), unrouted(), "".into(), FieldTable::default()).await.unwrap();
    let member = joined(&installation, &mut producer, site).await;
    assert!(installation.cached_at(site, member, 17).await.is_some());
    installation.change(site, member, "UPDATE members SET status = 'BLOCKED' WHERE site_id = $1 AND id = $2").await;
    assert_eq!(installation.cached_at(site, member, 18).await, None);

    let mut events = installation.events().await;
    let event = events.next().await;
    assert_external(&event, "external", 18);
    assert_eq!(event.json()["updatedEvent"]["currentEntity"]["status"], "BLOCKED");
    installation.outbox_is_empty().await;
    events.none_before(joined(&installation, &mut producer, site).await).await;
    worker.stop().await;
}

/// A member who has joined.
async fn joined(installation: &Installation, producer: &mut Producer, site: Uuid) -> Uuid {
    let member = installation.member(site, JOINABLE).await;
    assert_eq!(producer.ask(&Message::join(site, member)).await.status, 200);
    member
}

/// An event that no request caused.
fn assert_external(event: &Event, origin: &str, sequence: i64) {
    let body = event.json();
    assert_eq!((&body["originatedFrom"], &body["entityEventSequence"]), (&json!(origin), &json!(sequence.to_string())));
    for header in ["identity", "requestId", "traceparent"] {
        assert_eq!(event.headers[header], Value::Null, "{header}");
    }
    assert_eq!(event.header("cloudEvents:id"), event.message_id().unwrap());
}
