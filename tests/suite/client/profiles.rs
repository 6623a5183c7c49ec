//! `Profiles`: what the cache holds, and the caller's own way where it has none or does not serve.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use join_community::client::{Cached, MemberId, Missed, Profiles, ProfilesError, PublicMember, SiteId};
use redis::AsyncCommands as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use uuid::Uuid;

use super::{client, request};
use crate::support::{Installation, JOINABLE, PATIENCE, Proxy, Wire, eventually};

/// As they are spoken, and as they were released.
const VECTORS: [&str; 2] = [
    include_str!("../../../contract/v1/vectors/profiles.json"),
    include_str!("../../../contract/released/vectors/profiles.json"),
];

fn reader(installation: &Installation, url: &str) -> Profiles {
    Profiles::at(url).unwrap().prefix(&installation.config.cache.prefix).within(PATIENCE)
}

fn cache_url(installation: &Installation) -> SecretString {
    installation.config.cache.url.clone()
}

/// Why the caller was asked, if it was.
async fn missed(profiles: &Profiles, site: Uuid, member: Uuid) -> (Option<PublicMember>, Option<Missed>) {
    let mut why = None;
    let fallback = async |missed: Missed| {
        why = Some(missed);
        Ok::<_, Infallible>(None)
    };
    let Ok(found) = profiles.get_or(SiteId(site), MemberId(member), fallback).await;
    (found, why)
}

#[tokio::test]
async fn the_test_vectors_are_read_as_they_are_meant() {
    let installation = Installation::new().await;
    let profiles = reader(&installation, cache_url(&installation).expose_secret());
    let mut redis = installation.redis();
    let files = VECTORS.map(|text| serde_json::from_str::<Value>(text).unwrap());
    for vector in files.iter().flat_map(|file| file["vectors"].as_array().unwrap()) {
        let (site, member) = (Uuid::new_v4(), Uuid::new_v4());
        let fields: BTreeMap<String, String> = serde_json::from_value(vector["hash"].clone()).unwrap();
        let key = format!("{}:{site}:{member}", installation.config.cache.prefix);
        for (field, value) in &fields {
            let _: i64 = redis.hset(key.as_str(), field.as_str(), value.as_str()).await.unwrap();
        }
        if !fields.is_empty() {
            let _: bool = redis.pexpire(key.as_str(), 600_000).await.unwrap();
        }
        let expected: Option<PublicMember> = serde_json::from_value(vector["reads"].clone()).unwrap();
        let (found, why) = missed(&profiles, site, member).await;
        assert_eq!(found, expected, "{}", vector["name"]);
        match why {
            None => assert!(found.is_some()),
            Some(Missed::Tombstone) => assert!(fields.contains_key("sequence")),
            Some(Missed::Absent) => assert!(fields.is_empty()),
            Some(Missed::Unavailable(error)) => panic!("{}: {error:?}", vector["name"]),
        }
    }
}

#[tokio::test]
async fn who_has_joined_is_found_and_who_has_left_is_a_tombstone() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let client = client(&installation).await;
    let profiles = reader(&installation, cache_url(&installation).expose_secret());
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    assert_eq!(profiles.get(SiteId(site), MemberId(member)).await.unwrap(), Cached::Absent);

    let joined = client.join(&request(site, member)).await.unwrap();
    installation.cached_at(site, member, JOINABLE.sequence + 1).await;
    let Cached::Found(found) = profiles.get(SiteId(site), MemberId(member)).await.unwrap() else { panic!("not found") };
    assert_eq!((found.id, found.updated_date, &found.profile), (joined.id, joined.updated_date, &joined.profile));

    installation
        .change(site, member, "UPDATE members SET privacy_status = 'PRIVATE' WHERE site_id = $1 AND id = $2")
        .await;
    installation.cached_at(site, member, JOINABLE.sequence + 2).await;
    assert_eq!(profiles.get(SiteId(site), MemberId(member)).await.unwrap(), Cached::Tombstone);
    worker.stop().await;
}

#[tokio::test]
async fn junk_in_the_cache_sends_readers_to_the_record_and_harms_no_other_entry() {
    let installation = Installation::new().await;
    let profiles = reader(&installation, cache_url(&installation).expose_secret());
    let mut redis = installation.redis();
    let (site, junk, other) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
    let key = format!("{}:{site}:{junk}", installation.config.cache.prefix);
    let () = redis.pset_ex(key.as_str(), "junk", 600_000).await.unwrap();
    let (_, why) = missed(&profiles, site, junk).await;
    assert!(matches!(why, Some(Missed::Unavailable(ProfilesError::Redis(_)))), "{why:?}");

    installation.cache_holds(site, other, 1, &serde_json::json!({ "id": "jane@example.com" })).await;
    let (_, why) = missed(&profiles, site, other).await;
    assert!(matches!(why, Some(Missed::Unavailable(ProfilesError::Malformed(_)))), "{why:?}");
    assert!(!format!("{why:?}").contains("jane"), "{why:?}");
    let absent = profiles.get(SiteId(site), MemberId(Uuid::new_v4())).await.unwrap();
    assert_eq!(absent, Cached::Absent);
}

#[tokio::test]
async fn a_cache_that_is_away_or_hangs_is_said_to_be_and_read_again_when_it_is_back() {
    let installation = Installation::new().await;
    let mut url = cache_url(&installation);
    let wire = Proxy::before(&mut url);
    let limit = Duration::from_millis(500);
    let profiles = reader(&installation, url.expose_secret()).within(limit);
    let (site, member) = (Uuid::new_v4(), Uuid::new_v4());
    for fault in [Wire::Cut, Wire::Hung] {
        eventually("the cache serves", PATIENCE, async || profiles.get(SiteId(site), MemberId(member)).await).await;
        wire.set(fault);
        let began = Instant::now();
        let (_, why) = missed(&profiles, site, member).await;
        assert!(matches!(why, Some(Missed::Unavailable(_))), "{fault:?}: {why:?}");
        // A limit, and the time that a busy machine takes to notice.
        assert!(began.elapsed() < limit + PATIENCE / 2, "{fault:?}: {:?}", began.elapsed());
        // A try to connect that fails shuts the door, and then nobody waits.
        let shut = async || match profiles.get(SiteId(site), MemberId(member)).await {
            Err(ProfilesError::Shut) => Ok(()),
            other => Err(other),
        };
        eventually("readers do not wait before a door that is shut", PATIENCE, shut).await;
        wire.set(Wire::Whole);
    }
    eventually("the cache serves", PATIENCE, async || profiles.get(SiteId(site), MemberId(member)).await).await;
}

#[tokio::test]
async fn a_connection_is_made_though_no_reader_waits_long_enough() {
    let installation = Installation::new().await;
    let hasty = reader(&installation, cache_url(&installation).expose_secret()).within(Duration::ZERO);
    let (site, member) = (SiteId(Uuid::new_v4()), MemberId(Uuid::new_v4()));
    drop(hasty.get(site, member).await);
    // A try that ended with its reader would count as failed, and the door as shut.
    assert_eq!(hasty.within(PATIENCE).get(site, member).await.unwrap(), Cached::Absent);
}

#[tokio::test]
async fn many_readers_share_a_connection() {
    let installation = Installation::new().await;
    let profiles = reader(&installation, cache_url(&installation).expose_secret());
    let site = Uuid::new_v4();
    let reads = (0..200).map(|_| profiles.get(SiteId(site), MemberId(Uuid::new_v4())));
    for read in futures_util::future::join_all(reads).await {
        assert_eq!(read.unwrap(), Cached::Absent);
    }
}

#[tokio::test]
async fn a_fallback_that_fails_is_the_callers_own_failure() {
    let installation = Installation::new().await;
    let profiles = reader(&installation, cache_url(&installation).expose_secret());
    let (site, member) = (SiteId(Uuid::new_v4()), MemberId(Uuid::new_v4()));
    let failed = profiles.get_or(site, member, async |missed| Err(missed)).await;
    assert!(matches!(failed, Err(Missed::Absent)), "{failed:?}");
}
