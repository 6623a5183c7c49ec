//! Sessions that a login at an issuer began: ended at both ends, and begun anew when they are over. Separate from the
//! logins, which end where these begin.

use std::time::Duration;

use axum::http::StatusCode;
use join_community::auth::reason;
use reqwest::Url;
use serde_json::{Value, json};

use super::issuer::{session, trusting_as};
use crate::support::{Caller, OpenId, Page, Worker};

/// A browser of somebody who has logged in at the issuer.
async fn entered(issuer: &OpenId, worker: &Worker) -> Caller {
    let nobody = Caller::of(worker);
    let arrived = issuer.returning(&nobody, "/").await.arrive().await;
    nobody.with("cookie", session(&arrived).unwrap_or_else(|| panic!("{arrived:?}")))
}

/// Where a page leads by itself, after the session has ended.
fn leads_on(page: &Page) -> String {
    assert_eq!(page.status, StatusCode::OK, "{page:?}");
    assert!(page.header("set-cookie").starts_with("join-community-console=; "), "{page:?}");
    page.header("refresh").strip_prefix("0; url=").unwrap_or_else(|| panic!("{page:?}")).to_owned()
}

/// What an address says by a name.
fn told(address: &str, name: &str) -> Option<String> {
    let url: Url = address.parse().unwrap();
    url.query_pairs().find(|(given, _)| given == name).map(|(_, value)| value.into_owned())
}

#[tokio::test]
async fn whoever_logged_in_at_the_issuer_is_logged_out_there_as_well_and_comes_back() {
    let issuer = OpenId::start().await;
    let (_installation, worker) = trusting_as(&issuer, |_| {}).await;
    let browser = entered(&issuer, &worker).await;
    let led_here = browser.with("sec-fetch-site", "cross-site").submit("/logout", "").await;
    assert_eq!((led_here.status, led_here.header("set-cookie")), (StatusCode::FORBIDDEN, ""), "{led_here:?}");
    assert_eq!(browser.get("/").await.status, StatusCode::OK, "another site ends no session");

    let ended = browser.submit("/logout", "").await;
    let at = leads_on(&ended);
    assert!(ended.header("content-security-policy").contains("form-action 'self';"), "{ended:?}");
    assert_eq!(browser.get("/").await.header("location"), "/login", "the session here is over");
    assert_eq!(browser.submit("/logout", "").await.header("location"), "/login", "and is ended once");

    // What the address holds is in many places from now on, and opens no door here.
    let token = told(&at, "id_token_hint").unwrap();
    let script = Caller::of(&worker).bearing(&token).get("/api/v1/overview").await;
    assert_eq!(script.status, StatusCode::UNAUTHORIZED, "{script:?}");
    assert!(script.text.contains(reason::meaning(reason::TOKEN_NONCE)), "{script:?}");

    let (status, back) = issuer.visit(&at).await;
    assert_eq!((status, issuer.left()), (StatusCode::SEE_OTHER, 1), "{back}");
    assert_eq!(back.parse::<Url>().unwrap().path(), "/login");
    worker.stop().await;
}

#[tokio::test]
async fn where_the_issuer_has_no_place_that_is_fit_to_log_out_at_the_session_here_ends_alone() {
    let issuer = OpenId::start().await;
    for place in [Value::Null, json!("http://issuer.example/logout"), json!("javascript:alert(1)"), json!("/logout")] {
        issuer.tell(json!({ "end_session_endpoint": place }));
        let (_installation, worker) = trusting_as(&issuer, |_| {}).await;
        let browser = entered(&issuer, &worker).await;
        let ended = browser.submit("/logout", "").await;
        assert_eq!((ended.status, ended.header("location")), (StatusCode::SEE_OTHER, "/login"), "{place}: {ended:?}");
        assert_eq!(ended.header("refresh"), "", "{place}");
        assert_eq!(browser.get("/").await.status, StatusCode::SEE_OTHER, "{place}");
        worker.stop().await;
    }
    assert_eq!(issuer.left(), 0);
}

#[tokio::test]
async fn a_token_that_no_address_holds_stays_here_and_the_issuer_asks() {
    let issuer = OpenId::start().await;
    let (_installation, worker) = trusting_as(&issuer, |_| {}).await;
    issuer.bend(json!({ "groups": "g".repeat(4096) }));
    let at = leads_on(&entered(&issuer, &worker).await.submit("/logout", "").await);
    assert_eq!(told(&at, "id_token_hint"), None);
    let (status, says) = issuer.visit(&at).await;
    assert_eq!((status, says.as_str(), issuer.left()), (StatusCode::OK, "Do you want to log out?", 0));
    worker.stop().await;
}

#[tokio::test]
async fn a_session_that_is_over_leads_to_the_issuer_again_and_a_role_that_is_taken_away_is_gone() {
    let issuer = OpenId::start().await;
    // Over as soon as it begins.
    let (_installation, worker) = trusting_as(&issuer, |config| config.http.oidc_session = Duration::ZERO).await;
    let browser = entered(&issuer, &worker).await;
    let script = browser.get("/api/v1/overview").await;
    assert_eq!((script.status, &script.json()["error"]), (StatusCode::UNAUTHORIZED, &json!("unauthenticated")));
    // A form leads to no other site, and what a page only fetches begins no login.
    assert_eq!(browser.submit("/dead-letters/reading", "").await.header("location"), "/login");
    assert_eq!(browser.with("sec-fetch-dest", "empty").get("/").await.header("location"), "/login");
    let led = browser.get("/requests?status=a%26b").await;
    assert_eq!(
        (led.status, led.header("location")),
        (StatusCode::SEE_OTHER, "/login/oidc?to=%2Frequests%3Fstatus%3Da%2526b")
    );
    let arrived = issuer.returning_by(&browser, led.header("location")).await.arrive().await;
    assert_eq!(arrived.header("refresh"), "0; url=/requests?status=a%26b", "{arrived:?}");
    // One page at a time goes there: the others find the form.
    assert_eq!(browser.get("/").await.header("location"), "/login");

    let anew = Caller::of(&worker).with("cookie", session(&arrived).unwrap());
    issuer.bend(json!({ "realm": { "roles": ["of-another-service"] } }));
    let refused = issuer.returning_by(&anew, anew.get("/").await.header("location")).await.arrive().await;
    assert_eq!((refused.status, session(&refused)), (StatusCode::FORBIDDEN, None), "{refused:?}");
    assert!(refused.text.contains("has no role here"), "{}", refused.text);
    assert_eq!(anew.get("/").await.header("location"), "/login", "nobody is led in a circle");
    worker.stop().await;
}

#[tokio::test]
async fn a_session_that_is_over_can_still_be_ended_at_the_issuer_and_one_by_token_is_nobody_elses() {
    let issuer = OpenId::start().await;
    let (_installation, worker) = trusting_as(&issuer, |config| config.http.oidc_session = Duration::ZERO).await;
    let at = leads_on(&entered(&issuer, &worker).await.submit("/logout", "").await);
    assert_eq!(issuer.visit(&at).await.0, StatusCode::SEE_OTHER);

    let nobody = Caller::of(&worker);
    let ana = nobody.with("cookie", session(&nobody.submit("/login", "token=ana's").await).unwrap());
    assert_eq!(ana.get("/").await.status, StatusCode::OK, "her token does not rest on the issuer");
    assert_eq!(ana.submit("/logout", "").await.header("location"), "/login");
    assert_eq!(issuer.left(), 1);
    worker.stop().await;
}
