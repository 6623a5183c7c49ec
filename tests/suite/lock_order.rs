//! The order of locks: lanes that meet on the same members and request ids wait for each other, and never in a circle.

use std::time::Duration;

use join_community::config;
use join_community::domain::{Caller, IdentityType, Impossible, MemberId, Rejection, Request, SiteId, Verdict};
use join_community::join::rounds::{Outcome, Policy, bring_to_outcome};
use join_community::operations::Laps;
use join_community::postgres::{Role, Session};
use join_community::telemetry::chain;
use sqlx::{Connection as _, PgConnection};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::asking::{insert, own_request, request};
use crate::support::{PATIENCE, database, eventually};

const LANES: u32 = 4;
const POLICY: Policy = Policy { patience: 0, lease: Duration::from_secs(10) };

/// All lanes at once on the same members and the same request ids, each in an order of its own: whoever takes locks in
/// the order of its batch, or of a plan, ends in a deadlock.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_members_and_ids_in_any_order_make_no_deadlock() {
    const ROUNDS: u32 = 8;
    const CROWD: u32 = 400;
    let database = database().await;
    let mut stranger = database.stranger().await;
    // Longer than the server takes to find a deadlock, so that it is found.
    let patient = config::Database { lock_timeout: Duration::from_secs(4), ..database.config.clone() };
    let mut lanes: Vec<Session> = (0..LANES).map(|_| Session::new(&patient, Role::Lane).unwrap()).collect();
    let mut dice = fastrand::Rng::with_seed(7);
    for round in 0..ROUNDS {
        let site = SiteId(Uuid::from_u128(u128::from(round) + 1));
        let crowd = (0..4 * CROWD).map(|number| Uuid::from_u128(number.into())).collect::<Vec<_>>();
        let insert = sqlx::query("INSERT INTO members (site_id, id) SELECT $1, unnest($2::uuid[])").bind(site.0);
        insert.bind(crowd).execute(&mut stranger).await.unwrap();
        let mut racing = JoinSet::new();
        for (lane, mut store) in (0..).zip(lanes.drain(..)) {
            // In every other round the members are each lane's own, so that the lanes meet at the request ids.
            let first = if round % 2 == 0 { 0 } else { lane * CROWD };
            let mut batch: Vec<Request> = (0..CROWD).map(|place| for_themself(site, place, first + place)).collect();
            dice.shuffle(&mut batch);
            racing.spawn(async move {
                let batch: Vec<&Request> = batch.iter().collect();
                let outcomes = bring_to_outcome(&mut store, &batch, POLICY, &mut Laps::begin()).await;
                outcomes.unwrap_or_else(|error| panic!("{}", chain(&error)));
                store
            });
        }
        lanes = racing.join_all().await;
    }
    let joined = sqlx::query_scalar("SELECT count(*) FROM members WHERE privacy_status = 'PUBLIC'");
    let joined: i64 = joined.fetch_one(&mut stranger).await.unwrap();
    assert!(joined > i64::from(ROUNDS * CROWD), "{joined}");
    let deadlocks = sqlx::query_scalar("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()");
    let deadlocks: i64 = deadlocks.fetch_one(&mut stranger).await.unwrap();
    assert_eq!(deadlocks, 0);
}

/// A third of the ids is in the order of the members, a third against it, and a third is each lane's own.
fn for_themself(site: SiteId, place: u32, number: u32) -> Request {
    let member = MemberId(Uuid::from_u128(number.into()));
    let id = match place % 3 {
        0 => format!("{place:03}"),
        1 => format!("{:03}", 999 - place),
        _ => Uuid::new_v4().to_string(),
    };
    request(site, Some(member), Caller { identity_type: IdentityType::Member, id: member.0 }, &id, "one")
}

/// A writer who takes members in the order of their keys, and a batch that refuses one of them and lets another join: the
/// refused one owes a tombstone, so it is waited for before the other one is held, and not after.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_owes_a_tombstone_waits_for_its_member_in_the_order_of_keys() {
    let database = database().await;
    let (mut stranger, mut watcher) = (database.stranger().await, database.stranger().await);
    let patient = config::Database { lock_timeout: Duration::from_secs(4), ..database.config.clone() };
    let site = SiteId(Uuid::from_u128(1));
    let (blocked, joining) = (MemberId(Uuid::from_u128(1)), MemberId(Uuid::from_u128(2)));
    insert(&mut stranger, site, blocked, "BLOCKED", "PRIVATE").await;
    insert(&mut stranger, site, joining, "APPROVED", "PRIVATE").await;

    let mut change_of_others = stranger.begin().await.unwrap();
    let change = async |connection: &mut PgConnection, member: MemberId| {
        let change = "UPDATE members SET last_login_date = clock_timestamp() WHERE id = $1";
        sqlx::query(change).bind(member.0).execute(connection).await
    };
    change(&mut change_of_others, blocked).await.unwrap();
    let lane = tokio::spawn(async move {
        let mut store = Session::new(&patient, Role::Lane).unwrap();
        let batch = [own_request(site, blocked), own_request(site, joining)];
        bring_to_outcome(&mut store, &batch.each_ref(), POLICY, &mut Laps::begin())
            .await
            .unwrap_or_else(|error| panic!("{}", chain(&error)))
    });
    eventually("the lane waits for the writer", PATIENCE, async || {
        let count = "SELECT count(*) FROM pg_locks WHERE NOT granted";
        let waiting: i64 = sqlx::query_scalar(count).fetch_one(&mut watcher).await.unwrap();
        if waiting > 0 { Ok(()) } else { Err(waiting) }
    })
    .await;
    change(&mut change_of_others, joining).await.expect("the writer meets no lock of the lane");
    change_of_others.commit().await.unwrap();
    let verdicts = lane.await.unwrap();
    let expected = [Verdict::Rejected(Rejection::Impossible(Impossible::Blocked)), Verdict::Joined];
    for (outcome, expected) in verdicts.iter().zip(expected) {
        assert!(matches!(outcome, Outcome::Verdict { verdict, .. } if *verdict == expected), "{outcome:?}");
    }
    let owed: Vec<(Uuid, i64)> = sqlx::query_as("SELECT member_id, event_sequence FROM outbox ORDER BY member_id")
        .fetch_all(&mut watcher)
        .await
        .unwrap();
    assert_eq!(owed, [(blocked.0, 1), (joining.0, 2)]);
}
