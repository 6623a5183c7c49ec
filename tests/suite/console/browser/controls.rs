//! What is set by hand, by clicks: each pause, a held site, bounds, their release; services tried at once; and the end.

use join_community::app::Stopped;
use join_community::operations::Dependency;
use serde_json::Value;
use uuid::Uuid;

use super::{Click, Desk, server};
use crate::support::{Installation, Proxy, Wire, Worker, ask_for_tokens};

const PAUSE_INTAKE: Click = ("POST /controls", "Pause intake");
const PAUSE_EVENTS: Click = ("POST /controls", "Pause events");
const PAUSE_CACHE: Click = ("POST /controls", "Pause cache");
const PAUSE_DATABASE: Click = ("POST /controls", "Pause database");
const HOLD: Click = ("POST /controls", "Hold");
const BOUND: Click = ("POST /controls", "Set bounds");
const RELEASE: Click = ("POST /controls/release", "Release");
const TRY_BROKER: Click = ("POST /try-now", "Try broker");
const TRY_DATABASE: Click = ("POST /try-now", "Try database");
const TRY_CACHE: Click = ("POST /try-now", "Try cache");
const DRAIN: Click = ("POST /drain", "Drain");
pub(super) const CLICKS: &[Click] = &[
    PAUSE_INTAKE,
    PAUSE_EVENTS,
    PAUSE_CACHE,
    PAUSE_DATABASE,
    HOLD,
    BOUND,
    RELEASE,
    TRY_BROKER,
    TRY_DATABASE,
    TRY_CACHE,
    DRAIN,
];

async fn stand_on_record(installation: &Installation, hold: &str) {
    let actions = installation.says(&["actions"]).await;
    for (name, word) in [
        ("controls.set", "pause intake"),
        ("controls.set", "pause events"),
        ("controls.set", "pause cache"),
        ("controls.set", "pause database"),
        ("controls.set", hold),
        ("controls.set", "bounds"),
        ("controls.release", "pause database"),
        ("controls.release", "bounds"),
        ("worker.try-now", "broker"),
        ("worker.try-now", "database"),
        ("worker.try-now", "cache"),
        ("worker.drain", "this worker"),
    ] {
        let is = |one: &&Value| one["action"] == name && one["target"] == word;
        assert_eq!(actions.as_array().unwrap().iter().filter(is).count(), 1, "{name} {word}: {actions}");
    }
}

#[tokio::test]
async fn everything_is_set_and_released_a_service_tried_and_the_worker_drained_by_clicks() {
    let driver = driver_or_skip!();
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    let mut desk = Desk::at(&driver, &server(&worker)).await;
    desk.log_in("operator").await;
    desk.browser.click("//nav//a[text()='Controls']").await;
    desk.arrives("Controls").await;
    desk.browser.until_text("Nothing is set").await;
    desk.shows("controls-none").await;
    let site = Uuid::new_v4();
    let (hold, site) = (format!("hold {site}"), site.to_string());
    let (why, minutes) = (("why", "too much at once"), ("minutes", "10"));
    for (click, fields, set) in [
        (PAUSE_INTAKE, &[why, minutes][..], "pause intake"),
        (PAUSE_EVENTS, &[why], "pause events"),
        (PAUSE_CACHE, &[why], "pause cache"),
        (PAUSE_DATABASE, &[why], "pause database"),
        (HOLD, &[why, ("site", site.as_str())], hold.as_str()),
        (BOUND, &[why, minutes, ("lanes", "1"), ("batch", "10")], "bounds: 1 lanes, batches of 10"),
    ] {
        desk.click(click, fields).await;
        desk.browser.until(&format!("//td[.='{set}']")).await;
        desk.is_quiet(set).await;
    }
    desk.shows("controls").await;
    desk.open("/").await;
    desk.browser.until("//ul[@aria-label='Set by hand']/li[6]").await;
    desk.is_live().await;
    desk.shows("overview-set-by-hand").await;

    desk.open("/controls").await;
    for left in (0..6).rev() {
        desk.click(RELEASE, &[("why", "it is less")]).await;
        desk.browser.until(&format!("//main[count(.//form[@action='/controls/release']) = {left}]")).await;
        desk.is_quiet("a release").await;
    }
    desk.browser.until_text("Nothing is set").await;

    for click in [TRY_BROKER, TRY_DATABASE, TRY_CACHE] {
        desk.open("/controls").await;
        desk.click(click, &[("why", "a standby took over")]).await;
        desk.arrives("Overview").await;
    }
    desk.open("/controls").await;
    desk.click_last(DRAIN, &[("why", "a new version")]).await;
    assert_eq!(worker.until_ended().await, Stopped::Drained);
    desk.is_left_alone().await;
    desk.leaves(CLICKS).await;
    stand_on_record(&installation, &hold).await;
}

#[tokio::test]
async fn a_database_that_is_out_is_tried_by_a_click() {
    let driver = driver_or_skip!();
    let installation = Installation::with(ask_for_tokens).await;
    let mut config = installation.alert();
    let wire = Proxy::before(&mut config.database.url);
    let worker = Worker::start(config).await;
    let mut desk = Desk::at(&driver, &server(&worker)).await;
    desk.log_in("operator").await;
    wire.set(Wire::Cut);
    worker.until_misses(Dependency::Database).await;
    desk.open("/controls").await;
    desk.browser.until_text("This may be out of date").await;
    desk.shows("controls-outage").await;
    desk.click(TRY_DATABASE, &[("why", "a standby took over")]).await;
    desk.arrives("Overview").await;
    wire.set(Wire::Whole);
    desk.leaves(&[TRY_DATABASE]).await;
    worker.stop().await;
}
