//! What operators set by hand: it counts for workers that run and for those that start, until it is released or its time is
//! over; and who set it stands on record.

mod outages;

use join_community::app::Stopped;
use join_community::domain::{Bounds, Control, SiteId};
use join_community::postgres::{Action, Role, Session, Terms};
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use reqwest::StatusCode;
use serde_json::json;
use uuid::Uuid;

use crate::support::{Caller, Installation, JOINABLE, Message, PATIENCE, Worker, ask_for_tokens, eventually};

const REQUESTS: &str = "join-community.requests";

fn action(control: Control) -> Action {
    let [who, role, action, reason, outcome] = ["ana", "operator", "controls.set", "a test", "set"].map(str::to_owned);
    Action { who, role, action, target: control.to_string(), reason, outcome }
}

impl Installation {
    /// Sets something by hand.
    pub(crate) async fn set(&self, control: Control, terms: Terms) {
        let mut store = Session::new(&self.config.database, Role::Tool).unwrap();
        store.set_control(&action(control), terms).await.unwrap();
    }

    /// Releases it.
    pub(crate) async fn release(&self, control: Control) {
        let mut store = Session::new(&self.config.database, Role::Tool).unwrap();
        assert!(store.release_control(&action(control)).await.unwrap(), "{control} was not set");
    }

    /// How many consumers the requests have.
    pub(crate) async fn consumers(&self) -> u32 {
        let passive = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let channel = self.channel().await;
        channel.queue_declare(REQUESTS.into(), passive, FieldTable::default()).await.unwrap().consumer_count()
    }

    /// Waits until there is none.
    pub(crate) async fn until_nobody_consumes(&self) {
        eventually("nobody consumes", PATIENCE, async || match self.consumers().await {
            0 => Ok(()),
            consumers => Err(consumers),
        })
        .await;
    }
}

pub(crate) async fn until_shows(worker: &Worker, gauge: &str, value: u64) {
    eventually(&format!("{gauge} is {value}"), PATIENCE, async || match worker.counted(gauge) {
        seen if seen == value => Ok(()),
        seen => Err(seen),
    })
    .await;
}

#[tokio::test]
async fn a_paused_intake_takes_nothing_not_even_in_a_worker_that_starts_and_goes_on_when_released() {
    let installation = Installation::new().await;
    let (mut producer, site) = (installation.producer().await, Uuid::new_v4());
    let members = installation.members(site, JOINABLE, 2).await;
    installation.set(Control::PauseIntake, Terms::default()).await;
    let worker = installation.start().await;
    assert_eq!(installation.consumers().await, 0);
    let first = Message::join(site, members[0]);
    producer.send(&first).await;
    installation.until_holds(REQUESTS, 1).await;
    installation.release(Control::PauseIntake).await;
    assert_eq!(producer.answer_to(&first).await.status, 200);

    installation.set(Control::PauseIntake, Terms::default()).await;
    installation.until_nobody_consumes().await;
    let (ready, report) = worker.health().report();
    assert!(ready, "{report}");
    let second = Message::join(site, members[1]);
    producer.send(&second).await;
    installation.until_holds(REQUESTS, 1).await;
    installation.release(Control::PauseIntake).await;
    assert_eq!(producer.answer_to(&second).await.status, 200);
    worker.stop().await;
}

#[tokio::test]
async fn requests_of_a_held_site_wait_as_they_are_and_those_of_others_do_not() {
    let installation = Installation::new().await;
    let mut producer = installation.producer().await;
    let (held, other) = (Uuid::new_v4(), Uuid::new_v4());
    let (waiting, free) = (installation.member(held, JOINABLE).await, installation.member(other, JOINABLE).await);
    installation.set(Control::HoldSite(SiteId(held)), Terms::default()).await;
    let worker = installation.start().await;
    let (waiting, free) = (Message::join(held, waiting), Message::join(other, free));
    for request in [&waiting, &free] {
        producer.send(request).await;
    }
    assert_eq!(producer.answer_to(&free).await.status, 200);
    installation.until_holds("join-community.retry.30s", 1).await;
    assert_eq!(worker.counted("join_community_held_total"), 1);
    assert_eq!(worker.counted("join_community_retries_total"), 0);
    assert!(installation.requests(held).await.is_empty());
    installation.release(Control::HoldSite(SiteId(held))).await;
    // From the ladder, with its proof, after half a minute.
    assert_eq!(producer.answer_to(&waiting).await.status, 200);
    assert_eq!(installation.requests(held).await.len(), 1);
    worker.stop().await;
}

#[tokio::test]
async fn events_and_cache_entries_stay_owed_while_they_are_paused() {
    let installation = Installation::new().await;
    let (mut producer, site) = (installation.producer().await, Uuid::new_v4());
    let member = installation.member(site, JOINABLE).await;
    let mut events = installation.events().await;
    for control in [Control::PauseEvents, Control::PauseCache] {
        installation.set(control, Terms::default()).await;
    }
    let worker = installation.start().await;
    eventually("both are held", PATIENCE, async || {
        let (_, report) = worker.health().report();
        let held = |name: &str| report["dependencies"][name]["held"].is_string();
        if held("cache") && held("broker_publishing") { Ok(()) } else { Err(report) }
    })
    .await;
    assert_eq!(producer.ask(&Message::join(site, member)).await.status, 200);
    assert_eq!(events.all_so_far().await.len(), 0);
    assert_eq!(worker.counted("join_community_cache_writes_total"), 0);
    for control in [Control::PauseEvents, Control::PauseCache] {
        installation.release(control).await;
    }
    installation.outbox_is_empty().await;
    assert_eq!(events.next().await.json()["entityId"], member.to_string());
    worker.stop().await;
}

#[tokio::test]
async fn lanes_and_batches_are_as_somebody_sets_them_until_that_is_released() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let before = worker.counted("join_community_lanes_wanted");
    let bounds = Terms { bounds: Some(Bounds { lanes: 1, batch: 3 }), seconds: None };
    installation.set(Control::Bounds, bounds).await;
    until_shows(&worker, "join_community_lanes_wanted", 1).await;
    until_shows(&worker, "join_community_batch_limit_requests", 3).await;
    until_shows(&worker, "join_community_prefetch_requests", 6).await;
    let (mut producer, site) = (installation.producer().await, Uuid::new_v4());
    let member = installation.member(site, JOINABLE).await;
    assert_eq!(producer.ask(&Message::join(site, member)).await.status, 200);
    installation.release(Control::Bounds).await;
    until_shows(&worker, "join_community_lanes_wanted", before).await;
    worker.stop().await;
}

#[tokio::test]
async fn the_metric_says_what_is_set_as_long_as_it_is_set() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    let sites = [Uuid::new_v4(), Uuid::new_v4()].map(|site| Control::HoldSite(SiteId(site)));
    let series = |kind: &str| format!("join_community_control_set{{control=\"{kind}\"}}");
    for control in sites.into_iter().chain([Control::PauseIntake]) {
        installation.set(control, Terms::default()).await;
    }
    until_shows(&worker, &series("pause intake"), 1).await;
    until_shows(&worker, &series("hold"), 2).await;
    // Of all kinds, nothing but these.
    assert_eq!(worker.counted("join_community_control_set"), 3);
    installation.release(sites[0]).await;
    until_shows(&worker, &series("hold"), 1).await;
    installation.release(Control::PauseIntake).await;
    until_shows(&worker, &series("pause intake"), 0).await;
    installation.release(sites[1]).await;
    until_shows(&worker, "join_community_control_set", 0).await;
    worker.stop().await;
}

#[tokio::test]
async fn what_is_set_for_a_time_is_over_with_it() {
    let installation = Installation::new().await;
    installation.set(Control::PauseIntake, Terms { bounds: None, seconds: Some(1.0) }).await;
    let worker = installation.start().await;
    let (mut producer, site) = (installation.producer().await, Uuid::new_v4());
    let member = installation.member(site, JOINABLE).await;
    assert_eq!(producer.ask(&Message::join(site, member)).await.status, 200);
    worker.stop().await;
}

#[tokio::test]
async fn the_api_the_pages_and_the_command_line_set_the_same_and_say_who_did() {
    let installation = Installation::with(ask_for_tokens).await;
    let worker = installation.start().await;
    let [viewer, operator, admin] = ["viewer", "operator", "admin"].map(|role| Caller::of(&worker).bearing(role));
    let (path, site) = ("/api/v1/controls", Uuid::new_v4());
    let pause = json!({ "control": "pause cache", "reason": "Redis moves", "expiresInSeconds": 600 });
    assert_eq!(viewer.post(path, &pause).await.status, StatusCode::FORBIDDEN);
    for wrong in [
        json!({ "control": "pause all", "reason": "no such thing" }),
        json!({ "control": "pause cache", "reason": " " }),
        json!({ "control": "bounds", "reason": "no numbers" }),
        json!({ "control": "pause cache", "lanes": 3, "reason": "too many" }),
        json!({ "control": "pause cache", "expiresInSeconds": 0, "reason": "never" }),
    ] {
        assert_eq!(operator.post(path, &wrong).await.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    assert_eq!(operator.post(path, &pause).await.status, StatusCode::OK);
    let form = format!("control=hold&site={site}&why=ticket+4711");
    assert_eq!(operator.submit("/controls", &form).await.status, StatusCode::SEE_OTHER);
    installation.says(&["controls", "bounds", "--lanes", "2", "--batch", "8", "--why", "a trial"]).await;

    let set = viewer.get(path).await.json();
    assert_eq!(set, installation.says(&["controls", "list"]).await);
    let of = |name: &str| set.as_array().unwrap().iter().find(|one| one["control"] == name).cloned().unwrap();
    assert_eq!((&of("pause cache")["who"], &of("pause cache")["reason"]), (&json!("operator"), &json!("Redis moves")));
    assert!(of("pause cache")["expiresAt"].is_string());
    assert_eq!((&of("bounds")["lanes"], &of("bounds")["batch"]), (&json!(2), &json!(8)));
    assert_eq!(of(&format!("hold {site}"))["reason"], "ticket 4711");
    let page = viewer.get("/controls").await;
    assert!(page.text.contains("Redis moves") && !page.text.contains("/controls/release"), "{}", page.text);

    let release = json!({ "control": "pause cache", "reason": "Redis is there" });
    assert_eq!(operator.post("/api/v1/controls/release", &release).await.status, StatusCode::OK);
    assert_eq!(operator.post("/api/v1/controls/release", &release).await.status, StatusCode::NOT_FOUND);
    let actions = admin.get("/api/v1/actions").await.json();
    let done: Vec<_> = actions.as_array().unwrap().iter().map(|one| (&one["action"], &one["target"])).collect();
    assert!(done.contains(&(&json!("controls.set"), &json!("bounds"))), "{actions}");
    assert!(done.contains(&(&json!("controls.release"), &json!("pause cache"))), "{actions}");

    assert_eq!(
        operator.post("/api/v1/drain", &json!({ "reason": "a new version" })).await.status,
        StatusCode::ACCEPTED
    );
    assert_eq!(worker.until_ended().await, Stopped::Drained);
}
