//! Who owes what, and how a debt ends: the triggers for other writers, leases, forgetting.

use std::time::Duration;

use join_community::domain::{Change, MemberId, Origin, SiteId};
use join_community::join::rounds::{Policy, bring_to_outcome};
use join_community::operations::Laps;
use join_community::postgres::{Paid, Role, Session, Side};
use sqlx::{PgConnection, Row as _};
use time::OffsetDateTime;
use time::macros::datetime;

use crate::support::asking::{joinable, new_site, own_request};
use crate::support::{TestDatabase, database};

const LEASE: Duration = Duration::from_secs(10);
const NO_LEASE: Duration = Duration::ZERO;
/// When a side has paid, where that is of no concern.
const CONFIRMED: OffsetDateTime = datetime!(2026-11-24 10:00:00 UTC);
const CACHED: OffsetDateTime = datetime!(2026-11-24 10:00:01 UTC);

struct Setup {
    _database: TestDatabase,
    store: Session,
    stranger: PgConnection,
    site: SiteId,
    member: MemberId,
}

async fn setup() -> Setup {
    let database = database().await;
    let store = Session::new(&database.config, Role::Announcer).unwrap();
    let (mut stranger, site) = (database.stranger().await, new_site());
    let member = joinable(&mut stranger, site).await;
    Setup { store, stranger, _database: database, site, member }
}

impl Setup {
    async fn does(&mut self, statement: &'static str) {
        sqlx::query(statement).execute(&mut self.stranger).await.unwrap();
    }

    async fn refused(&mut self, statement: &'static str) -> String {
        sqlx::query(statement).execute(&mut self.stranger).await.unwrap_err().to_string()
    }

    async fn sequence(&mut self) -> i64 {
        sqlx::query_scalar("SELECT event_sequence FROM members").fetch_one(&mut self.stranger).await.unwrap()
    }

    /// Debts as `(sequence, event, cache, origin)`.
    async fn debts(&mut self) -> Vec<(i64, bool, bool, String)> {
        let debts = "SELECT event_sequence, event_due, cache_due, origin FROM outbox ORDER BY member_id";
        let rows = sqlx::query(debts).fetch_all(&mut self.stranger).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2), row.get(3))).collect()
    }

    async fn claim(&mut self, side: Side, lease: Duration) -> Vec<Change> {
        self.store.claim(side, 100, lease).await.unwrap()
    }

    fn paid(&self, event_sequence: i64, event: bool, cache: bool) -> Paid {
        let (confirmed_at, cached_at) = (event.then_some(CONFIRMED), cache.then_some(CACHED));
        Paid { site: self.site, member_id: self.member, event_sequence, event, cache, confirmed_at, cached_at }
    }
}

#[tokio::test]
async fn a_change_by_plain_sql_raises_the_sequence_and_owes_event_and_cache() {
    let mut setup = setup().await;
    setup.does("UPDATE members SET updated_date = '2020-01-01'").await;
    setup.does("DELETE FROM outbox").await;
    setup.does("UPDATE members SET status = 'BLOCKED'").await;
    assert_eq!(setup.sequence().await, 2);
    assert_eq!(setup.debts().await, [(2, true, true, "external".to_owned())]);
    let fresh = "SELECT updated_date > now() - interval '1 minute'
                    AND updated_date = date_trunc('milliseconds', updated_date) FROM members";
    assert!(sqlx::query_scalar::<_, bool>(fresh).fetch_one(&mut setup.stranger).await.unwrap());
    let change = setup.claim(Side::Event, LEASE).await.remove(0);
    assert_eq!((change.origin, change.caller, change.request_id), (Origin::External, None, None));
    assert_eq!(change.member.unwrap().event_sequence, 2);
}

#[tokio::test]
async fn a_writer_that_sets_the_date_keeps_it() {
    let mut setup = setup().await;
    setup.does("UPDATE members SET updated_date = '2030-01-02 03:04:05.678901+00'").await;
    let kept = "SELECT updated_date = '2030-01-02 03:04:05.678+00' FROM members";
    assert!(sqlx::query_scalar::<_, bool>(kept).fetch_one(&mut setup.stranger).await.unwrap());
    setup.does("UPDATE members SET status = 'BLOCKED'").await;
    assert!(sqlx::query_scalar::<_, bool>(kept).fetch_one(&mut setup.stranger).await.unwrap(), "it never goes back");
}

#[tokio::test]
async fn an_update_that_changes_nothing_owes_nothing() {
    let mut setup = setup().await;
    setup.does("UPDATE members SET status = status, contact = contact").await;
    assert_eq!((setup.sequence().await, setup.debts().await), (0, vec![]));
}

#[tokio::test]
async fn delete_leaves_a_tombstone_that_owes_the_cache_alone_and_keeps_nothing_of_the_person() {
    let mut setup = setup().await;
    setup.does("UPDATE members SET login_email = 'a@example.com', contact = '{}', profile = '{}', extra = '{}'").await;
    setup.does("DELETE FROM members").await;
    assert_eq!(
        setup.debts().await,
        [(2, false, true, "external".to_owned())],
        "the event of the change is not due any more"
    );
    setup.does("DELETE FROM members").await;
    assert_eq!(setup.sequence().await, 2, "a tombstone stays");
    let left = setup.store.member(setup.site, setup.member).await.unwrap().unwrap();
    assert!(left.deleted && left.login_email.is_none() && left.contact.is_none());
    assert!(left.profile.is_none() && left.extra.is_none());
    let change = setup.claim(Side::Cache, LEASE).await.remove(0);
    assert!(change.member.unwrap().deleted && !change.event_due);
    assert!(setup.claim(Side::Event, LEASE).await.is_empty());
}

#[tokio::test]
async fn what_would_make_consumers_deaf_is_refused() {
    let mut setup = setup().await;
    setup.does("UPDATE members SET event_sequence = 17").await;
    assert!(setup.refused("UPDATE members SET event_sequence = 16").await.contains("falls from 17 to 16"));
    assert!(setup.refused("UPDATE members SET id = gen_random_uuid()").await.contains("cannot be changed"));
    assert!(setup.refused("TRUNCATE members").await.contains("cannot be truncated"));
    assert!(setup.refused("UPDATE members SET status = 'UNKNOWN'").await.contains("status"));
}

#[tokio::test]
async fn the_lists_of_a_contact_are_never_absent() {
    let mut setup = setup().await;
    setup.does(r#"UPDATE members SET contact = '{"firstName": "A", "phones": ["1"]}'"#).await;
    let contact = "SELECT contact::text FROM members";
    let contact: String = sqlx::query_scalar(contact).fetch_one(&mut setup.stranger).await.unwrap();
    let contact: serde_json::Value = serde_json::from_str(&contact).unwrap();
    let whole = serde_json::json!({
        "firstName": "A", "phones": ["1"], "emails": [], "addresses": [], "customFields": {}
    });
    assert_eq!(contact, whole);
    setup.does(r#"UPDATE members SET contact = '{"firstName": "A", "phones": ["1"], "emails": []}'"#).await;
    assert_eq!(setup.sequence().await, 1, "the same once completed");
}

#[tokio::test]
async fn other_writers_need_not_have_the_schema_on_their_search_path() {
    let mut setup = setup().await;
    setup.does("SET search_path = ''").await;
    setup.does("UPDATE public.members SET status = 'BLOCKED'").await;
    setup.does("CREATE TEMPORARY TABLE outbox (LIKE public.outbox)").await;
    setup.does("DELETE FROM public.members").await;
    setup.does("DROP TABLE pg_temp.outbox").await;
    setup.does("RESET search_path").await;
    assert_eq!(setup.debts().await, [(2, false, true, "external".to_owned())]);
}

#[tokio::test]
async fn a_claim_is_a_lease_for_one_side_at_a_time() {
    let mut setup = setup().await;
    setup.does("UPDATE members SET status = 'BLOCKED'").await;
    assert_eq!(setup.claim(Side::Event, LEASE).await.len(), 1);
    assert!(setup.claim(Side::Event, LEASE).await.is_empty(), "leased");
    assert!(setup.claim(Side::Cache, LEASE).await.is_empty(), "one lease for both debts");
    let held = setup.paid(1, false, false);
    setup.store.release(&[held]).await.unwrap();
    assert_eq!(setup.claim(Side::Cache, LEASE).await.len(), 1, "given back");
    setup.does("UPDATE members SET status = 'APPROVED'").await;
    assert_eq!(setup.claim(Side::Event, LEASE).await.len(), 1, "a newer change needs no lease of the older");
}

#[tokio::test]
async fn the_pause_between_two_claims_grows_and_ends_at_64_leases() {
    let mut setup = setup().await;
    setup.does("UPDATE members SET status = 'BLOCKED'").await;
    for (attempts, seconds) in [(0, 10), (1, 20), (6, 640), (2_000, 640)] {
        let row = sqlx::query("UPDATE outbox SET attempts = $1, lease_until = '-infinity'").bind(attempts);
        row.execute(&mut setup.stranger).await.unwrap();
        assert_eq!(setup.claim(Side::Event, LEASE).await.len(), 1);
        let held = "SELECT abs(extract(epoch FROM lease_until - clock_timestamp()) - $1) < 5 FROM outbox";
        let held = sqlx::query_scalar::<_, bool>(held).bind(seconds).fetch_one(&mut setup.stranger).await.unwrap();
        assert!(held, "after {attempts} attempts the lease is about {seconds} s");
    }
}

#[tokio::test]
async fn a_debt_is_forgotten_only_with_the_sequence_that_was_announced_and_paid_in_full() {
    let mut setup = setup().await;
    setup.does("UPDATE members SET status = 'BLOCKED'").await;
    let (older, event, cache, both) =
        (setup.paid(0, true, true), setup.paid(1, true, false), setup.paid(1, false, true), setup.paid(1, true, true));
    let debt = |event, cache| vec![(1, event, cache, "external".to_owned())];
    setup.store.forget(&[older]).await.unwrap();
    assert_eq!(setup.debts().await, debt(true, true));
    setup.store.forget(&[event]).await.unwrap();
    assert_eq!(setup.debts().await, debt(false, true), "an outage of one side repeats nothing on the other");
    assert!(setup.claim(Side::Event, NO_LEASE).await.is_empty());
    assert_eq!(setup.claim(Side::Cache, NO_LEASE).await.len(), 1);
    setup.store.forget(&[cache]).await.unwrap();
    assert_eq!(setup.debts().await, [], "the second half pays it in full");
    setup.does("UPDATE members SET status = 'APPROVED'").await;
    setup.store.forget(&[both]).await.unwrap();
    assert_eq!(setup.debts().await.len(), 1, "what was announced is not the newest");
}

#[tokio::test]
async fn a_debt_that_lags_behind_its_member_is_brought_up_to_it_when_claimed() {
    let mut setup = setup().await;
    setup.does("UPDATE members SET status = 'BLOCKED'").await;
    setup.does("UPDATE members SET status = 'APPROVED'").await;
    setup.does("UPDATE outbox SET event_sequence = 1, event_due = false").await;
    let change = setup.claim(Side::Cache, LEASE).await.remove(0);
    assert_eq!((change.event_sequence, change.member.unwrap().event_sequence), (2, 2));
    let paid = setup.paid(2, false, true);
    setup.store.forget(&[paid]).await.unwrap();
    assert_eq!(setup.debts().await, []);
}

#[tokio::test]
async fn a_later_join_takes_over_the_debt_and_its_cause() {
    let mut setup = setup().await;
    setup.does("UPDATE members SET login_email = 'a@example.com'").await;
    setup.does("UPDATE outbox SET attempts = 5").await;
    let asked = own_request(setup.site, setup.member);
    let policy = Policy { patience: 0, lease: LEASE };
    bring_to_outcome(&mut setup.store, &[&asked], policy, &mut Laps::begin()).await.unwrap();
    assert_eq!(setup.debts().await, [(2, true, true, "join_community".to_owned())]);
    let cause = "SELECT request_id = $1 AND attempts = 0 FROM outbox";
    let cause = sqlx::query_scalar::<_, bool>(cause).bind(asked.id.as_str());
    assert!(cause.fetch_one(&mut setup.stranger).await.unwrap());
    let depth = setup.store.outbox_depth().await.unwrap();
    assert_eq!(depth.rows, 1);
    assert!(depth.oldest.unwrap() < Duration::from_mins(1));
}

#[tokio::test]
async fn an_empty_outbox_has_no_age() {
    let mut setup = setup().await;
    let depth = setup.store.outbox_depth().await.unwrap();
    assert_eq!((depth.rows, depth.oldest), (0, None));
}
