//! A live page whose session is over. Separate, because the worker goes and comes while the page is open.

use join_community::domain::Control;
use join_community::postgres::Terms;
use tokio::net::TcpListener;

use super::desk::Desk;
use crate::support::{Installation, PATIENCE, ask_for_tokens, eventually};

/// The session is gone with the worker that it was begun at.
#[tokio::test]
async fn a_live_page_keeps_the_focus_and_leads_to_the_login_when_its_session_is_over() {
    let driver = driver_or_skip!();
    let mut installation = Installation::with(ask_for_tokens).await;
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    installation.config.http.listen = format!("127.0.0.1:{port}");
    installation.set(Control::PauseCache, Terms::default()).await;
    let worker = installation.start().await;
    let mut desk = Desk::at(&driver, &format!("http://127.0.0.1:{port}")).await;
    desk.log_in("viewer").await;
    let browser = &desk.browser;
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
    desk.browser.quit().await;
    worker.stop().await;
}
