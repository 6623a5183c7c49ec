//! `cache rebuild` and `cache verify`: a cache that was lost comes back, what is wrong is found by kind, and nothing newer is
//! ever overwritten.

use join_community::announce::audit::{Auditor, Walk};
use join_community::domain::SiteId;
use join_community::postgres::Audited;
use redis::AsyncCommands as _;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::cache_audit::auditor;
use crate::support::{Installation, JOINABLE, MemberSpec, PUBLIC, on_record};

const SEQUENCE: i64 = JOINABLE.sequence;

async fn cache(installation: &Installation, code: i32, arguments: &[&str]) -> Value {
    let said = installation.run(&[&["cache", "--output", "json"], arguments].concat()).await;
    assert_eq!(said.code, Some(code), "{said:?}");
    said.json()
}

async fn in_step(installation: &Installation, site: Uuid, member: Uuid) {
    let profile = installation.profile(site, member).await;
    assert_eq!(installation.cached(site, member).await, Some((SEQUENCE, Some(profile))));
    assert!(!installation.cache_ttl(site, member).await.is_zero());
}

#[tokio::test]
async fn a_cache_that_was_lost_is_rebuilt_to_what_the_records_say() {
    let installation = Installation::new().await;
    let (site, other) = (Uuid::new_v4(), Uuid::new_v4());
    let members = installation.members(site, PUBLIC, 70).await;
    let elsewhere = installation.member(other, PUBLIC).await;
    let private = installation.member(site, JOINABLE).await;
    let [blocked, junk] =
        [MemberSpec { status: "BLOCKED", ..PUBLIC }, JOINABLE].map(|spec| installation.member(site, spec));
    let (blocked, junk) = (blocked.await, junk.await);
    installation.cache_holds(site, blocked, SEQUENCE, &json!({ "id": blocked })).await;
    let key = format!("{}:{site}:{junk}", installation.config.cache.prefix);
    let () = installation.redis().set(&key, "junk").await.unwrap();

    let report = cache(&installation, 0, &["rebuild", "--site", &site.to_string(), "--why", "a site is lost"]).await;
    assert_eq!(report, json!({ "members": 73, "shown": 70, "hidden": 2, "done": true }));
    for member in &members {
        in_step(&installation, site, *member).await;
    }
    assert_eq!(installation.cached(site, private).await, None, "nobody needs a tombstone where there is nothing");
    for hidden in [blocked, junk] {
        assert_eq!(installation.cached(site, hidden).await, Some((SEQUENCE, None)));
    }
    assert_eq!(installation.cached(other, elsewhere).await, None, "another site");
    let report = cache(&installation, 0, &["rebuild", "--why", "it was lost"]).await;
    assert_eq!((&report["members"], &report["shown"]), (&json!(74), &json!(71)));
    let [_, _, _, [action, target, reason, outcome]] =
        on_record(&mut installation.stranger().await).await.try_into().unwrap();
    assert_eq!([action, target, reason], ["cache.rebuild", "all sites", "it was lost"]);
    assert!(outcome.starts_with("of 74 members 71 are shown"), "{outcome}");
    in_step(&installation, other, elsewhere).await;
}

#[tokio::test]
async fn a_rebuild_overwrites_nothing_that_is_newer_and_everything_that_is_older() {
    let installation = Installation::new().await;
    let site = Uuid::new_v4();
    let [newer, gone, older] = installation.members(site, PUBLIC, 3).await.try_into().unwrap();
    let private = installation.member(site, JOINABLE).await;
    installation.cache_holds(site, newer, SEQUENCE + 1, &json!({ "newer": true })).await;
    installation.cache_holds(site, private, SEQUENCE + 1, &json!({ "newer": true })).await;
    installation.cache_holds(site, older, SEQUENCE - 1, &json!({ "older": true })).await;
    let key = format!("{}:{site}:{gone}", installation.config.cache.prefix);
    let () = installation.redis().hset(&key, "sequence", SEQUENCE + 1).await.unwrap();
    cache(&installation, 0, &["rebuild", "--why", "a test"]).await;
    for member in [newer, private] {
        assert_eq!(installation.cached(site, member).await, Some((SEQUENCE + 1, Some(json!({ "newer": true })))));
    }
    assert_eq!(installation.cached(site, gone).await, Some((SEQUENCE + 1, None)));
    in_step(&installation, site, older).await;
}

#[tokio::test]
async fn verify_finds_each_kind_of_fault_and_repair_sets_all_right_but_the_record() {
    let installation = Installation::new().await;
    let site = Uuid::new_v4();
    let [right, missing, behind, different, ahead, owed] =
        installation.members(site, PUBLIC, 6).await.try_into().unwrap();
    let left_over = installation.member(site, JOINABLE).await;
    let deleted = installation.member(site, PUBLIC).await;
    let holds = async |member, sequence, entry: Value| installation.cache_holds(site, member, sequence, &entry).await;
    holds(right, SEQUENCE, installation.profile(site, right).await).await;
    for member in [behind, owed, deleted] {
        holds(member, SEQUENCE - 1, json!({ "nickname": "Jane" })).await;
    }
    for (member, sequence) in [(different, SEQUENCE), (left_over, SEQUENCE), (ahead, SEQUENCE + 5)] {
        holds(member, sequence, json!({ "nickname": "Jane" })).await;
    }
    installation.change(site, deleted, "DELETE FROM members WHERE site_id = $1 AND id = $2").await;
    installation.change(site, deleted, "DELETE FROM outbox WHERE site_id = $1 AND member_id = $2").await;
    let owe = "INSERT INTO outbox (site_id, member_id, event_sequence, event_due, cache_due, origin)
               VALUES ($1, $2, 16, false, true, 'external')";
    installation.change(site, owed, owe).await;

    let found = cache(&installation, 1, &["verify"]).await;
    let counts = json!({ "missing": 1, "behind": 1, "different": 1, "ahead": 1, "leftOver": 2 });
    assert_eq!((&found["members"], &found["owed"], &found["faults"]), (&json!(8), &json!(1), &counts));
    let mut examples: Vec<(String, String)> = found["examples"]
        .as_array()
        .unwrap()
        .iter()
        .map(|example| (example["fault"].as_str().unwrap().into(), example["memberId"].as_str().unwrap().into()))
        .collect();
    examples.sort();
    let named = [
        ("missing", missing),
        ("behind", behind),
        ("different", different),
        ("ahead", ahead),
        ("leftOver", left_over),
        ("leftOver", deleted),
    ];
    let mut expected = named.map(|(fault, member)| (fault.to_owned(), member.to_string()));
    expected.sort();
    assert_eq!(examples, expected);

    let repaired = cache(&installation, 1, &["verify", "--repair", "--why", "ticket 4711"]).await;
    assert_eq!((&repaired["faults"], &repaired["repaired"]), (&counts, &json!(5)));
    for member in [right, missing, behind, different] {
        in_step(&installation, site, member).await;
    }
    assert_eq!(installation.cached(site, left_over).await, Some((SEQUENCE, None)));
    assert_eq!(installation.cached(site, deleted).await, Some((SEQUENCE + 1, None)));
    let outcomes = ["ordered", "of 8 members 5 were set right, 1 are wrong still"];
    let expected = outcomes.map(|outcome| ["cache.repair", "all sites", "ticket 4711", outcome].map(str::to_owned));
    assert_eq!(on_record(&mut installation.stranger().await).await, expected, "a comparison alone is not on record");
    let left = cache(&installation, 1, &["verify"]).await;
    let counts = json!({ "missing": 0, "behind": 0, "different": 0, "ahead": 1, "leftOver": 0 });
    assert_eq!(left["faults"], counts, "only the record can be set right");
}

#[tokio::test]
async fn a_missing_entry_is_a_fault_unless_it_is_allowed() {
    let installation = Installation::new().await;
    let site = Uuid::new_v4();
    let member = installation.member(site, PUBLIC).await;
    installation.member(site, JOINABLE).await;
    assert_eq!(cache(&installation, 1, &["verify"]).await["faults"]["missing"], 1);
    let allowed = cache(&installation, 0, &["verify", "--allow-missing", "--repair", "--why", "a test"]).await;
    assert_eq!((&allowed["faults"]["missing"], &allowed["repaired"]), (&json!(1), &json!(0)));
    assert_eq!(installation.cached(site, member).await, None);
    cache(&installation, 0, &["verify", "--repair", "--why", "a test"]).await;
    assert_eq!(cache(&installation, 0, &["verify"]).await["faults"]["missing"], 0);
    in_step(&installation, site, member).await;
}

#[tokio::test]
async fn a_walk_that_is_stopped_and_one_that_goes_on_see_every_member_of_the_site_once() {
    let installation = Installation::new().await;
    let mut auditor = auditor(&installation);
    let site = Uuid::new_v4();
    let mut members = installation.members(site, PUBLIC, 200).await;
    members.sort();
    // Sites before and after.
    for _ in 0..5 {
        installation.members(Uuid::new_v4(), PUBLIC, 2).await;
    }
    let (mut seen, mut from, mut walks) = (Vec::new(), None, 0);
    loop {
        let mut walk = Walk::new(Some(SiteId(site)), from, None);
        let stop = CancellationToken::new();
        let work = async |_: &mut Auditor, records: Vec<Audited>| {
            seen.extend(records.iter().map(|record| record.member.id.0));
            stop.cancel();
            Ok(())
        };
        walk.run(&mut auditor, &stop, work).await.unwrap();
        walks += 1;
        from = walk.next();
        if from.is_none() {
            break;
        }
    }
    assert!(walks > 1);
    assert_eq!(seen, members);
}

#[tokio::test]
async fn a_place_of_another_site_is_refused() {
    let installation = Installation::new().await;
    let (site, other) = (Uuid::new_v4().to_string(), Uuid::new_v4());
    let said = installation.run(&["cache", "verify", "--site", &site, "--from", &format!("{other}/{other}")]).await;
    assert!(said.code == Some(1) && said.stderr.contains(&site), "{said:?}");
}
