//! Who comes in, and who does not: logins by token and at an issuer, pages that say no, and the way through the pages by keys.

use std::time::Duration;

use serde_json::json;

use super::{Click, Desk, server};
use crate::console::issuer::session;
use crate::support::driven::{ENTER, TAB};
use crate::support::{Caller, Installation, OpenId, PATIENCE, Page, ask_for_tokens, eventually};

const LOG_IN: Click = ("POST /login", "Log in");
const LOG_OUT: Click = ("POST /logout", "Log out");
pub(super) const CLICKS: &[Click] = &[LOG_IN, LOG_OUT];

#[tokio::test]
async fn a_login_is_refused_or_granted_and_pages_that_say_no_have_every_look() {
    let driver = driver_or_skip!();
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    let mut desk = Desk::at(&driver, &server(&worker)).await;
    desk.open("/controls").await;
    desk.arrives("Log in").await;
    desk.shows("login").await;
    desk.click(LOG_IN, &[("token", "nobody has it")]).await;
    desk.is_refused(401, "This token is not known.").await;
    desk.shows("login-refused").await;
    desk.click(LOG_IN, &[("token", "viewer")]).await;
    // The page that was asked for.
    desk.arrives("Controls").await;
    desk.shows("controls-of-a-viewer").await;
    desk.go("/actions").await;
    desk.is_refused(403, "viewer has role viewer").await;
    desk.shows("forbidden").await;
    desk.go("/requests/unheard-of").await;
    desk.is_refused(404, "no verdict is recorded for request unheard-of").await;
    desk.shows("not-found").await;
    desk.open("/").await;
    desk.click(LOG_OUT, &[]).await;
    desk.arrives("Log in").await;
    desk.open("/controls").await;
    desk.arrives("Log in").await;
    desk.leaves(CLICKS).await;
    worker.stop().await;
}

/// A page that goes on at once is looked at as it is served, without the header that leads on.
async fn shows_in_passing(desk: &mut Desk, served: &Page, heading: &str, name: &str) {
    let page = serde_json::to_string(&served.text).unwrap();
    desk.browser.script(&format!("document.documentElement.innerHTML = {page}")).await;
    eventually("the page has its colours", PATIENCE, async || {
        let rules = desk.browser.script("return document.styleSheets[0]?.cssRules.length ?? 0").await;
        if rules.as_i64() > Some(0) { Ok(()) } else { Err(rules) }
    })
    .await;
    desk.arrives(heading).await;
    desk.shows(name).await;
}

/// No cookie that keeps away from other sites may be lost on the way there and back.
#[tokio::test]
async fn a_browser_that_logs_in_at_an_issuer_comes_to_the_page_it_asked_for_or_is_told_why_not() {
    let driver = driver_or_skip!();
    let issuer = OpenId::start().await;
    let mut installation = Installation::new().await;
    let server = issuer.trusted_by_a_console_at_localhost(&mut installation.config).await;
    let worker = installation.start().await;
    issuer.until_known_to(&worker).await;
    let mut desk = Desk::beside(&driver, &server, &issuer.url).await;
    desk.open("/controls").await;
    desk.arrives("Log in").await;
    desk.shows("login-with-issuer").await;

    issuer.bend(json!({ "realm": { "roles": ["of-another-service"] } }));
    desk.browser.click("//main//a[contains(., 'Log in at')]").await;
    desk.is_refused(403, "has no role here").await;
    desk.shows("login-without-role").await;

    issuer.bend(json!({}));
    desk.open("/controls").await;
    let nobody = Caller::of(&worker);
    let arrived = issuer.returning(&nobody, "/controls").await.arrive().await;
    shows_in_passing(&mut desk, &arrived, "Logged in", "logged-in").await;
    let left = nobody.with("cookie", session(&arrived).unwrap()).submit("/logout", "").await;
    shows_in_passing(&mut desk, &left, "Logged out", "logged-out").await;

    desk.open("/controls").await;
    desk.arrives("Log in").await;
    desk.browser.click("//main//a[contains(., 'Log in at')]").await;
    desk.arrives("Controls").await;
    desk.browser.click("//nav//a[text()='Dead letters']").await;
    desk.arrives("Dead letters").await;
    desk.leaves(&[]).await;
    worker.stop().await;
}

/// The policy of no page may keep a browser from where it is led.
#[tokio::test]
async fn a_session_that_is_over_is_begun_anew_unseen_and_logging_out_ends_it_at_the_issuer_too() {
    let driver = driver_or_skip!();
    let issuer = OpenId::start().await;
    let mut installation = Installation::new().await;
    let server = issuer.trusted_by_a_console_at_localhost(&mut installation.config).await;
    installation.config.http.oidc_session = Duration::from_secs(3);
    let worker = installation.start().await;
    issuer.until_known_to(&worker).await;
    let mut desk = Desk::beside(&driver, &server, &issuer.url).await;
    desk.open("/controls").await;
    desk.arrives("Log in").await;
    desk.browser.click("//main//a[contains(., 'Log in at')]").await;
    desk.arrives("Controls").await;
    let before = issuer.entered();
    eventually("the session is over, and the issuer asked anew", PATIENCE, async || {
        desk.go("/controls").await;
        if issuer.entered() > before { Ok(()) } else { Err(before) }
    })
    .await;
    // Nobody had to click.
    desk.arrives("Controls").await;
    desk.click(LOG_OUT, &[]).await;
    desk.arrives("Log in").await;
    assert_eq!(issuer.left(), 1);
    desk.open("/controls").await;
    desk.arrives("Log in").await;
    desk.leaves(&[LOG_OUT]).await;
    worker.stop().await;
}

#[tokio::test]
async fn the_console_can_be_used_by_keys_alone() {
    let driver = driver_or_skip!();
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    let mut desk = Desk::at(&driver, &server(&worker)).await;
    desk.log_in("viewer").await;
    let browser = &desk.browser;
    // The first stop leads past the navigation.
    browser.press(&[TAB]).await;
    assert_eq!(browser.script("return document.activeElement.className").await, "skip");
    browser.press(&[ENTER]).await;
    assert_eq!(browser.script("return document.activeElement.id").await, "main");
    for (place, heading) in [("Requests", "Requests"), ("Dead letters", "Dead letters"), ("Controls", "Controls")] {
        // As often as it takes: each link is reached, and shows that it is.
        let mut stops = 0;
        while browser.script("return document.activeElement.textContent").await != place {
            browser.press(&[TAB]).await;
            stops += 1;
            assert!(stops < 40, "{place} is not reached");
        }
        let outline = browser.script("return getComputedStyle(document.activeElement).outlineStyle").await;
        assert_ne!(outline, "none", "{place}: the focus does not show");
        browser.press(&[ENTER]).await;
        browser.until_heading(heading).await;
    }
    desk.is_quiet("keys").await;
    desk.leaves(&[]).await;
    worker.stop().await;
}
