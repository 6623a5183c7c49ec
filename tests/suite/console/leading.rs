//! Where pages lead outside of the console: to a trace, and to the lines of a request in the logs, as the configuration says.

use reqwest::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use crate::support::{Caller, Installation, JOINABLE, Message, ask_for_tokens};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[tokio::test]
async fn a_request_and_a_dead_letter_lead_to_their_trace_and_to_their_lines_in_the_logs() {
    let installation = Installation::with(|config| {
        ask_for_tokens(config);
        "https://traces.example/{trace}".clone_into(&mut config.http.trace_url);
        "https://logs.example/?q={request}".clone_into(&mut config.http.logs_url);
    })
    .await;
    let worker = installation.start().await;
    let (mut producer, site) = (installation.producer().await, Uuid::new_v4());
    let member = installation.member(site, JOINABLE).await;
    let parent = format!("00-{TRACE}-00f067aa0ba902b7-01");
    let [joined, malformed] =
        [Message::join(site, member), Message::bytes("no request")].map(|it| it.text_header("traceparent", &parent));
    for (message, status) in [(&joined, 200), (&malformed, 400)] {
        assert_eq!(producer.ask(message).await.status, status);
    }
    installation.until_holds("join-community.dead-letters", 1).await;
    let operator = Caller::of(&worker).bearing("operator");
    let read = operator.post("/api/v1/dead-letters/reading", &Value::Null).await.json();
    let letter = read["read"]["letters"][0]["id"].as_str().unwrap_or_else(|| panic!("{read}")).to_owned();
    for (page, message) in
        [(format!("/requests/{}", joined.request_id()), &joined), (format!("/dead-letters/{letter}"), &malformed)]
    {
        let shown = operator.get(&page).await;
        assert_eq!(shown.status, StatusCode::OK, "{shown:?}");
        let logs = format!("https://logs.example/?q={}", message.request_id());
        for link in [format!("https://traces.example/{TRACE}"), logs] {
            assert!(
                shown.text.contains(&format!("<a href=\"{link}\" rel=\"noreferrer\">")),
                "no {link} in {}",
                shown.text
            );
        }
        let policy = shown.header("content-security-policy");
        assert!(!policy.contains("example"), "nothing may be fetched from there: {policy}");
    }
    worker.stop().await;
}
