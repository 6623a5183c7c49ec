//! Requests that prove nothing: which reason it is, and how single ones are found.

use serde_json::Value;
use uuid::Uuid;

use super::steps::{PAGE, Steps};
use super::{listening, place};
use crate::support::logs::lines_with;
use crate::support::{Installation, Message};

#[tokio::test]
async fn requests_are_refused() {
    let installation = Installation::with(listening).await;
    let (mut producer, worker) = (installation.producer().await, installation.start().await);
    let unproven = Message::join(Uuid::new_v4(), Uuid::new_v4()).anonymous();
    let mut lines = lines_with(unproven.request_id());
    assert_eq!(producer.ask(&unproven).await.status, 401);
    let mut steps = Steps::of("Requests are refused (401)", &installation).with("WORKER", place(&worker));
    let said = steps.next().await;
    said.tells(&["a second", r#"join_community_refused_total{reason="NO_PROOF"} 1"#]);
    assert!(!said.stdout.contains("TOKEN_"), "{said:#?}");
    steps.done();
    worker.stop().await;
    // What the filter that the section names lets through.
    let lines = std::iter::from_fn(|| lines.try_recv().ok());
    let mut lines = lines.map(|line| serde_json::from_str::<Value>(&line).unwrap());
    let line = lines.find(|line| line["message"] == "a request proves nothing").expect("it is logged");
    let filter = format!("`log.filter = \"info,{}=debug\"`", line["target"].as_str().unwrap());
    assert!(PAGE.contains(&filter) && line["reason"] == "NO_PROOF", "{line}");
}
