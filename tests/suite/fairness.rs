//! Sites beside each other in one queue: a backlog of one makes way for the single request of another, and nothing of it is
//! lost, twice, or another than it was.

#[cfg(feature = "fail-points")]
mod dying;

use std::collections::{HashMap, HashSet};

use join_community::config::Config;
use join_community::domain::IdentityType;
use lapin::types::AMQPValue;
use serde_json::json;
use sqlx::Connection as _;
use uuid::Uuid;

use crate::support::{Crowd, Events, Installation, Issuer, JOINABLE, Message};

/// The queue of requests that made way.
const DEFERRED: &str = "join-community.deferred";
const ARRIVED: &str = "2026-01-02T03:04:05.678Z";

/// One lane, small batches, no patience: a backlog of hundreds is a crowd.
fn impatient(config: &mut Config) {
    config.join.steered = false;
    config.join.lanes = 1;
    config.join.batch_max = 16;
    config.join.prefetch = 16;
    config.fairness.patience = std::time::Duration::from_millis(1);
}

async fn made_way(installation: &Installation) -> Events {
    installation.listen("join-community.internal", "deferred").await
}

impl Installation {
    /// How many of a crowd were decided before this request of another site.
    async fn decided_before(&self, crowd: &Crowd, site: Uuid, request: &Message) -> i64 {
        let mut records = self.stranger().await;
        let earlier = "SELECT count(*) FROM join_requests WHERE site_id = $1 AND decided_at <
            (SELECT decided_at FROM join_requests WHERE site_id = $2 AND request_id = $3)";
        let earlier = sqlx::query_scalar(earlier).bind(crowd.site).bind(site).bind(request.request_id());
        let earlier = earlier.fetch_one(&mut records).await.unwrap();
        records.close().await.unwrap();
        earlier
    }
}

#[tokio::test]
async fn a_single_request_behind_a_site_s_backlog_is_decided_before_most_of_it() {
    const BACKLOG: u32 = 1_200;
    let installation = Installation::with(impatient).await;
    let mut producer = installation.producer().await;
    let site = Uuid::new_v4();
    let single = Message::join(site, installation.member(site, JOINABLE).await);
    let crowd = installation.crowd_at_the_door(&producer, BACKLOG as usize).await;
    producer.send(&single).await;
    let mut copies = made_way(&installation).await;

    let worker = installation.start().await;
    assert_eq!(producer.answer_to(&single).await.status, 200);
    installation.all_recorded_once(&crowd).await;
    let before = installation.decided_before(&crowd, site, &single).await;
    assert!(before < i64::from(BACKLOG) / 2, "{before} of {BACKLOG} were decided before it");

    let copies = copies.all_so_far().await;
    let ids: HashSet<_> = copies.iter().map(|copy| copy.message_id().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), copies.len(), "some made way twice");
    assert_eq!(worker.counted("join_community_deferred_total"), copies.len() as u64);
    assert!(copies.len() > BACKLOG as usize / 2, "only {} made way", copies.len());
    worker.stop().await;
    assert_eq!(installation.depth(DEFERRED).await, 0);
}

#[tokio::test]
async fn a_site_that_is_alone_makes_nobody_way() {
    let installation = Installation::with(impatient).await;
    let producer = installation.producer().await;
    let crowd = installation.crowd_at_the_door(&producer, 600).await;
    let worker = installation.start().await;
    installation.all_recorded_once(&crowd).await;
    assert_eq!(worker.counted("join_community_deferred_total"), 0);
    worker.stop().await;
}

#[tokio::test]
async fn nobody_makes_way_where_a_share_is_all() {
    let installation = Installation::with(|config| {
        impatient(config);
        config.fairness.share = 1.0;
    })
    .await;
    let producer = installation.producer().await;
    installation.member(Uuid::new_v4(), JOINABLE).await;
    let crowd = installation.crowd_at_the_door(&producer, 600).await;
    let worker = installation.start().await;
    installation.all_recorded_once(&crowd).await;
    assert_eq!(worker.counted("join_community_deferred_total"), 0);
    worker.stop().await;
}

/// What a copy must hold.
struct Expected {
    requester: String,
    caller: String,
    permission: Option<bool>,
    attempts: i64,
    arrived: Option<&'static str>,
}

#[tokio::test]
async fn whoever_makes_way_keeps_proof_attempts_arrival_and_where_the_reply_goes() {
    const EACH: usize = 200;
    let issuer = Issuer::new();
    let installation = Installation::with(|config| {
        impatient(config);
        issuer.trusted_by(config);
    })
    .await;
    let (mut producer, mut worker_user) = (installation.producer().await, installation.producer_as_worker().await);
    installation.member(Uuid::new_v4(), JOINABLE).await;
    let (site, mut expected) = (Uuid::new_v4(), HashMap::new());
    let members = installation.members(site, JOINABLE, 3 * EACH).await;
    let (mut vouched, mut own) = (Vec::new(), Vec::new());
    for three in members.chunks(3) {
        let plain = Message::join(site, three[0]).correlation_id(&format!("correlation of {}", three[0]));
        let by_token = issuer.token(&issuer.claims(site, IdentityType::Member, three[1]));
        let by_token = Message::json(&json!({ "siteId": site })).token(&by_token);
        let from_the_ladder = copy_of_its_own(site, three[2]);
        let caller = |member: Uuid| format!("MEMBER:{member}");
        let gateway = || "producer:member-gateway".to_owned();
        let token = format!("token:https://issuer.test:{}", caller(three[1]));
        for (request, requester, caller, permission, attempts, arrived) in [
            (&plain, gateway(), caller(three[0]), None, 0, None),
            (&by_token, token, caller(three[1]), Some(false), 0, None),
            (&from_the_ladder, gateway(), caller(three[2]), None, 2, Some(ARRIVED)),
        ] {
            let what = Expected { requester, caller, permission, attempts, arrived };
            expected.insert(request.request_id().to_owned(), what);
        }
        vouched.extend([plain, by_token]);
        own.push(from_the_ladder);
    }
    // In turns, so that each kind is in what makes way.
    for (vouched, own) in vouched.chunks(20).zip(own.chunks(10)) {
        producer.send_all(vouched).await;
        worker_user.send_all(own).await;
    }
    let mut copies = made_way(&installation).await;
    let worker = installation.start().await;
    for request in &vouched {
        assert_eq!(producer.answer_to(request).await.status, 200, "of a reply that went where it was asked to");
    }
    assert_eq!(worker_user.answers(EACH).await.len(), EACH);
    for verdict in installation.requests(site).await {
        let Expected { requester, caller, .. } = &expected[&verdict.request_id];
        assert_eq!((&verdict.requester, &verdict.caller, verdict.verdict.as_str()), (requester, caller, "joined"));
    }

    let mut kinds = HashSet::new();
    for copy in copies.all_so_far().await {
        let what = &expected[copy.message_id().unwrap()];
        assert_eq!(copy.header("x-join-community-requester"), what.requester);
        assert_eq!(copy.header("x-join-community-caller"), what.caller);
        assert_eq!(copy.headers["x-join-community-permission"].as_bool(), what.permission);
        assert_eq!(copy.headers["x-join-community-attempts"], what.attempts);
        assert_eq!(copy.headers["x-join-community-attempts-busy"], what.attempts);
        assert!(copy.headers["authorization"].is_null());
        assert!(what.arrived.is_none_or(|arrived| copy.header("x-join-community-arrived") == arrived));
        kinds.insert((what.permission, what.attempts));
    }
    assert_eq!(kinds.len(), 3, "not every kind made way");
    worker.stop().await;
    assert_eq!(installation.requests(site).await.len(), 3 * EACH);
}

/// A copy of the worker's own, as it comes from the ladder for the second time.
fn copy_of_its_own(site: Uuid, member: Uuid) -> Message {
    Message::join(site, member)
        .text_header("x-join-community-requester", "producer:member-gateway")
        .text_header("x-join-community-caller", &format!("MEMBER:{member}"))
        .text_header("x-join-community-arrived", ARRIVED)
        .header("x-join-community-attempts", AMQPValue::LongLongInt(2))
        .header("x-join-community-attempts-busy", AMQPValue::LongLongInt(2))
}
