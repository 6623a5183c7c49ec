//! The console of a running worker, as scripts and browsers meet it.

mod access;
mod announced;
mod browser;
mod choosing;
mod foreign;
mod issuer;
mod leading;
mod letters;
mod member_letters;
mod opened;
mod records;
mod repairing;
mod restoring;
mod resuming;
mod sessions;
mod timeline;
mod verbs;

use join_community::auth::refusal;
use join_community::domain::Control;
use join_community::postgres::Terms;
use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Caller, Installation, JOINABLE, Message, PATIENCE, ask_for_tokens, eventually};

#[tokio::test]
async fn the_overview_tells_what_the_worker_does_and_stays_live() {
    let mut installation = Installation::with(ask_for_tokens).await;
    installation.config.broker.management_url = installation.vhost().management_url.clone().into();
    let worker = installation.start().await;
    let viewer = Caller::of(&worker).bearing("viewer");
    let overview = eventually("the overview knows the queues", PATIENCE, async || {
        let overview = viewer.get("/api/v1/overview").await.json();
        let known = overview["queues"][0]["unacknowledged"].is_u64();
        if overview["ready"] == true && known { Ok(overview) } else { Err(overview) }
    })
    .await;
    assert_eq!(overview["queues"][0]["queue"], "requests", "{overview}");
    assert_eq!(overview["lanes"]["wanted"], 2.0, "{overview}");
    assert_eq!(overview["dependencies"].as_array().unwrap().len(), 6, "{overview}");
    assert_eq!(
        (&overview["queues"][7]["queue"], overview["queues"].as_array().unwrap().len()),
        (&"discarded".into(), 8)
    );
    assert_eq!(overview["deadLetters"].as_array().unwrap().len(), 6, "{overview}");
    assert_eq!(overview["refusals"].as_array().unwrap().len(), refusal::ALL.len(), "{overview}");
    assert_eq!((&overview["issuer"], &overview["webhooks"]), (&Value::Null, &json!([])), "{overview}");
    assert_eq!(overview["cacheDrift"], json!({ "behind": 0.0, "wrong": 0.0, "ahead": 0.0 }), "{overview}");
    let (mut producer, site) = (installation.producer().await, Uuid::new_v4());
    let member = installation.member(site, JOINABLE).await;
    assert_eq!(producer.ask(&Message::join(site, member)).await.status, 200);
    assert_eq!(producer.ask(&Message::join(site, member).anonymous()).await.status, 401);
    assert_eq!(producer.ask(&Message::bytes("no request")).await.status, 400);
    let overview = eventually("the overview tells how long it took", PATIENCE, async || {
        let overview = viewer.get("/api/v1/overview").await.json();
        let told = ["joinToEvent", "eventConfirm", "copyConfirm"]
            .iter()
            .all(|what| overview["latencies"][what]["p99Seconds"].is_f64());
        if told { Ok(overview) } else { Err(overview) }
    })
    .await;
    assert_eq!(overview["latencies"]["queueWait"], Value::Null, "no time of a producer is told");
    for (what, one) in [("deadLetters", "malformed"), ("refusals", "NO_PROOF")] {
        assert!(overview[what].as_array().unwrap().contains(&json!({ "reason": one, "count": 1.0 })), "{overview}");
    }
    let page = viewer.get("/").await;
    assert_eq!(page.status, StatusCode::OK);
    for part in [
        "Requests are taken",
        "broker_consuming",
        "dead letters",
        "refused, NO_PROOF",
        "95 %",
        "<svg",
        "data-live=\"/live\"",
    ] {
        assert!(page.text.contains(part), "{part} is not in {}", page.text);
    }
    for live in ["/live", "/dead-letters/replay/live"] {
        assert_eq!(Caller::of(&worker).get(live).await.status, StatusCode::UNAUTHORIZED, "{live}");
    }
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut live = client.get(format!("http://{}/live", viewer.server())).bearer_auth("viewer").send().await.unwrap();
    assert_eq!(live.headers()["content-type"], "text/event-stream");
    let first = tokio::time::timeout(PATIENCE, live.chunk()).await.expect("an update comes").unwrap().unwrap();
    assert!(String::from_utf8_lossy(&first).contains("event: overview"), "{first:?}");
    // An open page keeps nobody from stopping.
    worker.stop().await;
}

#[tokio::test]
async fn where_nothing_is_decided_the_oldest_request_came_after_the_queue_was_empty_at_most() {
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    let viewer = Caller::of(&worker).bearing("viewer");
    let at_most = async |what: &str, is_it: fn(f64, f64) -> bool| {
        eventually(what, PATIENCE, async || {
            let overview = viewer.get("/api/v1/overview").await.json();
            let (waiting, at_most) = (&overview["queues"][0]["ready"], &overview["oldestRequestAtMostSeconds"]);
            match (waiting.as_f64(), at_most.as_f64()) {
                (Some(waiting), Some(seconds)) if is_it(waiting, seconds) => Ok(seconds),
                _ => Err(overview),
            }
        })
        .await
    };
    at_most("the queue is seen empty", |waiting, _| waiting == 0.0).await;
    installation.set(Control::PauseIntake, Terms::default()).await;
    installation.until_nobody_consumes().await;
    let (producer, site) = (installation.producer().await, Uuid::new_v4());
    let waiting = Message::join(site, installation.member(site, JOINABLE).await);
    producer.send(&waiting).await;
    let first = at_most("the request is seen", |waiting, _| waiting > 0.0).await;
    let page = viewer.get("/").await.text;
    assert!(page.contains("age of the oldest request</th><td>at most "), "{page}");
    // Nobody looks into the queue and finds it empty: the bound grows.
    let later = at_most("the request is seen again", |_, seconds| seconds > 15.0).await;
    assert!(later > first, "{later} after {first}");
    worker.stop().await;
}

#[tokio::test]
async fn every_answer_forbids_what_no_browser_is_to_do() {
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    for (path, token) in
        [("/", "viewer"), ("/login", ""), ("/api/v1/overview", ""), ("/nowhere", "viewer"), ("/livez", "")]
    {
        let answer = Caller::of(&worker).bearing(token).get(path).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("form-action 'self'"), "{path}: {policy}");
        for (header, value) in
            [("x-content-type-options", "nosniff"), ("referrer-policy", "no-referrer"), ("cache-control", "no-store")]
        {
            assert_eq!(answer.header(header), value, "{path}");
        }
    }
    for asset in ["console.css", "console.js", "icon.svg"] {
        let answer = Caller::of(&worker).get(&format!("/assets/{asset}")).await;
        assert_eq!(answer.status, StatusCode::OK);
        let of_elsewhere = answer.text.replace("http://www.w3.org/2000/svg", "");
        assert!(!of_elsewhere.contains("://") && !of_elsewhere.contains("@import"), "{asset} asks elsewhere");
    }
    worker.stop().await;
}

#[test]
fn the_document_of_the_api_is_what_stands_in_docs() {
    let served = join_community::console::document();
    let kept = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/openapi.json")).unwrap_or_default();
    if served != kept {
        let place = std::env::temp_dir().join("join-community-openapi.json");
        std::fs::write(&place, &served).unwrap();
        panic!("docs/openapi.json is not what the console serves; that lies in {}", place.display());
    }
}
