//! Requests that come from elsewhere are refused, and stand on record as often as the limit of tries allows.

use reqwest::StatusCode;

use super::access::recorded;
use crate::support::{Caller, Installation, ask_for_tokens};

/// Rows of somebody whom nobody knows.
fn rows<const N: usize>(rows: [[&str; 3]; N]) -> Vec<[String; 5]> {
    rows.map(|[action, target, outcome]| ["nobody", "none", action, target, outcome].map(str::to_owned)).into()
}

#[tokio::test]
async fn what_comes_by_a_foreign_name_or_from_another_site_is_on_record_with_what_it_names_and_nothing_else() {
    let installation = Installation::with(|config| config.http.listen = "127.0.0.1:0".to_owned()).await;
    let worker = installation.start().await;
    let caller = Caller::of(&worker);
    for (host, path) in
        [("evil.example:8080", "/api/v1/overview"), ("jane@example.com", "/"), ("evil.example", "/metrics")]
    {
        let rebound = caller.with("host", host).get(path).await;
        assert_eq!(rebound.status, StatusCode::MISDIRECTED_REQUEST, "{host} {path}");
    }
    let led_here = caller.with("sec-fetch-site", "cross-site");
    let from_there = led_here.with("origin", "https://evil.example");
    for (browser, path) in [(&led_here, "/dead-letters/reading"), (&from_there, "/try-now"), (&from_there, "/login")] {
        assert_eq!(browser.submit(path, "token=viewer").await.status, StatusCode::FORBIDDEN, "{path}");
    }
    let sandboxed = caller.with("origin", "null").submit("/logout", "").await;
    assert_eq!(sandboxed.status, StatusCode::FORBIDDEN);
    // Who is only led here by a link is asked for what everybody is, and who comes by a name of ours is nobody's business.
    assert_eq!(led_here.get("/").await.status, StatusCode::OK);
    assert_eq!(caller.with("host", "localhost:1").get("/").await.status, StatusCode::OK);
    let expected = rows([
        ["GET", "/api/v1/overview", "refused: host evil.example:8080"],
        ["GET", "/", "refused: host (no name)"],
        ["GET", "/metrics", "refused: host evil.example"],
        ["POST", "/dead-letters/reading", "refused: cross site"],
        ["POST", "/try-now", "refused: cross site, from https://evil.example"],
        ["login", "", "refused: cross site, from https://evil.example"],
        ["logout", "", "refused: cross site, from null"],
    ]);
    assert_eq!(recorded(&installation).await, expected);
    worker.stop().await;
}

#[tokio::test]
async fn another_site_fills_no_record_and_keeps_nobody_out() {
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    let led_here = Caller::of(&worker).with("origin", "http://evil.example");
    for _ in 0..15 {
        assert_eq!(led_here.submit("/drain", "reason=x").await.status, StatusCode::FORBIDDEN);
    }
    let row = rows([["POST", "/drain", "refused: cross site, from http://evil.example"]]);
    let recorded = recorded(&installation).await;
    // One more is kept every six seconds, and so many take no half minute.
    assert!((10..15).contains(&recorded.len()), "{recorded:?}");
    assert!(recorded.iter().all(|kept| *kept == row[0]), "{recorded:?}");
    assert_eq!(Caller::of(&worker).bearing("viewer").get("/api/v1/overview").await.status, StatusCode::OK);
    worker.stop().await;
}
