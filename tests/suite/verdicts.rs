//! Load, decide, commit: what one request, or a few, leave behind in the record.

use std::time::Duration;

use join_community::domain::{Caller, Gate, IdentityType, Impossible, MemberId, Method, Rejection, Standing, Verdict};
use join_community::join::rounds::{Outcome, Policy, bring_to_outcome};
use join_community::operations::Laps;
use join_community::postgres::{Role, Ruling};
use sqlx::{PgConnection, Row as _};
use time::OffsetDateTime;

use crate::support::Setup;
use crate::support::asking::{insert, joinable, meaning, new_member, new_site, own_request, request};

const POLICY: Policy = Policy { patience: 0, lease: Duration::from_secs(10) };

fn verdict(outcome: &Outcome) -> (Verdict, bool) {
    match outcome {
        Outcome::Verdict { verdict, fresh, .. } => (*verdict, *fresh),
        Outcome::Conflict | Outcome::Later | Outcome::TargetMissing => panic!("no verdict but {outcome:?}"),
    }
}

async fn debts(connection: &mut PgConnection) -> Vec<(MemberId, i64, bool, bool)> {
    let rows = sqlx::query("SELECT member_id, event_sequence, event_due, cache_due FROM outbox ORDER BY member_id")
        .fetch_all(connection)
        .await
        .unwrap();
    rows.iter().map(|row| (MemberId(row.get(0)), row.get(1), row.get(2), row.get(3))).collect()
}

#[tokio::test]
async fn a_join_records_the_verdict_changes_the_member_and_owes_event_and_cache() {
    let Setup { database: _database, mut store, mut stranger, site } = Setup::with(Role::Lane).await;
    let member = joinable(&mut stranger, site).await;
    let asked = own_request(site, member);
    let outcomes = bring_to_outcome(&mut store, &[&asked], POLICY, &mut Laps::begin()).await.unwrap();
    let [Outcome::Verdict { verdict: Verdict::Joined, member: Some(told), fresh: true }] = outcomes.as_slice() else {
        panic!("{outcomes:?}")
    };
    // What is answered is what the record holds.
    assert_eq!(store.member(site, member).await.unwrap().as_ref(), Some(&**told));
    assert!(told.is_public());
    assert_eq!(told.event_sequence, 1);
    let row = sqlx::query(
        "SELECT event_due, cache_due, origin, caller, request_id, traceparent, event_sequence,
                lease_until > clock_timestamp() + interval '8 seconds', attempts FROM outbox",
    )
    .fetch_one(&mut stranger)
    .await
    .unwrap();
    assert!(row.get::<bool, _>(0) && row.get::<bool, _>(1), "both debts are owed");
    assert_eq!(row.get::<&str, _>(2), "join_community");
    assert_eq!(row.get::<&str, _>(3), format!("MEMBER:{member}"));
    assert_eq!(row.get::<&str, _>(4), asked.id.as_str());
    assert_eq!(row.get::<Option<&str>, _>(5), asked.traceparent.as_deref());
    assert_eq!(row.get::<i64, _>(6), 1);
    assert!(row.get::<bool, _>(7), "born with a lease: memory has it");
    assert_eq!(row.get::<i32, _>(8), 0);
}

#[tokio::test]
async fn the_same_request_again_gets_the_first_verdict_and_changes_nothing() {
    let Setup { database: _database, mut store, mut stranger, site } = Setup::with(Role::Lane).await;
    let member = joinable(&mut stranger, site).await;
    let asked = own_request(site, member);
    bring_to_outcome(&mut store, &[&asked], POLICY, &mut Laps::begin()).await.unwrap();
    sqlx::query("UPDATE members SET status = 'BLOCKED'").execute(&mut stranger).await.unwrap();
    let again = bring_to_outcome(&mut store, &[&asked, &asked], POLICY, &mut Laps::begin()).await.unwrap();
    assert_eq!(again.iter().map(verdict).collect::<Vec<_>>(), [(Verdict::Joined, false); 2]);
    let other = request(site, Some(new_member()), asked.caller, asked.id.as_str(), "member-gateway");
    let conflict = bring_to_outcome(&mut store, &[&other], POLICY, &mut Laps::begin()).await.unwrap();
    assert_eq!(conflict, [Outcome::Conflict]);
    let theirs = request(site, Some(member), asked.caller, asked.id.as_str(), "another-gateway");
    let theirs = bring_to_outcome(&mut store, &[&theirs], POLICY, &mut Laps::begin()).await.unwrap();
    let blocked = Verdict::Rejected(Rejection::Impossible(Impossible::Blocked));
    assert_eq!(verdict(&theirs[0]), (blocked, true), "nobody can spend another's id");
}

#[tokio::test]
async fn many_for_one_member_in_a_batch_are_one_join() {
    let Setup { database: _database, mut store, mut stranger, site } = Setup::with(Role::Lane).await;
    let member = joinable(&mut stranger, site).await;
    let asked: Vec<_> = (0..5).map(|_| own_request(site, member)).collect();
    let outcomes =
        bring_to_outcome(&mut store, &asked.iter().collect::<Vec<_>>(), POLICY, &mut Laps::begin()).await.unwrap();
    let verdicts: Vec<_> = outcomes.iter().map(|outcome| verdict(outcome).0).collect();
    assert_eq!(verdicts[0], Verdict::Joined);
    assert!(verdicts[1..].iter().all(|verdict| *verdict == Verdict::AlreadyJoined), "{verdicts:?}");
    assert_eq!(debts(&mut stranger).await, [(member, 1, true, true)]);
}

#[tokio::test]
async fn a_ruling_that_was_overtaken_is_not_recorded() {
    let Setup { database: _database, mut store, mut stranger, site } = Setup::with(Role::Lane).await;
    let now = OffsetDateTime::now_utc();
    let overtakers = [
        "UPDATE members SET status = 'BLOCKED' WHERE id = $1",
        "UPDATE members SET privacy_status = 'PUBLIC' WHERE id = $1",
        "UPDATE members SET login_email = 'new@example.com' WHERE id = $1",
        "DELETE FROM members WHERE id = $1",
        "INSERT INTO sites SELECT site_id, 'NO_ONE' FROM members WHERE id = $1",
    ];
    for overtaker in overtakers {
        let member = joinable(&mut stranger, site).await;
        let asked = own_request(site, member);
        let standing = store.load(&[&asked]).await.unwrap().remove(0);
        assert_eq!(standing.member.unwrap().event_sequence, 0);
        sqlx::query(overtaker).bind(member.0).execute(&mut stranger).await.unwrap();
        let sequence = store.member(site, member).await.unwrap().unwrap().event_sequence;
        let ruling = Ruling { request: &asked, verdict: Verdict::Joined, event_sequence: Some(1) };
        assert_eq!(store.commit(&[ruling], now, POLICY.lease).await.unwrap(), [false], "{overtaker}");
        let after = store.member(site, member).await.unwrap().unwrap();
        assert_eq!(after.event_sequence, sequence, "{overtaker}");
        assert!(store.recorded(&asked.id, None).await.unwrap().is_empty(), "{overtaker}");
    }
}

#[tokio::test]
async fn a_ruling_whose_request_id_was_taken_meanwhile_leaves_no_effect() {
    let Setup { database: _database, mut store, mut stranger, site } = Setup::with(Role::Lane).await;
    let (one, other) = (joinable(&mut stranger, site).await, joinable(&mut stranger, site).await);
    let first = own_request(site, one);
    let caller = Caller { identity_type: IdentityType::Member, id: other.0 };
    let second = request(site, Some(other), caller, first.id.as_str(), "member-gateway");
    for (request, recorded) in [(&first, true), (&second, false)] {
        let ruling = Ruling { request, verdict: Verdict::Joined, event_sequence: Some(1) };
        let now = OffsetDateTime::now_utc();
        assert_eq!(store.commit(&[ruling], now, POLICY.lease).await.unwrap(), [recorded]);
    }
    let untouched = store.member(site, other).await.unwrap().unwrap();
    assert!(!untouched.is_public() && untouched.event_sequence == 0);
    assert_eq!(debts(&mut stranger).await, [(one, 1, true, true)]);
}

#[tokio::test]
async fn what_a_verdict_owes_the_cache_is_what_the_domain_says() {
    let Setup { database: _database, mut store, mut stranger, site } = Setup::with(Role::Lane).await;
    for verdict in Verdict::ALL {
        let member = new_member();
        let before = if verdict == Verdict::Left { "PUBLIC" } else { "PRIVATE" };
        insert(&mut stranger, site, member, "APPROVED", before).await;
        let asked = own_request(site, member);
        let event_sequence = Some(i64::from(verdict.leads_to().is_some()));
        let ruling = Ruling { request: &asked, verdict, event_sequence };
        let now = OffsetDateTime::now_utc();
        assert_eq!(store.commit(&[ruling], now, POLICY.lease).await.unwrap(), [true]);
        let owed: Vec<_> = debts(&mut stranger).await.into_iter().filter(|debt| debt.0 == member).collect();
        match verdict {
            Verdict::Joined | Verdict::Left => assert_eq!(owed, [(member, 1, true, true)]),
            Verdict::Rejected(_) if verdict.owes_tombstone() => {
                assert_eq!(owed, [(member, 0, false, true)], "{verdict:?}");
            }
            Verdict::AlreadyJoined | Verdict::AlreadyLeft | Verdict::Rejected(_) => {
                assert_eq!(owed, [], "{verdict:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_member_that_never_was_owes_nothing() {
    let Setup { database: _database, mut store, mut stranger, site } = Setup::with(Role::Lane).await;
    let asked = own_request(site, new_member());
    let outcomes = bring_to_outcome(&mut store, &[&asked], POLICY, &mut Laps::begin()).await.unwrap();
    assert_eq!(verdict(&outcomes[0]), (Verdict::Rejected(Rejection::NotFound), true));
    assert_eq!(debts(&mut stranger).await, []);
}

#[tokio::test]
async fn a_rejection_leaves_a_debt_that_is_already_there_as_it_is() {
    let Setup { database: _database, mut store, mut stranger, site } = Setup::with(Role::Lane).await;
    let member = joinable(&mut stranger, site).await;
    bring_to_outcome(&mut store, &[&own_request(site, member)], POLICY, &mut Laps::begin()).await.unwrap();
    let late = own_request(site, member);
    let blocked = Verdict::Rejected(Rejection::Impossible(Impossible::Blocked));
    let ruling = Ruling { request: &late, verdict: blocked, event_sequence: Some(0) };
    store.commit(&[ruling], OffsetDateTime::now_utc(), POLICY.lease).await.unwrap();
    assert_eq!(debts(&mut stranger).await, [(member, 1, true, true)]);
}

#[tokio::test]
async fn load_brings_record_gate_and_verdict_in_the_order_asked() {
    let Setup { database: _database, mut store, mut stranger, site } = Setup::with(Role::Lane).await;
    let closed = new_site();
    store.set_gate(closed, Gate::NoOne).await.unwrap();
    let here = joinable(&mut stranger, site).await;
    let there = joinable(&mut stranger, closed).await;
    let known = own_request(site, here);
    bring_to_outcome(&mut store, &[&known], POLICY, &mut Laps::begin()).await.unwrap();
    let stranger_asks = own_request(closed, there);
    let nobody = Caller { identity_type: IdentityType::App, id: new_member().0 };
    let untargeted = request(site, None, nobody, "untargeted", "member-gateway");
    let standings = store.load(&[&stranger_asks, &known, &untargeted]).await.unwrap();
    let [first, second, third] = standings.as_slice() else { panic!("{standings:?}") };
    assert_eq!((first.gate, first.recorded), (Gate::NoOne, None));
    assert_eq!(first.member.as_ref().unwrap().id, there);
    assert_eq!(second.recorded.unwrap().digest, meaning(Method::Join, site, Some(here), known.caller, None));
    assert_eq!(second.recorded.unwrap().verdict, Verdict::Joined);
    assert!(second.member.as_ref().unwrap().is_public());
    let Standing { recorded: None, member: None, gate: Gate::Anyone } = third else { panic!("{third:?}") };
}

#[tokio::test]
async fn a_join_waits_for_whoever_holds_the_record_and_then_sees_what_they_did() {
    let Setup { database: _database, mut store, mut stranger, site } = Setup::with(Role::Lane).await;
    let member = new_member();
    insert(&mut stranger, site, member, "APPROVED", "PRIVATE").await;
    // An update that changes nothing makes a new version of the row, and the same sequence.
    let mut held = sqlx::Connection::begin(&mut stranger).await.unwrap();
    sqlx::query("UPDATE members SET status = status").execute(&mut *held).await.unwrap();
    let asked = own_request(site, member);
    let batch = [&asked];
    let mut laps = Laps::begin();
    let joining = bring_to_outcome(&mut store, &batch, POLICY, &mut laps);
    let letting_go = async {
        let mut watching = sqlx::query(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
        );
        while watching.fetch_one(&mut *held).await.unwrap().get::<i64, _>(0) == 0 {
            sqlx::query("SELECT pg_stat_clear_snapshot()").execute(&mut *held).await.unwrap();
            watching = sqlx::query(
                "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()",
            );
        }
        held.commit().await.unwrap();
    };
    let (outcomes, ()) = tokio::join!(joining, letting_go);
    assert_eq!(verdict(&outcomes.unwrap()[0]), (Verdict::Joined, true));
    assert!(store.member(site, member).await.unwrap().unwrap().is_public(), "an effect for its verdict");
}
