//! A batch comes to what its requests come to one at a time, whoever asks for whom, and in whatever order.

use std::cell::RefCell;
use std::time::Duration;

use join_community::domain::{Attempts, Caller, Gate, IdentityType, MemberId, Method, Proof, Request, SiteId};
use join_community::join::rounds::{Outcome, Policy, bring_to_outcome};
use join_community::operations::Laps;
use join_community::postgres::{Role, Session};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use sqlx::{PgConnection, Row as _};

use crate::support::asking::{insert, meaning, member_number, new_site, request};
use crate::support::database;

const MEMBERS: u8 = 4;
const POLICY: Policy = Policy { patience: 1, lease: Duration::from_secs(10) };

/// A member of the case: absent, deleted, or with a status and a privacy status.
#[derive(Clone, Copy, Debug)]
enum Found {
    Absent,
    Deleted,
    With(&'static str, &'static str),
}

/// One request of the case, by numbers, so that it shrinks well.
#[derive(Clone, Debug)]
struct Ask {
    id: u8,
    leaves: bool,
    producer: u8,
    caller: u8,
    target: Option<u8>,
    elevated: Option<bool>,
    vouches: bool,
    attempts: u32,
}

#[derive(Clone, Debug)]
struct Case {
    members: Vec<Found>,
    gate: Gate,
    asks: Vec<Ask>,
    /// Where the batch is cut in two.
    cut: usize,
}

fn found() -> impl Strategy<Value = Found> {
    prop_oneof![
        1 => Just(Found::Absent),
        1 => Just(Found::Deleted),
        4 => Just(Found::With("APPROVED", "PRIVATE")),
        1 => Just(Found::With("APPROVED", "PUBLIC")),
        1 => prop_oneof![Just("PENDING"), Just("BLOCKED"), Just("OFFLINE")].prop_map(|status| Found::With(status, "PRIVATE")),
    ]
}

fn ask() -> impl Strategy<Value = Ask> {
    let target = prop_oneof![1 => Just(None), 8 => (0..MEMBERS).prop_map(Some)];
    let elevated = prop_oneof![Just(None), Just(Some(false)), Just(Some(true))];
    // Few ids and two producers: ids are used again, for the same request and for others.
    let leaves = prop::bool::weighted(0.4);
    (0..5_u8, leaves, 0..2_u8, 0..=MEMBERS, target, elevated, prop::bool::weighted(0.9), 0..2_u32).prop_map(
        |(id, leaves, producer, caller, target, elevated, vouches, attempts)| Ask {
            id,
            leaves,
            producer,
            caller,
            target,
            elevated,
            vouches,
            attempts,
        },
    )
}

fn case() -> impl Strategy<Value = Case> {
    let gate = prop_oneof![6 => Just(Gate::Anyone), 1 => Just(Gate::NoOne)];
    let members = prop::collection::vec(found(), usize::from(MEMBERS));
    let asks = prop::collection::vec(ask(), 1..14);
    (members, gate, asks, 0..14_usize).prop_map(|(members, gate, asks, cut)| Case { members, gate, asks, cut })
}

impl Case {
    fn requests(&self, site: SiteId) -> Vec<Request> {
        self.asks.iter().map(|ask| ask.request(site)).collect()
    }

    async fn set_up(&self, stranger: &mut PgConnection, store: &mut Session, site: SiteId) {
        store.set_gate(site, self.gate).await.unwrap();
        for (number, found) in (0..).zip(&self.members) {
            match found {
                Found::Absent => continue,
                Found::Deleted => insert(stranger, site, member_number(number), "APPROVED", "PUBLIC").await,
                Found::With(status, privacy) => insert(stranger, site, member_number(number), status, privacy).await,
            }
            if matches!(found, Found::Deleted) {
                let delete = sqlx::query("DELETE FROM members WHERE site_id = $1 AND id = $2");
                delete.bind(site.0).bind(member_number(number).0).execute(&mut *stranger).await.unwrap();
            }
        }
    }
}

impl Ask {
    fn request(&self, site: SiteId) -> Request {
        let identity_type = if self.caller == MEMBERS { IdentityType::App } else { IdentityType::Member };
        let caller = Caller { identity_type, id: member_number(self.caller).0 };
        let target = match (self.target, identity_type) {
            (None, IdentityType::Member) => Some(MemberId(caller.id)),
            (target, _) => target.map(member_number),
        };
        let id = format!("request-{}", self.id);
        let plain = request(site, target, caller, &id, &format!("producer-{}", self.producer));
        let method = if self.leaves { Method::Leave } else { Method::Join };
        Request {
            method,
            elevated: self.elevated,
            proof: Proof::Producer { vouches: self.vouches, may_elevate: self.producer == 0 },
            digest: meaning(method, site, target, caller, self.elevated),
            attempts: Attempts { unknown_member: self.attempts, ..Attempts::default() },
            ..plain
        }
    }
}

/// An outcome without the site and the times, in which two runs differ.
fn comparable(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Verdict { verdict, member, fresh } => {
            let member = member.as_ref().map(|member| (member.id, member.privacy_status, member.event_sequence));
            format!("{verdict:?} {member:?} {fresh}")
        }
        Outcome::Conflict | Outcome::Later | Outcome::TargetMissing => format!("{outcome:?}"),
    }
}

/// Everything that a site's requests left behind.
async fn left_behind(stranger: &mut PgConnection, site: SiteId) -> Vec<String> {
    let everything = "
        SELECT 'member ' || id || ' ' || privacy_status || ' ' || event_sequence FROM members WHERE site_id = $1
        UNION ALL
        SELECT 'verdict ' || concat_ws(' ', request_id, requester, method, verdict, code, reason, member_id, caller, event_sequence)
        FROM join_requests WHERE site_id = $1
        UNION ALL
        SELECT 'debt ' || concat_ws(' ', member_id, event_sequence, event_due, cache_due, origin, caller, request_id)
        FROM outbox WHERE site_id = $1
        ORDER BY 1";
    let rows = sqlx::query(everything).bind(site.0).fetch_all(stranger).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

struct Comparison {
    store: Session,
    stranger: PgConnection,
}

impl Comparison {
    async fn of(&mut self, case: &Case) -> Result<(), TestCaseError> {
        let (together, apart) = (new_site(), new_site());
        for site in [together, apart] {
            case.set_up(&mut self.stranger, &mut self.store, site).await;
        }
        let batch = case.requests(together);
        let batch: Vec<&Request> = batch.iter().collect();
        let (first, second) = batch.split_at(case.cut.min(batch.len()));
        let mut outcomes = bring_to_outcome(&mut self.store, first, POLICY, &mut Laps::begin()).await.unwrap();
        outcomes.extend(bring_to_outcome(&mut self.store, second, POLICY, &mut Laps::begin()).await.unwrap());
        let mut expected = Vec::new();
        for request in case.requests(apart) {
            expected.extend(bring_to_outcome(&mut self.store, &[&request], POLICY, &mut Laps::begin()).await.unwrap());
        }
        let outcomes: Vec<String> = outcomes.iter().map(comparable).collect();
        let expected: Vec<String> = expected.iter().map(comparable).collect();
        prop_assert_eq!(outcomes, expected);
        let together = left_behind(&mut self.stranger, together).await;
        let apart = left_behind(&mut self.stranger, apart).await;
        prop_assert_eq!(together, apart);
        Ok(())
    }
}

#[test]
fn a_batch_comes_to_what_its_requests_come_to_one_at_a_time() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let database = runtime.block_on(database());
    let store = Session::new(&database.config, Role::Lane).unwrap();
    let comparison = RefCell::new(Comparison { store, stranger: runtime.block_on(database.stranger()) });
    let config = Config { cases: 96, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&case(), |case| runtime.block_on(comparison.borrow_mut().of(&case)))
        .unwrap_or_else(|failure| panic!("{failure}"));
}
