//! Dead letters by the boxes of their list, and one by its page: foreseen, replayed, discarded, restored; no id is typed.

use uuid::Uuid;

use super::{Click, DEAD, Desk, server};
use crate::console::repairing::letters;
use crate::support::driven::TAB;
use crate::support::{Installation, ask_for_tokens};

const READ: Click = ("POST /dead-letters/reading", "Read them");
const FORESEE_CHOSEN: Click = ("POST /dead-letters/dry-run", "Show what the chosen ones come to");
const DISCARD_CHOSEN: Click = ("POST /dead-letters/discard", "Discard the chosen ones");
const FORESEE: Click = ("POST /dead-letters/dry-run", "Show what a replay comes to");
const DISCARD: Click = ("POST /dead-letters/discard", "Discard it");
const REPLAY: Click = ("POST /dead-letters/replay", "Replay");
const READ_DISCARDED: Click = ("POST /dead-letters/discarded/reading", "Read them");
const RESTORE_CHOSEN: Click = ("POST /dead-letters/restore", "Restore the chosen ones");
const RESTORE: Click = ("POST /dead-letters/restore", "Restore it");
pub(super) const CLICKS: &[Click] =
    &[READ, FORESEE_CHOSEN, DISCARD_CHOSEN, FORESEE, DISCARD, REPLAY, READ_DISCARDED, RESTORE_CHOSEN, RESTORE];

const SPACE: &str = " ";

/// Has the letters read: so many lie there.
async fn read(desk: &mut Desk, count: u32) {
    desk.open("/dead-letters").await;
    desk.click(READ, &[]).await;
    desk.browser.until_text(&format!("{count} were read at")).await;
    desk.browser.until(&format!("//main[count(.//td/input[@name='ids']) = {count}]")).await;
}

/// The same of the discarded ones.
async fn read_discarded(desk: &mut Desk, count: u32) {
    desk.open("/dead-letters/discarded").await;
    desk.click(READ_DISCARDED, &[]).await;
    desk.browser.until_text(&format!("{count} of the {count} that were read at")).await;
    desk.browser.until(&format!("//main[count(.//td/input[@name='ids']) = {count}]")).await;
}

/// Goes to the first box by keys alone, and ticks it.
async fn tick_by_keys(desk: &Desk) {
    let (browser, mut stops) = (&desk.browser, 0);
    while browser.script("return document.activeElement.matches('td > input[name=ids]')").await != true {
        browser.press(&[TAB]).await;
        stops += 1;
        assert!(stops < 100, "no box is reached");
    }
    let outline = browser.script("return getComputedStyle(document.activeElement).outlineStyle").await;
    assert_ne!(outline, "none", "the focus does not show");
    browser.press(&[SPACE]).await;
    assert_eq!(browser.script("return document.querySelector('td > input[name=ids]').checked").await, true);
}

/// Two of six by boxes: foreseen, and what was foreseen is replayed.
async fn replay_chosen(desk: &mut Desk, installation: &Installation) {
    read(desk, 6).await;
    tick_by_keys(desk).await;
    desk.browser.click("(//td/input[@name='ids'])[2]").await;
    desk.shows("dead-letters-chosen").await;
    desk.click(FORESEE_CHOSEN, &[]).await;
    desk.arrives("Dry run").await;
    desk.browser.until("//main[count(.//h2[contains(., 'joined')]) = 2]").await;
    desk.click(REPLAY, &[("why", "a trial")]).await;
    desk.arrives("Replay").await;
    desk.browser.until_text("replayed 2, refused 0").await;
    desk.is_live().await;
    installation.until_holds(DEAD, 4).await;
}

/// Two of four by boxes, then one of two by its page.
async fn discard_chosen_and_one(desk: &mut Desk, installation: &Installation) {
    read(desk, 4).await;
    desk.browser.click("(//td/input[@name='ids'])[2]").await;
    desk.click(DISCARD_CHOSEN, &[("ids", ""), ("count", "2"), ("why", "known")]).await;
    desk.arrives("Discarded").await;
    desk.browser.until_text("2 were discarded").await;
    installation.until_holds(DEAD, 2).await;

    read(desk, 2).await;
    desk.browser.click("//td/a[starts-with(@href, '/dead-letters/')]").await;
    desk.arrives("Dead letter ").await;
    let letter = desk.browser.script("return location.pathname").await.as_str().unwrap().to_owned();
    desk.shows("dead-letter-to-repair").await;
    desk.click(FORESEE, &[]).await;
    desk.arrives("Dry run").await;
    desk.browser.until("//main[count(.//h2[contains(., 'joined')]) = 1]").await;
    desk.open(&letter).await;
    desk.click(DISCARD, &[("count", "1"), ("why", "known")]).await;
    desk.arrives("Discarded").await;
    desk.browser.until_text("1 were discarded").await;
    installation.until_holds(DEAD, 1).await;
}

#[tokio::test]
async fn letters_are_chosen_by_boxes_and_by_their_pages_and_no_id_is_typed() {
    let driver = driver_or_skip!();
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    letters(&installation, Uuid::now_v7(), 6).await;
    installation.until_holds(DEAD, 6).await;
    let mut desk = Desk::at(&driver, &server(&worker)).await;
    desk.log_in("operator").await;
    replay_chosen(&mut desk, &installation).await;
    discard_chosen_and_one(&mut desk, &installation).await;

    read_discarded(&mut desk, 3).await;
    desk.click(RESTORE_CHOSEN, &[("ids", ""), ("why", "not known")]).await;
    desk.arrives("Restored").await;
    desk.browser.until_text("1 lie among the dead letters again").await;
    read_discarded(&mut desk, 2).await;
    desk.browser.click("//td/a[starts-with(@href, '/dead-letters/discarded/')]").await;
    desk.arrives("Discarded letter ").await;
    desk.shows("discarded-letter").await;
    desk.click(RESTORE, &[("why", "not known")]).await;
    desk.arrives("Restored").await;
    installation.until_holds(DEAD, 3).await;
    desk.leaves(CLICKS).await;
    worker.stop().await;
}
