//! What a receiver does not take, however often it is tried: it becomes a dead letter, which says why.

use std::time::Duration;

use super::receiver::{Answer, Receiver};
use super::{REFUSED, one_joins, outcome, tell};
use crate::support::{Caller, Installation, PATIENCE, eventually};

#[tokio::test]
async fn what_nobody_takes_becomes_a_dead_letter_that_names_target_and_reason() {
    let mut crm = Receiver::start(REFUSED).await;
    let installation = Installation::with(|config| {
        tell(config, &[("crm", &crm)], &[20, 40]);
        "127.0.0.1:0".clone_into(&mut config.http.listen);
    })
    .await;
    let worker = installation.start().await;
    let (site, member) = one_joins(&installation).await;

    let letter = installation.messages("join-community.webhooks.dead-letters.crm", 1).await.remove(0);
    assert_eq!(letter.header("x-join-community-target"), "crm");
    assert_eq!(letter.header("x-join-community-reason"), "exhausted");
    assert!(letter.header("x-join-community-error").contains("503"), "{}", letter.headers);
    assert_eq!(letter.headers["x-join-community-attempts"], 3);
    assert_eq!(letter.header("siteId"), site.to_string());
    assert_eq!(letter.header("memberId"), member.to_string());
    let first = crm.next().await;
    assert_eq!(letter.message_id(), first.event()["id"].as_str());
    let mut tries = vec![first];
    while tries.iter().filter(|posted| posted.body.as_bytes() == letter.body).count() < 3 {
        tries.push(crm.next().await);
    }
    for (series, least) in [
        ("join_community_webhook_deliveries_total{target=\"crm\",outcome=\"dead\"}", 1),
        ("join_community_webhook_seconds_count{target=\"crm\"}", 3),
        ("join_community_queue_messages{queue=\"webhook_dead_letters\"}", 1),
    ] {
        worker.until_counts(series, least).await;
    }
    let overview = eventually("the overview tells of it", PATIENCE, async || {
        let overview = Caller::of(&worker).get("/api/v1/overview").await.json();
        let dead = overview["webhooks"][0]["dead"].as_f64().unwrap_or_default();
        if dead > 0.0 { Ok(overview) } else { Err(overview) }
    })
    .await;
    let target = &overview["webhooks"][0];
    assert_eq!((&target["target"], &target["takes"]), (&"crm".into(), &false.into()), "{overview}");
    assert_eq!(overview["queues"][9]["queue"], "webhook_dead_letters", "{overview}");
    worker.stop().await;
}

#[tokio::test]
async fn who_does_not_answer_in_time_has_not_taken_it() {
    let mut crm = Receiver::start(Answer::Never).await;
    let installation = Installation::with(|config| {
        tell(config, &[("crm", &crm)], &[20]);
        config.webhooks.timeout = Duration::from_secs(1);
    })
    .await;
    let worker = installation.start().await;
    let (_, member) = one_joins(&installation).await;

    let letter = installation.messages("join-community.webhooks.dead-letters.crm", 1).await.remove(0);
    assert_eq!(letter.header("x-join-community-reason"), "exhausted");
    assert_eq!(letter.header("x-join-community-error"), "no answer within 1s");
    assert_eq!(letter.headers["x-join-community-attempts"], 2);
    assert!(outcome(&worker, "crm", "failed") >= 2);
    assert_eq!(outcome(&worker, "crm", "delivered"), 0, "an answer that came too late counts");
    assert_eq!(crm.next().await.event()["entityId"], member.to_string());
    worker.stop().await;
}

#[tokio::test]
async fn a_receiver_whose_certificate_nobody_vouches_for_is_told_nothing_and_named_with_the_reason() {
    let mut crm = Receiver::by_tls();
    let installation = Installation::with(|config| tell(config, &[("crm", &crm)], &[20, 40])).await;
    let worker = installation.start().await;
    one_joins(&installation).await;

    let letter = installation.messages("join-community.webhooks.dead-letters.crm", 1).await.remove(0);
    assert_eq!(letter.header("x-join-community-target"), "crm");
    assert_eq!(letter.header("x-join-community-reason"), "exhausted");
    assert!(letter.header("x-join-community-error").contains("UnknownIssuer"), "{}", letter.headers);
    assert_eq!(letter.headers["x-join-community-attempts"], 3, "it was tried again, as after any failure");
    assert!(outcome(&worker, "crm", "failed") >= 3);
    assert_eq!(crm.forget(), 0, "posted to somebody who proved nothing");
    worker.stop().await;
}
