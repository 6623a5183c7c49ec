//! Lanes and other writers on the same few members and the same few request ids, all at once.
//!
//! Every change is written down by a trigger of the test, so that nothing can happen without being seen.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fastrand::Rng;
use join_community::config;
use join_community::domain::{Caller, IdentityType, MemberId, Method, Request, SiteId, Verdict};
use join_community::join::rounds::{Outcome, Policy, bring_to_outcome};
use join_community::operations::Laps;
use join_community::postgres::{Paid, Role, Session, Side};
use sqlx::PgConnection;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::asking::{asking, insert, member_number, request};
use crate::support::{TestDatabase, database};

const LANES: u64 = 4;
const BATCHES: usize = 60;
const BATCH: usize = 40;
const MEMBERS: u8 = 24;
const IDS: u64 = 12;
const WRITES: usize = 500;
const POLICY: Policy = Policy { patience: 0, lease: Duration::from_secs(10) };

const WATCH: &str = "
    CREATE TABLE seen (
        n bigserial, site_id uuid, id uuid, before bigint, after bigint, did text, by_lane boolean
    );
    CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO seen (site_id, id, before, after, did, by_lane) VALUES (
            NEW.site_id, NEW.id, OLD.event_sequence, NEW.event_sequence,
            CASE
                WHEN num_nonnulls(OLD.deleted_date, NEW.deleted_date) > 0 OR OLD.status <> NEW.status THEN NULL
                WHEN NEW.status = 'APPROVED' AND OLD.privacy_status = 'PRIVATE' AND NEW.privacy_status = 'PUBLIC'
                    THEN 'joined'
                WHEN OLD.privacy_status = 'PUBLIC' AND NEW.privacy_status = 'PRIVATE' THEN 'left'
            END,
            current_setting('application_name') = 'join-community lane');
        RETURN NULL;
    END $$;
    CREATE TRIGGER see AFTER UPDATE ON members FOR EACH ROW WHEN (NEW IS DISTINCT FROM OLD) EXECUTE FUNCTION see()";

fn sites() -> [SiteId; 2] {
    [1, 2].map(|number| SiteId(Uuid::from_u128(number)))
}

/// Any member asks for themself, to join or to leave, under an id of their own or under one of a few that everybody uses just now.
fn asked(dice: &mut Rng, era: usize) -> Request {
    let site = sites()[dice.usize(..2)];
    let member = member_number(dice.u8(..MEMBERS));
    let caller = Caller { identity_type: IdentityType::Member, id: member.0 };
    let id = if dice.bool() { format!("shared-{era}-{}", dice.u64(..IDS)) } else { Uuid::now_v7().to_string() };
    let method = if dice.u8(..3) == 0 { Method::Leave } else { Method::Join };
    asking(method, request(site, Some(member), caller, &id, if dice.bool() { "one" } else { "other" }))
}

/// What every lane was answered, by site, requester, id and meaning: never two different verdicts.
type Answers = HashMap<(SiteId, String, String, [u8; 32]), Verdict>;

async fn lane(config: config::Database, seed: u64, batches: Arc<AtomicUsize>) -> Answers {
    let mut store = Session::new(&config, Role::Lane).unwrap();
    let (mut dice, mut answers) = (Rng::with_seed(seed), Answers::new());
    for _ in 0..BATCHES {
        // New ids for all lanes at once: what is recorded already is no race any more.
        let era = batches.fetch_add(1, Ordering::Relaxed) / 4;
        let batch: Vec<Request> = (0..BATCH).map(|_| asked(&mut dice, era)).collect();
        let requests: Vec<&Request> = batch.iter().collect();
        let outcomes = bring_to_outcome(&mut store, &requests, POLICY, &mut Laps::begin()).await;
        let outcomes = outcomes.unwrap_or_else(|error| panic!("{}", join_community::telemetry::chain(&error)));
        for (request, outcome) in batch.iter().zip(outcomes) {
            let key = (request.site, request.requester.as_str().to_owned(), request.id.to_string(), request.digest);
            if let Outcome::Verdict { verdict, .. } = outcome {
                assert_eq!(*answers.entry(key).or_insert(verdict), verdict, "one request, two verdicts");
            }
        }
    }
    answers
}

/// A writer who knows nothing of the worker, one member at a time.
async fn writer(mut connection: PgConnection, seed: u64) {
    let mut dice = Rng::with_seed(seed);
    let changes = [
        "UPDATE members SET privacy_status = 'PRIVATE' WHERE site_id = $1 AND id = $2",
        "UPDATE members SET status = 'APPROVED', privacy_status = 'PRIVATE' WHERE site_id = $1 AND id = $2",
        "UPDATE members SET status = 'BLOCKED' WHERE site_id = $1 AND id = $2",
        "UPDATE members SET status = status WHERE site_id = $1 AND id = $2",
        "UPDATE members SET last_login_date = clock_timestamp() WHERE site_id = $1 AND id = $2",
        "DELETE FROM members WHERE site_id = $1 AND id = $2",
        "UPDATE members SET deleted_date = NULL, privacy_status = 'PRIVATE' WHERE site_id = $1 AND id = $2",
    ];
    for _ in 0..WRITES {
        let site = sites()[dice.usize(..2)];
        let member = member_number(dice.u8(..MEMBERS));
        let change = changes[dice.usize(..changes.len())];
        sqlx::query(change).bind(site.0).bind(member.0).execute(&mut connection).await.unwrap();
    }
}

/// Announces what it finds owed until the others are done; tells the newest sequence announced of each member.
async fn announcer(config: config::Database, working: Arc<AtomicUsize>) -> BTreeMap<(SiteId, MemberId), i64> {
    let mut store = Session::new(&config, Role::Announcer).unwrap();
    let mut announced = BTreeMap::new();
    while working.load(Ordering::Acquire) > 0 {
        for side in [Side::Event, Side::Cache] {
            let claims = store.claim(side, 8, Duration::ZERO).await.unwrap();
            let paid: Vec<Paid> = claims
                .iter()
                .filter(|change| change.member.as_ref().is_some_and(|m| m.event_sequence == change.event_sequence))
                .map(|change| Paid {
                    site: change.site,
                    member_id: change.member_id,
                    event_sequence: change.event_sequence,
                    event: true,
                    cache: true,
                    confirmed_at: None,
                    cached_at: None,
                })
                .collect();
            for paid in &paid {
                let newest = announced.entry((paid.site, paid.member_id)).or_insert(paid.event_sequence);
                *newest = paid.event_sequence.max(*newest);
            }
            store.forget(&paid).await.unwrap();
        }
    }
    announced
}

async fn everything_at_once(database: &TestDatabase) -> BTreeMap<(SiteId, MemberId), i64> {
    let working = Arc::new(AtomicUsize::new(1));
    let announcing = tokio::spawn(announcer(database.config.clone(), Arc::clone(&working)));
    let mut writers = JoinSet::new();
    for seed in [101, 102] {
        writers.spawn(writer(database.stranger().await, seed));
    }
    let batches = Arc::new(AtomicUsize::new(0));
    let mut lanes = JoinSet::new();
    for seed in 1..=LANES {
        lanes.spawn(lane(database.config.clone(), seed, Arc::clone(&batches)));
    }
    let mut answers = Answers::new();
    for theirs in lanes.join_all().await {
        for (key, verdict) in theirs {
            assert_eq!(*answers.entry(key).or_insert(verdict), verdict, "one request, two verdicts");
        }
    }
    writers.join_all().await;
    working.store(0, Ordering::Release);
    announcing.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn under_contention_every_effect_has_its_verdict_and_nothing_is_lost() {
    let database = database().await;
    let mut stranger = database.stranger().await;
    for site in sites() {
        for number in 0..MEMBERS {
            insert(&mut stranger, site, member_number(number), "APPROVED", "PRIVATE").await;
        }
    }
    sqlx::raw_sql(WATCH).execute(&mut stranger).await.unwrap();
    let announced = everything_at_once(&database).await;
    check(&mut stranger, announced).await;
}

const DEADLOCKS: &str = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";

async fn count(connection: &mut PgConnection, what: &'static str) -> i64 {
    sqlx::query_scalar(what).fetch_one(connection).await.unwrap()
}

async fn check(connection: &mut PgConnection, announced: BTreeMap<(SiteId, MemberId), i64>) {
    let joins = count(connection, "SELECT count(*) FROM seen WHERE by_lane AND did = 'joined'").await;
    let leaves = count(connection, "SELECT count(*) FROM seen WHERE by_lane AND did = 'left'").await;
    let others = count(connection, "SELECT count(*) FROM seen WHERE NOT by_lane").await;
    assert!(joins > 100 && leaves > 50 && others > 100, "{joins} joins, {leaves} leaves, {others} others: no test");

    let nothing = [
        ("a lane made a change that is neither", "SELECT count(*) FROM seen WHERE by_lane AND did IS NULL"),
        (
            "an effect without its verdict",
            "SELECT count(*) FROM seen s WHERE by_lane AND NOT EXISTS (
                 SELECT FROM join_requests r WHERE r.verdict = s.did AND r.site_id = s.site_id AND r.member_id = s.id
                     AND r.event_sequence = s.after)",
        ),
        (
            "a verdict without its effect, or two for one effect",
            "SELECT count(*) FROM (SELECT FROM join_requests r LEFT JOIN seen s
                 ON s.by_lane AND s.site_id = r.site_id AND s.id = r.member_id AND s.after = r.event_sequence
                     AND s.did = r.verdict
             WHERE r.verdict IN ('joined', 'left') GROUP BY r.site_id, r.member_id, r.event_sequence
             HAVING count(s.n) <> 1 OR count(*) <> 1) faults",
        ),
        ("a sequence that skipped or stood still", "SELECT count(*) FROM seen WHERE after <> before + 1"),
        (
            "a sequence that is not the number of changes",
            "SELECT count(*) FROM members m
             WHERE event_sequence <> (SELECT count(*) FROM seen s WHERE s.site_id = m.site_id AND s.id = m.id)",
        ),
        (
            "a debt ahead of its member",
            "SELECT count(*) FROM outbox o JOIN members m
             ON m.site_id = o.site_id AND m.id = o.member_id WHERE o.event_sequence > m.event_sequence",
        ),
        ("a deadlock", DEADLOCKS),
    ];
    for (fault, found) in nothing {
        assert_eq!(count(connection, found).await, 0, "{fault}");
    }

    let members: Vec<(Uuid, Uuid, i64, Option<i64>)> = sqlx::query_as(
        "SELECT m.site_id, m.id, m.event_sequence, o.event_sequence FROM members m
         LEFT JOIN outbox o ON o.site_id = m.site_id AND o.member_id = m.id AND (o.event_due OR m.deleted_date IS NOT NULL)
         WHERE m.event_sequence > 0",
    )
    .fetch_all(connection)
    .await
    .unwrap();
    for (site, member, sequence, owed) in members {
        let known = announced.get(&(SiteId(site), MemberId(member))).copied();
        assert!(
            owed == Some(sequence) || known == Some(sequence),
            "member {member} is at {sequence}, owed {owed:?}, announced {known:?}"
        );
    }
}
