//! What a worker logs of its work: a line for each batch, and at `debug` one for each request. That no line of the suite
//! tells a secret is held by `support/logs.rs`, for every worker.

use serde_json::Value;
use uuid::Uuid;

use crate::support::logs::lines_with;
use crate::support::{Installation, JOINABLE, MemberSpec, Message};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[tokio::test]
async fn each_settled_request_is_one_line_with_its_id_and_its_trace() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let (mut producer, site) = (installation.producer().await, Uuid::new_v4());
    let blocked = installation.member(site, MemberSpec { status: "BLOCKED", ..JOINABLE }).await;
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let request = Message::join(site, blocked).text_header("traceparent", &parent);
    let mut lines = lines_with(request.request_id());
    assert_eq!(producer.ask(&request).await.status, 428);
    worker.stop().await;

    let line: Value = serde_json::from_str(&lines.try_recv().expect("it is logged")).unwrap();
    let told = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
    assert_eq!((told("level"), told("message")), ("DEBUG".to_owned(), "settled".to_owned()), "{line}");
    assert_eq!((told("request.id"), told("trace.id")), (request.request_id().to_owned(), TRACE.to_owned()));
    assert_eq!((told("site.id"), told("verdict")), (site.to_string(), "rejected".to_owned()));
    assert_eq!(told("code"), "COMMUNITY_JOIN_IMPOSSIBLE");
    assert!(lines.try_recv().is_err(), "one line, not two");
}

#[tokio::test]
async fn each_batch_is_one_line_for_everybody() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let (mut producer, site) = (installation.producer().await, Uuid::new_v4());
    let member = installation.member(site, JOINABLE).await;
    let mut lines = lines_with(r#""message":"batch""#);
    assert_eq!(producer.ask(&Message::join(site, member)).await.status, 200);
    worker.stop().await;
    let line: Value = serde_json::from_str(&lines.try_recv().expect("it is logged")).unwrap();
    assert_eq!((&line["level"], line["requests"].as_u64() > Some(0)), (&"INFO".into(), true), "{line}");
    assert!(line["seconds"].as_f64().is_some_and(|seconds| seconds > 0.0), "{line}");
}
