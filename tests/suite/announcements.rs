//! When changes were announced: recorded as their debts are forgotten, found by time, pruned by age.

use std::time::Duration;

use join_community::domain::{MemberId, SiteId, to_millis};
use join_community::postgres::{Announced, DecidedChange, Paid, Receipt, Role, Session};
use sqlx::PgConnection;
use time::{Duration as Span, OffsetDateTime};

use crate::support::asking::{new_member, new_site};
use crate::support::{Installation, PATIENCE, TestDatabase, database, eventually};

/// As `requests.retention` is by default.
const RETENTION: Duration = Duration::from_hours(30 * 24);
/// Most announcements that are looked through for one change.
const MOST: u64 = 2_500;

struct Setup {
    _database: TestDatabase,
    store: Session,
    stranger: PgConnection,
    site: SiteId,
    member: MemberId,
    /// When the member's changes were decided.
    decided: OffsetDateTime,
}

async fn setup() -> Setup {
    let database = database().await;
    let store = Session::new(&database.config, Role::Announcer).unwrap();
    let stranger = database.stranger().await;
    let (site, member, decided) = (new_site(), new_member(), to_millis(OffsetDateTime::now_utc()));
    Setup { _database: database, store, stranger, site, member, decided }
}

impl Setup {
    /// Seconds after the decision.
    fn after(&self, seconds: i64) -> OffsetDateTime {
        self.decided + Span::seconds(seconds)
    }

    /// What was done so many seconds after the decision, if at all.
    fn paid(&self, member_id: MemberId, event_sequence: i64, confirmed: Option<i64>, cached: Option<i64>) -> Paid {
        let (confirmed_at, cached_at) =
            (confirmed.map(|seconds| self.after(seconds)), cached.map(|seconds| self.after(seconds)));
        let (event, cache) = (confirmed.is_some(), cached.is_some());
        Paid { site: self.site, member_id, event_sequence, event, cache, confirmed_at, cached_at }
    }

    fn change(&self, member: MemberId, event_sequence: i64) -> DecidedChange {
        DecidedChange { site: self.site, member, event_sequence, decided_at: self.decided }
    }

    /// What is known of the member's change.
    async fn announced(&mut self, event_sequence: i64) -> Announced {
        let change = self.change(self.member, event_sequence);
        self.store.announced(&[change]).await.unwrap().remove(0)
    }

    fn receipt(&self, seconds: i64, event_sequence: i64) -> Receipt {
        Receipt { at: self.after(seconds), event_sequence }
    }

    /// Has the member owe both.
    async fn owes(&mut self, event_sequence: i64) {
        sqlx::query(
            "INSERT INTO outbox (site_id, member_id, event_sequence, event_due, cache_due, origin)
             VALUES ($1, $2, $3, true, true, 'external')",
        )
        .bind(self.site.0)
        .bind(self.member.0)
        .bind(event_sequence)
        .execute(&mut self.stranger)
        .await
        .unwrap();
    }

    /// So many announcements of others, a millisecond apart, from a little before the decision on.
    async fn others(&mut self, count: i64) {
        sqlx::query(
            "INSERT INTO announcements
             SELECT $1::timestamptz + n * interval '1 millisecond', ARRAY[$2::uuid],
                    ARRAY[gen_random_uuid()], ARRAY[17], ARRAY[now()], ARRAY[now()]
             FROM generate_series(1, $3::bigint) n",
        )
        .bind(self.decided)
        .bind(self.site.0)
        .bind(count)
        .execute(&mut self.stranger)
        .await
        .unwrap();
    }

    async fn count(&mut self, statement: &'static str) -> i64 {
        sqlx::query_scalar(statement).fetch_one(&mut self.stranger).await.unwrap()
    }
}

const ALL: &str = "SELECT count(*) FROM announcements";
const OWED: &str = "SELECT count(*) FROM outbox";

#[tokio::test]
async fn what_was_announced_is_recorded_with_both_times_whatever_the_member_owes_by_then() {
    let mut setup = setup().await;
    setup.owes(18).await;
    let older = setup.paid(setup.member, 17, Some(1), Some(2));
    setup.store.forget(&[older]).await.unwrap();
    let found = setup.announced(17).await;
    assert_eq!((found.event, found.cache, found.among), (Some(setup.receipt(1, 17)), Some(setup.receipt(2, 17)), None));
    assert_eq!(setup.count(OWED).await, 1, "the newer one is owed still");
    let newest = setup.announced(18).await;
    assert_eq!((newest.event, newest.cache, newest.among), (None, None, Some(1)));
}

#[tokio::test]
async fn each_side_is_recorded_once_when_it_has_paid() {
    let mut setup = setup().await;
    setup.owes(17).await;
    let (event, cache) = (setup.paid(setup.member, 17, Some(1), None), setup.paid(setup.member, 17, None, Some(60)));
    setup.store.forget(&[event]).await.unwrap();
    let found = setup.announced(17).await;
    assert_eq!((found.event, found.cache, found.among), (Some(setup.receipt(1, 17)), None, Some(1)));
    assert_eq!((setup.count(OWED).await, setup.count(ALL).await), (1, 1));
    setup.store.forget(&[cache]).await.unwrap();
    let found = setup.announced(17).await;
    assert_eq!((found.event, found.cache), (Some(setup.receipt(1, 17)), Some(setup.receipt(60, 17))));
    assert_eq!((setup.count(OWED).await, setup.count(ALL).await), (0, 2));
    // A crash in between, and both are done again: the first counts.
    let again = setup.paid(setup.member, 17, Some(90), Some(90));
    setup.store.forget(&[again]).await.unwrap();
    let found = setup.announced(17).await;
    assert_eq!((found.event, found.cache), (Some(setup.receipt(1, 17)), Some(setup.receipt(60, 17))));
}

#[tokio::test]
async fn a_change_that_was_folded_into_newer_ones_is_told_with_the_first_of_them() {
    let mut setup = setup().await;
    let batch = [19, 18].map(|sequence| setup.paid(setup.member, sequence, Some(sequence), Some(sequence)));
    setup.store.forget(&batch).await.unwrap();
    for sequence in [17, 18] {
        assert_eq!(setup.announced(sequence).await.event, Some(setup.receipt(18, 18)), "of sequence {sequence}");
    }
    assert_eq!(setup.announced(20).await.event, None, "an older announcement is none of a newer change");
}

#[tokio::test]
async fn many_changes_are_looked_up_at_once_and_told_in_their_order() {
    let mut setup = setup().await;
    let members: Vec<MemberId> = std::iter::repeat_with(new_member).take(100).collect();
    for (batch, place) in members.chunks(7).zip(0..) {
        let paid: Vec<Paid> =
            batch.iter().map(|member| setup.paid(*member, 17, Some(place), Some(place + 1))).collect();
        setup.store.forget(&paid).await.unwrap();
    }
    let mut changes: Vec<DecidedChange> = members.iter().rev().map(|member| setup.change(*member, 17)).collect();
    let elsewhere = DecidedChange { site: new_site(), ..changes[0] };
    changes.push(elsewhere);
    let found = setup.store.announced(&changes).await.unwrap();
    let events: Vec<_> = found.iter().map(|found| found.event).collect();
    let mut expected: Vec<_> = members
        .chunks(7)
        .zip(0..)
        .flat_map(|(batch, place)| vec![Some(setup.receipt(place, 17)); batch.len()])
        .collect();
    expected.reverse();
    expected.push(None);
    assert_eq!(events, expected);
    assert!(setup.store.announced(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_member_whose_announcement_lies_behind_many_others_is_found_and_a_look_ends_somewhere() {
    let mut setup = setup().await;
    setup.decided -= Span::minutes(1);
    setup.others(2_000).await;
    let last = setup.paid(setup.member, 17, Some(57), Some(58));
    setup.store.forget(&[last]).await.unwrap();
    let found = setup.announced(17).await;
    assert_eq!((found.event, found.cache), (Some(setup.receipt(57, 17)), Some(setup.receipt(58, 17))));
    setup.others(2_000).await;
    let missing = setup.announced(17).await;
    assert_eq!((missing.event, missing.among, missing.is_older), (None, Some(MOST), false));
    setup.decided -= Span::minutes(10);
    assert!(setup.announced(17).await.is_older, "decided before anything that is on record was announced");
}

#[tokio::test]
async fn announcements_are_pruned_by_age_slice_by_slice() {
    let mut setup = setup().await;
    let old = "INSERT INTO announcements
        SELECT now() - interval '40 days' + n * interval '1 second', '{}', '{}', '{}', '{}', '{}' FROM generate_series(1, 2500) n";
    sqlx::query(old).execute(&mut setup.stranger).await.unwrap();
    setup.others(10).await;
    let mut slices = 1;
    while setup.store.prune_announcements(RETENTION).await.unwrap() {
        slices += 1;
    }
    assert_eq!((slices, setup.count(ALL).await), (3, 10));
}

#[tokio::test]
async fn a_worker_prunes_what_is_older_than_the_verdicts_that_it_keeps() {
    let installation = Installation::new().await;
    let mut stranger = installation.stranger().await;
    let fill = "INSERT INTO announcements
        SELECT now() - days * interval '1 day', '{}', '{}', '{}', '{}', '{}' FROM unnest(ARRAY[29, 31]) AS t (days)";
    sqlx::query(fill).execute(&mut stranger).await.unwrap();
    let worker = installation.start().await;
    eventually("the old one is gone", PATIENCE, async || {
        let are_young = sqlx::query_scalar("SELECT at > now() - interval '30 days' FROM announcements");
        let are_young: Vec<bool> = are_young.fetch_all(&mut stranger).await.unwrap();
        if are_young == [true] { Ok(()) } else { Err(are_young) }
    })
    .await;
    worker.stop().await;
}
