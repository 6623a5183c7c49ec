//! The pages in a real browser, where Debian's `chromium-driver` is installed (`make tests` does that where it may): every page
//! in both themes, wide and narrow; every action by clicks, and by keys alone; nothing on its console, nobody else asked. What
//! the pages look like lies in `target/console/`.

use std::path::Path;

use join_community::domain::{Control, SiteId};
use join_community::postgres::Terms;
use serde_json::json;
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::support::driven::{Browser, ENTER, TAB, driver};
use crate::support::{Caller, Installation, JOINABLE, Message, OpenId, PATIENCE, Worker, ask_for_tokens, eventually};

/// Each theme on one screen: neither changes what the other does.
const LOOKS: [(&str, [&str; 2]); 2] = [
    ("light-wide", ["--blink-settings=preferredColorScheme=1", "--window-size=1280,900"]),
    ("dark-narrow", ["--blink-settings=preferredColorScheme=0", "--window-size=500,844"]),
];

/// Where there is no browser, that is said, and how to get one.
macro_rules! driver_or_skip {
    () => {
        match driver() {
            Some(driver) => driver,
            None => {
                println!("skipped: there is no browser to drive (apt-get install chromium chromium-driver)");
                return;
            }
        }
    };
}

/// A worker with a joined member, a request and a dead letter.
struct Stage {
    installation: Installation,
    worker: Worker,
    site: Uuid,
    member: Uuid,
    request: String,
    letter: String,
    server: String,
}

async fn stage() -> Stage {
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    let (mut producer, site) = (installation.producer().await, Uuid::new_v4());
    let member = installation.member(site, JOINABLE).await;
    let request = Message::join(site, member);
    assert_eq!(producer.ask(&request).await.status, 200);
    let malformed = Message::json(&json!({ "siteId": SiteId(site).to_string(), "memberId": 7 }));
    assert_eq!(producer.ask(&malformed).await.status, 400);
    installation.until_holds("join-community.dead-letters", 1).await;
    let operator = Caller::of(&worker).bearing("operator");
    let read = operator.post("/api/v1/dead-letters/reading", &json!(null)).await.json();
    let letter = read["read"]["letters"][0]["id"].as_str().unwrap_or_else(|| panic!("{read}")).to_owned();
    let server = format!("http://{}", operator.server());
    Stage { installation, worker, site, member, request: request.request_id().to_owned(), letter, server }
}

async fn log_in(browser: &Browser, server: &str, token: &str) {
    browser.go(&format!("{server}/")).await;
    browser.write("//input[@name='token']", token).await;
    browser.press(&[ENTER]).await;
    browser.until_heading("Overview").await;
}

async fn says_nothing_and_asks_nobody_else(browser: &Browser, server: &str, where_: &str) {
    let complaints = browser.complaints().await;
    assert!(complaints.is_empty(), "{where_}: {complaints:?}");
    let asked = browser.asked().await;
    let elsewhere = |url: &&String| !url.starts_with(server) && !url.starts_with("data:") && !url.starts_with("chrome");
    let elsewhere: Vec<_> = asked.iter().filter(elsewhere).collect();
    assert!(elsewhere.is_empty(), "{where_}: {elsewhere:?}");
}

#[tokio::test]
async fn every_page_is_shown_in_both_themes_wide_and_narrow_without_a_complaint() {
    let driver = driver_or_skip!();
    let Stage { installation: _kept, worker, site, member, request, letter, server } = stage().await;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../console");
    std::fs::create_dir_all(&folder).unwrap();
    let mut grounds = Vec::new();
    for (look, arguments) in LOOKS {
        let browser = Browser::start(&driver, &arguments).await;
        log_in(&browser, &server, "admin").await;
        for (name, path) in [
            ("overview", "/".to_owned()),
            ("requests", format!("/requests?site={site}")),
            ("request", format!("/requests/{request}")),
            ("member", format!("/members/{site}/{member}")),
            ("dead-letters", "/dead-letters".to_owned()),
            ("replay", "/dead-letters/replay".to_owned()),
            ("dead-letter", format!("/dead-letters/{letter}")),
            ("controls", "/controls".to_owned()),
            ("actions", "/actions".to_owned()),
        ] {
            browser.go(&format!("{server}{path}")).await;
            browser.picture(&folder.join(format!("{name}-{look}.png"))).await;
            // Wide tables scroll by themselves, the page never does.
            let over = browser.script("return document.documentElement.scrollWidth - window.innerWidth").await;
            assert!(over.as_i64().unwrap() <= 0, "{name} {look} is {over} pixels too wide");
            says_nothing_and_asks_nobody_else(&browser, &server, &format!("{name} {look}")).await;
        }
        grounds.push(browser.script("return getComputedStyle(document.body).backgroundColor").await);
        browser.quit().await;
    }
    assert_ne!(grounds[0], grounds[1], "both themes have the same ground");
    worker.stop().await;
}

#[tokio::test]
async fn the_console_can_be_used_by_keys_alone() {
    let driver = driver_or_skip!();
    let Stage { installation: _kept, worker, server, .. } = stage().await;
    let browser = Browser::start(&driver, &LOOKS[0].1).await;
    log_in(&browser, &server, "viewer").await;
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
    says_nothing_and_asks_nobody_else(&browser, &server, "keys").await;
    browser.quit().await;
    worker.stop().await;
}

#[tokio::test]
async fn every_action_is_done_by_clicks_and_stands_on_record() {
    let driver = driver_or_skip!();
    let Stage { installation, worker, site, letter, server, .. } = stage().await;
    let browser = Browser::start(&driver, &LOOKS[0].1).await;
    let wrong = format!("{server}/login");
    browser.go(&wrong).await;
    browser.write("//input[@name='token']", "nobody's").await;
    browser.click("//main//button").await;
    log_in(&browser, &server, "admin").await;
    // A refused login is the browser's own complaint.
    browser.complaints().await;

    browser.click("//nav//a[text()='Dead letters']").await;
    browser.click("//button[text()='Read them']").await;
    browser.until_heading("Dead letters").await;
    browser.click(&format!("//a[contains(@href, '{letter}')]")).await;
    browser.write("//form[contains(@action, '/unmask')]//input[@name='reason']", "a ticket").await;
    browser.click("//button[text()='Show personal data']").await;
    browser.until_text("Personal data is shown").await;

    browser.go(&format!("{server}/dead-letters/{letter}")).await;
    browser.click("//button[text()='Show what it comes to']").await;
    browser.until_text("To the overview").await;
    // A body that still is no request is refused, and a browser complains of every refusal.
    browser.complaints().await;

    browser.go(&format!("{server}/dead-letters")).await;
    browser.click("//form[contains(@action, 'dry-run')]//input[@name='all']").await;
    browser.click("//button[text()='Show what a replay comes to']").await;
    browser.until_heading("Dry run").await;
    browser.write("//form[@action='/dead-letters/replay']//input[@name='why']", "a trial").await;
    browser.click("//button[text()='Replay']").await;
    browser.until_heading("Replay").await;
    browser.click("//button[text()='Stop between two letters']").await;
    browser.until_heading("Replay").await;

    browser.go(&format!("{server}/controls")).await;
    browser.write("//form[.//button[@value='hold']]//input[@name='site']", &site.to_string()).await;
    browser.write("//form[.//button[@value='hold']]//input[@name='why']", "too much at once").await;
    browser.click("//button[@value='hold']").await;
    browser.until_text("too much at once").await;
    browser.write("//form[@action='/controls/release']//input[@name='why']", "it is less").await;
    browser.click(&format!("//button[text()='Release hold {site}']")).await;
    browser.until_text("Nothing is set").await;

    browser.click("//nav//a[text()='Actions']").await;
    browser.until_heading("Actions").await;
    for action in ["dead_letters.unmask", "dead_letters.replay", "controls.set", "controls.release"] {
        browser.until_text(action).await;
    }
    says_nothing_and_asks_nobody_else(&browser, &server, "clicks").await;
    browser.click("//button[text()='Log out']").await;
    browser.write("//input[@name='token']", "").await;
    browser.quit().await;
    worker.stop().await;
    drop(installation);
}

/// The session is gone with the worker that it was begun at.
#[tokio::test]
async fn a_live_page_keeps_the_focus_and_leads_to_the_login_when_its_session_is_over() {
    let driver = driver_or_skip!();
    let mut installation = Installation::with(ask_for_tokens).await;
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    installation.config.http.listen = format!("127.0.0.1:{port}");
    let server = format!("http://127.0.0.1:{port}");
    installation.set(Control::PauseCache, Terms::default()).await;
    let worker = installation.start().await;
    let browser = Browser::start(&driver, &LOOKS[0].1).await;
    log_in(&browser, &server, "viewer").await;
    browser.until_text("pause cache, since").await;
    browser.script("document.querySelector('#live a').focus()").await;
    let as_of = "return document.querySelector('#live .note time').textContent";
    let before = browser.script(as_of).await;
    eventually("newer numbers come", PATIENCE, async || {
        let now = browser.script(as_of).await;
        if now == before { Err(now) } else { Ok(()) }
    })
    .await;
    let focused = browser.script("return document.activeElement.textContent").await;
    assert!(focused.as_str().is_some_and(|text| text.starts_with("pause cache, since")), "{focused}");

    worker.stop().await;
    browser.until_text("trying again").await;
    let worker = installation.start().await;
    browser.click("//main//a[text()='Log in again']").await;
    browser.until_heading("Log in").await;
    browser.quit().await;
    worker.stop().await;
}

/// No cookie that keeps away from other sites may be lost on the way there and back.
#[tokio::test]
async fn a_browser_that_logs_in_at_an_issuer_comes_to_the_page_it_asked_for() {
    let driver = driver_or_skip!();
    let issuer = OpenId::start().await;
    let mut installation = Installation::new().await;
    let server = issuer.trusted_by_a_console_at_localhost(&mut installation.config).await;
    let worker = installation.start().await;
    issuer.until_known_to(&worker).await;
    let found = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost";
    let [theme, size] = LOOKS[0].1;
    let browser = Browser::start(&driver, &[theme, size, found]).await;
    browser.go(&format!("{server}/controls")).await;
    browser.click("//main//a[contains(., 'Log in at')]").await;
    browser.until_heading("Controls").await;
    browser.click("//nav//a[text()='Dead letters']").await;
    browser.until_heading("Dead letters").await;
    browser.quit().await;
    worker.stop().await;
}
