//! What a worker logs of its work: a line for each batch, and at `debug` one for each request. That no line of the suite
//! tells a secret is held by `support/logs.rs`, for every worker.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::logs::lines_with;
use crate::support::{
    Caller, Installation, JOINABLE, MemberSpec, Message, PATIENCE, ask_for_tokens, eventually, on_record,
};

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
async fn what_proves_nothing_or_is_no_request_is_found_by_its_id_and_its_trace() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let mut producer = installation.producer().await;
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let unproven = Message::join(Uuid::new_v4(), Uuid::new_v4()).anonymous();
    let [unproven, malformed] =
        [unproven, Message::bytes("no request")].map(|message| message.text_header("traceparent", &parent));
    for (message, status, said) in [(&unproven, 401, "a request proves nothing"), (&malformed, 400, "dead letter")] {
        let mut lines = lines_with(message.request_id());
        assert_eq!(producer.ask(message).await.status, status);
        let told = eventually(said, PATIENCE, async || {
            let line: Option<Value> = lines.try_recv().ok().map(|line| serde_json::from_str(&line).unwrap());
            line.filter(|line| line["message"] == said).ok_or(())
        })
        .await;
        assert_eq!((&told["request.id"], &told["trace.id"]), (&message.request_id().into(), &TRACE.into()), "{told}");
    }
    // What is no id, and no trace, is not logged as one.
    let strange = Message::bytes("no request either").id("an id of two\nlines").text_header("traceparent", "jaeger:1");
    let mut lines = lines_with(r#""message":"dead letter""#);
    assert_eq!(producer.ask(&strange).await.status, 400);
    worker.stop().await;
    while let Ok(line) = lines.try_recv() {
        assert!(!line.contains("an id of two") && !line.contains("jaeger"), "{line}");
    }
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

#[tokio::test]
async fn what_an_operator_does_is_one_line_as_it_stands_on_record() {
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    let operator = Caller::of(&worker).bearing("operator");
    let why = format!("ticket {}", Uuid::new_v4());
    let mut lines = lines_with(why.as_str());
    let order = json!({ "control": "pause cache", "reason": why });
    for path in ["/api/v1/controls", "/api/v1/controls/release", "/api/v1/controls/release"] {
        operator.post(path, &order).await;
    }
    operator.post("/api/v1/dead-letters/replay/stop", &json!({ "reason": why })).await;
    worker.stop().await;
    let mut told = Vec::new();
    while let Ok(line) = lines.try_recv() {
        let line: Value = serde_json::from_str(&line).unwrap();
        if line["message"] == "an operator acted" {
            assert_eq!((&line["who"], &line["role"]), (&"operator".into(), &"operator".into()), "{line}");
            let text = |name: &str| line[name].as_str().unwrap().to_owned();
            told.push(["action", "acted_on", "reason", "outcome"].map(text));
        }
    }
    let outcomes: Vec<&str> = told.iter().map(|[.., outcome]| outcome.as_str()).collect();
    assert_eq!(outcomes, ["set", "released", "it was not set", "nothing goes on"]);
    assert_eq!(on_record(&mut installation.stranger().await).await, told);
}

#[tokio::test]
async fn a_call_that_the_console_refuses_is_one_line_with_what_was_called_and_from_where() {
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    let id = Uuid::new_v4().to_string();
    let mut lines = lines_with(id.as_str());
    let (nobody, viewer) = (Caller::of(&worker), Caller::of(&worker).bearing("viewer"));
    // An address in a path is written so.
    nobody.get(&format!("/api/v1/members/{id}/jane%40example.com/timeline?since={id}")).await;
    viewer.post(&format!("/api/v1/dead-letters/{id}/unmask"), &json!({ "reason": "why" })).await;
    nobody.with("origin", "http://evil.example").submit(&format!("/dead-letters/{id}/edit"), "").await;
    worker.stop().await;
    let mut told = Vec::new();
    while let Ok(line) = lines.try_recv() {
        let line: Value = serde_json::from_str(&line).unwrap();
        if line["message"] == "the console refused a request" {
            assert_eq!(line["from"], "127.0.0.1", "{line}");
            let text = |name: &str| line[name].as_str().unwrap().to_owned();
            told.push((line["status"].as_u64(), ["method", "path"].map(text)));
        }
    }
    let expected = [
        (401_u64, "GET", format!("/api/v1/members/{id}/(masked)/timeline")),
        (403, "POST", format!("/api/v1/dead-letters/{id}/unmask")),
        (403, "POST", format!("/dead-letters/{id}/edit")),
    ];
    assert_eq!(told, expected.map(|(status, method, path)| (Some(status), [method.to_owned(), path])));
}
