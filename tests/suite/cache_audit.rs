//! The audit: entries that are out of step with their records are found, counted and set right, and nothing else is.

use join_community::announce::audit::{Auditor, Doubt, Drift, Kind};
use join_community::cache::Profiles;
use join_community::config::Config;
use join_community::domain::{MemberId, SiteId};
use join_community::postgres::{Place, Role, Session};
use redis::AsyncCommands as _;
use serde_json::json;
use sqlx::Connection as _;
use uuid::Uuid;

use crate::support::{Installation, JOINABLE, MemberSpec, PATIENCE, PUBLIC, eventually};

const SEQUENCE: i64 = JOINABLE.sequence;

fn auditing(config: &mut Config) {
    config.cache.audit_rate = 100_000;
}

pub(crate) fn auditor(installation: &Installation) -> Auditor {
    let mut config = installation.config.cache.clone();
    config.timeout = PATIENCE;
    let store = Session::new(&installation.config.database, Role::Announcer).unwrap();
    Auditor::new(store, Profiles::new(&config).unwrap())
}

/// The doubts among all members, in slices of three.
async fn doubts(auditor: &mut Auditor) -> Vec<Doubt> {
    auditor.go_on(Some(Place::FIRST));
    let mut doubts = Vec::new();
    loop {
        let page = auditor.page(3).await.unwrap();
        doubts.extend(auditor.doubts(page.records).await.unwrap());
        if auditor.go_on(page.next) {
            return doubts;
        }
    }
}

async fn drifts(auditor: &mut Auditor) -> Vec<Drift> {
    let doubts = doubts(auditor).await;
    auditor.confirm(doubts).await.unwrap()
}

fn kinds(drifts: &[Drift]) -> Vec<Kind> {
    drifts.iter().map(|drift| drift.kind).collect()
}

impl Installation {
    /// Changes a member, and pays what that owes as a worker does: the entry first, then the debt.
    async fn changed_and_paid(&self, site: Uuid, member: Uuid) {
        self.change(
            site,
            member,
            "UPDATE members SET last_login_date = clock_timestamp() WHERE site_id = $1 AND id = $2",
        )
        .await;
        let sequence = self.record(site, member).await.unwrap().sequence;
        self.cache_holds(site, member, sequence, &self.profile(site, member).await).await;
        self.change(site, member, "DELETE FROM outbox WHERE site_id = $1 AND member_id = $2").await;
    }

    async fn owed_to_the_cache(&self) -> Vec<(Uuid, i64, bool)> {
        sqlx::query_as("SELECT member_id, event_sequence, event_due FROM outbox WHERE cache_due")
            .fetch_all(&mut self.stranger().await)
            .await
            .unwrap()
    }
}

#[tokio::test]
async fn a_stale_entry_is_repaired_and_counted_by_a_running_worker() {
    let installation = Installation::with(auditing).await;
    let site = Uuid::new_v4();
    let members = installation.members(site, PUBLIC, 70).await;
    let stale = members[42];
    installation.cache_holds(site, stale, SEQUENCE - 1, &json!({ "stale": true })).await;
    let worker = installation.start().await;
    let entry = installation.cached_at(site, stale, SEQUENCE).await;
    assert_eq!(entry, Some(installation.profile(site, stale).await));
    installation.outbox_is_empty().await;
    worker.until_audited(70).await;
    assert_eq!(worker.drift(), [1, 0, 0]);
    for absent in members.iter().filter(|member| **member != stale) {
        assert_eq!(installation.cached(site, *absent).await, None, "what is absent stays absent");
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_public_entry_of_a_blocked_member_is_replaced_by_a_tombstone() {
    let installation = Installation::with(auditing).await;
    let site = Uuid::new_v4();
    let blocked = installation.member(site, MemberSpec { status: "BLOCKED", ..PUBLIC }).await;
    installation.cache_holds(site, blocked, SEQUENCE, &json!({ "id": blocked })).await;
    let worker = installation.start().await;
    eventually("the entry is a tombstone", PATIENCE, async || match installation.cached(site, blocked).await {
        Some((SEQUENCE, None)) => Ok(()),
        other => Err(other),
    })
    .await;
    installation.outbox_is_empty().await;
    worker.until_audited(1).await;
    assert_eq!(worker.drift(), [0, 1, 0]);
    worker.stop().await;
}

#[tokio::test]
async fn an_entry_is_no_drift_while_its_member_is_owed_and_one_that_is_absent_never_is() {
    let installation = Installation::new().await;
    let (site, mut auditor) = (Uuid::new_v4(), auditor(&installation));
    let members = installation.members(site, PUBLIC, 10).await;
    assert_eq!(kinds(&drifts(&mut auditor).await), []);
    for member in &members {
        let owe = "INSERT INTO outbox (site_id, member_id, event_sequence, event_due, cache_due, origin)
                   VALUES ($1, $2, 16, false, true, 'external')";
        installation.change(site, *member, owe).await;
        installation.cache_holds(site, *member, SEQUENCE - 1, &json!({})).await;
    }
    assert_eq!(kinds(&drifts(&mut auditor).await), []);
    // Owed an event alone, the cache is owed nothing.
    installation
        .change(
            site,
            members[3],
            "UPDATE outbox SET event_due = true, cache_due = false WHERE site_id = $1 AND member_id = $2",
        )
        .await;
    let drifts = drifts(&mut auditor).await;
    assert_eq!(kinds(&drifts), [Kind::Behind]);
    auditor.repair(&drifts).await.unwrap();
    let owed = installation.owed_to_the_cache().await;
    assert!(owed.len() == 10 && owed.contains(&(members[3], SEQUENCE, true)), "{owed:?}");
}

#[tokio::test]
async fn what_changes_while_it_is_looked_at_is_no_drift() {
    let installation = Installation::new().await;
    let (site, mut auditor) = (Uuid::new_v4(), auditor(&installation));
    let member = installation.member(site, PUBLIC).await;
    installation.changed_and_paid(site, member).await;
    assert_eq!(kinds(&drifts(&mut auditor).await), []);

    // Between the record and its entry: the entry is newer than the record was.
    auditor.go_on(Some(Place::FIRST));
    let page = auditor.page(3).await.unwrap();
    installation.changed_and_paid(site, member).await;
    let newer = auditor.doubts(page.records).await.unwrap();
    assert_eq!(newer.len(), 1, "the first look alone would take it for drift");
    assert_eq!(kinds(&auditor.confirm(newer.clone()).await.unwrap()), []);
    installation.changed_and_paid(site, member).await;
    assert_eq!(kinds(&auditor.confirm(newer).await.unwrap()), [], "nor if it goes on changing");

    // Between the two looks: out of step at the first, in step, or owed, at the second.
    let stale = async || installation.cache_holds(site, member, SEQUENCE - 1, &json!({})).await;
    stale().await;
    let older = doubts(&mut auditor).await;
    assert_eq!(older.len(), 1);
    installation.changed_and_paid(site, member).await;
    assert_eq!(kinds(&auditor.confirm(older.clone()).await.unwrap()), []);
    stale().await;
    assert_eq!(kinds(&auditor.confirm(older.clone()).await.unwrap()), [Kind::Behind]);
    let profile = "UPDATE members SET profile = NULL WHERE site_id = $1 AND id = $2";
    installation.change(site, member, profile).await;
    assert_eq!(kinds(&auditor.confirm(older).await.unwrap()), []);
}

#[tokio::test]
async fn a_repair_never_undoes_or_waits_for_what_happened_meanwhile() {
    let installation = Installation::new().await;
    let (site, mut auditor) = (Uuid::new_v4(), auditor(&installation));
    let [behind, wrong] = installation.members(site, PUBLIC, 2).await.try_into().unwrap();
    installation.cache_holds(site, behind, SEQUENCE - 1, &json!({})).await;
    installation.cache_holds(site, wrong, SEQUENCE, &json!({ "wrong": true })).await;
    let found = drifts(&mut auditor).await;
    assert_eq!(found.len(), 2);

    let mut holder = installation.stranger().await;
    let mut held = holder.begin().await.unwrap();
    sqlx::query("SELECT FROM members FOR UPDATE").execute(&mut *held).await.unwrap();
    installation.cache_holds(site, wrong, SEQUENCE, &json!({ "wrong": "otherwise" })).await;
    auditor.repair(&found).await.unwrap();
    held.rollback().await.unwrap();
    assert_eq!(installation.owed_to_the_cache().await, [], "whoever holds a record may change it");
    assert_eq!(installation.cached(site, wrong).await, Some((SEQUENCE, Some(json!({ "wrong": "otherwise" })))));

    installation.change(site, behind, "UPDATE members SET status = 'BLOCKED' WHERE site_id = $1 AND id = $2").await;
    auditor.repair(&found).await.unwrap();
    assert_eq!(installation.owed_to_the_cache().await, [(behind, SEQUENCE + 1, true)], "what the change owes");
}

#[tokio::test]
async fn an_entry_that_is_wrong_at_its_own_sequence_says_what_the_record_says_again() {
    let installation = Installation::with(auditing).await;
    let site = Uuid::new_v4();
    let [body, hidden, junk, right] = installation.members(site, PUBLIC, 4).await.try_into().unwrap();
    installation.cache_holds(site, body, SEQUENCE, &json!({ "id": body })).await;
    installation.cache_holds(site, right, SEQUENCE, &installation.profile(site, right).await).await;
    installation.cache_holds(site, hidden, SEQUENCE, &json!({})).await;
    let key = |member: Uuid| format!("{}:{site}:{member}", installation.config.cache.prefix);
    let mut redis = installation.redis();
    let () = redis.hdel(key(hidden), "member").await.unwrap();
    let () = redis.set(key(junk), "junk").await.unwrap();

    let worker = installation.start().await;
    for member in [body, hidden, junk] {
        let profile = installation.profile(site, member).await;
        eventually("the entry says what the record says", PATIENCE, async || {
            let kind: String = redis.key_type(key(member)).await.unwrap();
            let cached = if kind == "hash" { installation.cached(site, member).await } else { None };
            if cached == Some((SEQUENCE, Some(profile.clone()))) { Ok(()) } else { Err((kind, cached)) }
        })
        .await;
        assert!(!installation.cache_ttl(site, member).await.is_zero());
    }
    worker.until_audited(4).await;
    assert_eq!(worker.drift(), [0, 3, 0]);
    worker.stop().await;
}

#[tokio::test]
async fn an_entry_that_is_ahead_of_its_record_is_counted_and_stays_but_shows_nobody_who_is_hidden() {
    let installation = Installation::new().await;
    let (site, mut auditor) = (Uuid::new_v4(), auditor(&installation));
    let shown = installation.member(site, PUBLIC).await;
    let hidden = installation.member(site, JOINABLE).await;
    for member in [shown, hidden] {
        installation.cache_holds(site, member, SEQUENCE + 5, &json!({ "id": member })).await;
    }
    let found = drifts(&mut auditor).await;
    assert_eq!(kinds(&found), [Kind::Ahead, Kind::Ahead]);
    auditor.repair(&found).await.unwrap();
    assert_eq!(installation.owed_to_the_cache().await, []);
    assert_eq!(installation.cached(site, shown).await, Some((SEQUENCE + 5, Some(json!({ "id": shown })))));
    assert_eq!(installation.cached(site, hidden).await, Some((SEQUENCE + 5, None)));

    // What the manual says to do: then the record is ahead, and the entries are brought up to it.
    let mut store = Session::new(&installation.config.database, Role::Tool).unwrap();
    store.advance(SiteId(site), MemberId(Uuid::nil()), 100, false).await.unwrap();
    assert_eq!(kinds(&drifts(&mut auditor).await), [Kind::Behind, Kind::Behind]);
}

#[tokio::test]
async fn every_member_of_every_site_is_looked_at_in_a_round() {
    let installation = Installation::new().await;
    let mut auditor = auditor(&installation);
    let mut expected = Vec::new();
    for count in [1, 2, 3, 7] {
        let site = Uuid::new_v4();
        for member in installation.members(site, PUBLIC, count).await {
            installation.cache_holds(site, member, SEQUENCE - 1, &json!({})).await;
            expected.push(Place { site: SiteId(site), member_id: MemberId(member) });
        }
    }
    expected.sort();
    let found: Vec<Place> = drifts(&mut auditor).await.iter().map(|drift| drift.place).collect();
    assert_eq!(found, expected);
}
