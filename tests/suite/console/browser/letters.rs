//! One dead letter by clicks: read with the others, found, unmasked, refused as it is, and sent with another body.

use serde_json::json;

use super::{Click, DEAD, Desk, Stage, server};
use crate::support::{PATIENCE, eventually};

const READ: Click = ("POST /dead-letters/reading", "Read them");
const FILTER: Click = ("GET /dead-letters", "Filter");
const UNMASK: Click = ("POST /dead-letters/{id}/unmask", "Show personal data");
const FORESEE: Click = ("POST /dead-letters/{id}/edit", "Show what it comes to");
const SEND: Click = ("POST /dead-letters/{id}/edit", "Send it");
pub(super) const CLICKS: &[Click] = &[READ, FILTER, UNMASK, FORESEE, SEND];

#[tokio::test]
async fn a_dead_letter_is_read_unmasked_and_sent_with_another_body_by_clicks() {
    let driver = driver_or_skip!();
    let stage = Stage::new().await;
    let worker = stage.installation.start().await;
    let mut desk = Desk::at(&driver, &server(&worker)).await;
    desk.log_in("admin").await;
    desk.browser.click("//nav//a[text()='Dead letters']").await;
    desk.arrives("Dead letters").await;
    desk.browser.until_text("Nobody has had them read").await;
    desk.shows("dead-letters-unread").await;
    desk.click(READ, &[]).await;
    desk.browser.until_text("1 were read at").await;
    desk.shows("dead-letters").await;
    desk.click(FILTER, &[("reason", "busy"), ("text", "something else")]).await;
    desk.browser.until_text("0 of 1 that are kept").await;
    desk.shows("dead-letters-filtered").await;
    desk.browser.click("//td/a[text()='malformed']").await;
    desk.browser.until_text("1 of 1 that are kept").await;
    desk.is_quiet("one reason").await;

    desk.browser.click("//td/a[starts-with(@href, '/dead-letters/')]").await;
    desk.arrives("Dead letter ").await;
    let letter = desk.browser.script("return location.pathname").await.as_str().unwrap().to_owned();
    desk.shows("dead-letter").await;
    desk.click(UNMASK, &[("reason", "a ticket")]).await;
    desk.browser.until_text("Personal data is shown").await;
    desk.shows("dead-letter-unmasked").await;

    desk.open(&letter).await;
    desk.click(FORESEE, &[]).await;
    desk.browser.until_heading("Bad Request").await;
    desk.is_refused(400, "To the overview").await;
    desk.shows("bad-request").await;
    desk.open(&letter).await;
    desk.click(FORESEE, &[("body", &stage.body(&json!(stage.applicant)).to_string())]).await;
    desk.arrives("What it would come to").await;
    desk.browser.until("//h2[contains(., 'joined')]").await;
    desk.shows("edit").await;
    assert_eq!(stage.installation.depth(DEAD).await, 1);
    desk.click(SEND, &[("why", "a ticket")]).await;
    desk.arrives("Sent").await;
    desk.shows("edit-sent").await;
    stage.installation.until_holds(DEAD, 0).await;
    eventually("the applicant is public", PATIENCE, async || {
        let record = stage.installation.record(stage.site, stage.applicant).await.unwrap();
        if record.privacy == "PUBLIC" { Ok(()) } else { Err(record) }
    })
    .await;

    desk.open("/actions").await;
    for action in ["dead_letters.read", "dead_letters.unmask", "dead_letters.edit"] {
        desk.browser.until(&format!("//td[.='{action}']")).await;
    }
    desk.leaves(CLICKS).await;
    worker.stop().await;
}
