//! Many dead letters by clicks: foreseen, replayed, stopped between two, discarded, restored.

use uuid::Uuid;

use super::{Click, DEAD, Desk, server};
use crate::console::repairing::letters;
use crate::support::{Caller, Installation, ask_for_tokens};

const FORESEE: Click = ("POST /dead-letters/dry-run", "Show what a replay comes to");
const REPLAY: Click = ("POST /dead-letters/replay", "Replay");
const STOP: Click = ("POST /dead-letters/replay/stop", "Stop between two letters");
const RESUME: Click = ("POST /dead-letters/replay/resume", "Go on where it stopped");
const DISCARD: Click = ("POST /dead-letters/discard", "Discard");
const READ_DISCARDED: Click = ("POST /dead-letters/discarded/reading", "Read them");
const RESTORE: Click = ("POST /dead-letters/restore", "Restore them");
pub(super) const CLICKS: &[Click] = &[FORESEE, REPLAY, STOP, RESUME, DISCARD, READ_DISCARDED, RESTORE];

/// More than are replayed at this rate before somebody clicks.
const LETTERS: usize = 20;
const RATE: &str = "1";

/// What was discarded is found when the page that discarded it is gone.
async fn find_again(desk: &mut Desk, discarded: u32) {
    desk.open("/dead-letters").await;
    desk.browser.click("//a[@href='/dead-letters/discarded']").await;
    desk.arrives("Discarded letters").await;
    desk.browser.until_text("Nobody has had them read").await;
    desk.shows("discarded-unread").await;
    desk.click(READ_DISCARDED, &[]).await;
    desk.browser.until_text(&format!("{discarded} of the {discarded} that were read at")).await;
    desk.shows("discarded-letters").await;
}

#[tokio::test]
async fn dead_letters_are_foreseen_replayed_stopped_gone_on_with_discarded_and_restored_by_clicks() {
    let driver = driver_or_skip!();
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    letters(&installation, Uuid::now_v7(), LETTERS).await;
    let mut desk = Desk::at(&driver, &server(&worker)).await;
    desk.log_in("operator").await;
    desk.open("/dead-letters/replay").await;
    desk.is_live().await;
    desk.shows("replay-none").await;

    desk.open("/dead-letters").await;
    desk.click(FORESEE, &[("all", "")]).await;
    desk.arrives("Dry run").await;
    desk.browser.until("//h2[contains(., 'joined')]").await;
    desk.shows("dry-run").await;
    desk.click(REPLAY, &[("why", "a trial"), ("rate", RATE)]).await;
    desk.arrives("Replay").await;
    desk.is_live().await;
    desk.browser.until_text("It goes on").await;
    desk.shows("replay").await;
    desk.click(STOP, &[("why", "it is too many")]).await;
    desk.arrives("Replay").await;
    // By itself: nobody loads the page again.
    desk.browser.until_text("told to stop").await;
    desk.is_live().await;
    desk.shows("replay-stopped").await;
    desk.click(RESUME, &[("why", "too soon")]).await;
    desk.arrives("Replay").await;
    desk.browser.until_text("It goes on").await;
    desk.click(STOP, &[("why", "again")]).await;
    desk.arrives("Replay").await;
    desk.browser.until_text("told to stop").await;
    desk.is_live().await;
    let ended = Caller::of(&worker).bearing("viewer").get("/api/v1/dead-letters/replay").await.json()["replay"].clone();
    let left = u32::try_from(ended["tally"]["left"].as_u64().unwrap()).unwrap();
    assert!(left > 0, "it was over before it was stopped: {ended}");
    installation.until_holds(DEAD, left).await;

    desk.open("/dead-letters").await;
    desk.click(DISCARD, &[("reason", "busy"), ("count", "1000"), ("why", "known")]).await;
    desk.is_refused(409, "are meant, and not 1000").await;
    desk.shows("conflict").await;
    installation.until_holds(DEAD, left).await;
    desk.open("/dead-letters").await;
    desk.click(DISCARD, &[("reason", "busy"), ("count", &left.to_string()), ("why", "known")]).await;
    desk.arrives("Discarded").await;
    desk.browser.until_text(&format!("{left} were discarded")).await;
    desk.shows("discarded").await;
    installation.until_holds("join-community.discarded", left).await;
    find_again(&mut desk, left).await;
    desk.click(RESTORE, &[("all", ""), ("why", "not known")]).await;
    desk.arrives("Restored").await;
    desk.browser.until_text(&format!("{left} lie among the dead letters again")).await;
    desk.shows("restored").await;
    installation.until_holds(DEAD, left).await;
    desk.leaves(CLICKS).await;
    worker.stop().await;
}
