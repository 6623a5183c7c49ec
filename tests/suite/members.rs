//! The member records through the library: what an import is to each of them, pages for export, advance.

use join_community::domain::{MemberId, to_millis};
use join_community::postgres::{Role, Taken};
use join_community::wire::member::{Imported, parse};
use serde_json::{Value, json};
use time::{Duration as Span, OffsetDateTime};

use crate::support::Setup;
use crate::support::asking::member_number;

impl Setup {
    async fn import(&mut self, lines: &[Value]) -> Taken {
        let members: Vec<Imported> = lines.iter().map(|line| parse(line.to_string().as_bytes()).unwrap()).collect();
        let members: Vec<&Imported> = members.iter().collect();
        self.store.import(self.site, &members, to_millis(OffsetDateTime::now_utc())).await.unwrap()
    }

    async fn outbox(&mut self) -> Vec<(i64, bool, bool, String)> {
        let debts = "SELECT event_sequence, event_due, cache_due, origin FROM outbox ORDER BY member_id";
        sqlx::query_as(debts).fetch_all(&mut self.stranger).await.unwrap()
    }
}

fn line(id: MemberId) -> Value {
    json!({ "id": id.to_string(), "loginEmail": "a@example.com", "profile": { "nickname": "a" } })
}

const fn taken(new: u64, changed: u64, unchanged: u64) -> Taken {
    Taken { new, changed, unchanged }
}

#[tokio::test]
async fn a_new_member_starts_at_zero_unannounced() {
    let mut setup = Setup::with(Role::Tool).await;
    assert_eq!(setup.import(&[line(member_number(1)), line(member_number(2))]).await, taken(2, 0, 0));
    let member = setup.store.member(setup.site, member_number(1)).await.unwrap().unwrap();
    assert_eq!((member.event_sequence, member.status.as_str()), (0, "APPROVED"));
    assert_eq!((member.privacy_status.as_str(), member.activity_status.as_str()), ("PRIVATE", "ACTIVE"));
    assert_eq!(setup.outbox().await, []);
}

#[tokio::test]
async fn importing_a_known_member_is_a_change_unless_nothing_differs() {
    let mut setup = Setup::with(Role::Tool).await;
    let mut known = line(member_number(1));
    known["createdDate"] = json!("2020-01-01T00:00:00.123Z");
    known["updatedDate"] = json!("2020-01-02T00:00:00.123Z");
    setup.import(&[known.clone()]).await;
    assert_eq!(setup.import(&[known.clone()]).await, taken(0, 0, 1));
    known["updatedDate"] = json!("2021-01-02T00:00:00.123Z");
    assert_eq!(setup.import(&[known.clone()]).await, taken(0, 0, 1), "when it last changed is no difference");
    assert_eq!(setup.outbox().await, []);
    let before = OffsetDateTime::now_utc();
    known.as_object_mut().unwrap().remove("createdDate");
    known["privacyStatus"] = json!("PUBLIC");
    assert_eq!(setup.import(&[known, line(member_number(2))]).await, taken(1, 1, 0));
    assert_eq!(setup.outbox().await, [(1, true, true, "import".to_owned())]);
    let member = setup.store.member(setup.site, member_number(1)).await.unwrap().unwrap();
    assert!(member.is_public() && member.updated_date >= to_millis(before) && member.event_sequence == 1);
    assert_eq!(member.created_date.year(), 2020, "kept where the file does not give it");
}

#[tokio::test]
async fn what_the_file_does_not_give_is_gone_but_for_what_a_record_cannot_be_without() {
    let mut setup = Setup::with(Role::Tool).await;
    let mut whole = line(member_number(1));
    whole["status"] = json!("BLOCKED");
    whole["activityStatus"] = json!("MUTED");
    whole["unknown"] = json!({ "kept": true });
    setup.import(&[whole]).await;
    setup.import(&[json!({ "id": member_number(1).to_string() })]).await;
    let member = setup.store.member(setup.site, member_number(1)).await.unwrap().unwrap();
    assert_eq!((member.status.as_str(), member.activity_status.as_str()), ("BLOCKED", "MUTED"));
    assert_eq!((member.login_email, member.profile, member.extra), (None, None, None));
}

#[tokio::test]
async fn the_date_of_a_change_never_goes_back() {
    let mut setup = Setup::with(Role::Tool).await;
    setup.import(&[line(member_number(1))]).await;
    let ahead = to_millis(OffsetDateTime::now_utc() + Span::hours(1));
    let set = sqlx::query("UPDATE members SET updated_date = $1").bind(ahead);
    set.execute(&mut setup.stranger).await.unwrap();
    setup.import(&[json!({ "id": member_number(1).to_string() })]).await;
    assert_eq!(setup.store.member(setup.site, member_number(1)).await.unwrap().unwrap().updated_date, ahead);
}

#[tokio::test]
async fn importing_a_deleted_member_continues_its_sequence() {
    let mut setup = Setup::with(Role::Tool).await;
    setup.import(&[line(member_number(1))]).await;
    setup.does("UPDATE members SET status = 'OFFLINE'").await;
    setup.does("DELETE FROM members").await;
    assert!(setup.store.page(setup.site, member_number(0), 10).await.unwrap().is_empty());
    assert_eq!(setup.import(&[line(member_number(1))]).await, taken(0, 1, 0));
    let member = setup.store.member(setup.site, member_number(1)).await.unwrap().unwrap();
    assert!(!member.deleted && member.event_sequence == 3);
    assert_eq!(setup.outbox().await, [(3, true, true, "import".to_owned())]);
}

#[tokio::test]
async fn a_site_is_exported_page_by_page_in_the_order_of_ids() {
    let mut setup = Setup::with(Role::Tool).await;
    let numbers = [3, 1, 4, 2, 5];
    setup.import(&numbers.map(|number| line(member_number(number)))).await;
    setup.does("DELETE FROM members WHERE id::text LIKE '%4'").await;
    let mut found = Vec::new();
    let mut from = member_number(0);
    loop {
        let page = setup.store.page(setup.site, from, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        from = MemberId(uuid::Uuid::from_u128(last.id.0.as_u128() + 1));
        found.extend(page.iter().map(|member| member.id));
    }
    assert_eq!(found, [1, 2, 3, 5].map(member_number));
}

#[tokio::test]
async fn advance_raises_members_and_tombstones_and_moves_debts_along() {
    let mut setup = Setup::with(Role::Tool).await;
    setup.import(&[1, 2, 3].map(|number| line(member_number(number)))).await;
    setup.does("UPDATE members SET status = 'BLOCKED' WHERE id::text LIKE '%1'").await;
    setup.does("DELETE FROM members WHERE id::text LIKE '%2'").await;
    let dates = "SELECT updated_date FROM members ORDER BY id";
    let before: Vec<OffsetDateTime> = sqlx::query_scalar(dates).fetch_all(&mut setup.stranger).await.unwrap();
    let advanced = setup.store.advance(setup.site, member_number(0), 1_000, false).await.unwrap();
    assert_eq!((advanced.members, advanced.next), (3, Some(member_number(4))));
    assert_eq!(setup.store.advance(setup.site, member_number(4), 1_000, false).await.unwrap().next, None);
    let external = || "external".to_owned();
    assert_eq!(setup.outbox().await, [(1_001, true, true, external()), (1_001, false, true, external())]);
    let sequences = "SELECT event_sequence FROM members ORDER BY id";
    let sequences: Vec<i64> = sqlx::query_scalar(sequences).fetch_all(&mut setup.stranger).await.unwrap();
    assert_eq!(sequences, [1_001, 1_001, 1_000]);
    let after: Vec<OffsetDateTime> = sqlx::query_scalar(dates).fetch_all(&mut setup.stranger).await.unwrap();
    assert_eq!(before, after, "nothing of the members changes");
    setup.store.advance(setup.site, member_number(0), 1, true).await.unwrap();
    let (all, gone) = ((1_002, true, true, external()), (1_002, false, true, external()));
    assert_eq!(setup.outbox().await, [all, gone, (1_001, true, true, external())]);
}
