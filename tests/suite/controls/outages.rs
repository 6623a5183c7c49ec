//! What the handling of outages does by itself, done by hand: a service is left alone until somebody says otherwise, or tried
//! at once.

use std::time::Duration;

use join_community::domain::Control;
use join_community::operations::Dependency;
use join_community::postgres::Terms;
use reqwest::StatusCode;
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{REQUESTS, until_shows};
use crate::support::{
    Caller, Installation, JOINABLE, Message, PATIENCE, Proxy, Wire, Worker, ask_for_tokens, eventually,
};

/// When the parts that join and announce last asked something, and when the one that looks at what is set did.
const LAST_ASKED: &str = "
    SELECT max(state_change) FILTER (WHERE application_name IN ('join-community lane', 'join-community announcer')),
           max(state_change) FILTER (WHERE application_name = 'join-community')
    FROM pg_stat_activity WHERE datname = current_database()";
const HELD: &str = "join_community_dependency_held{dependency=\"database\"}";
const SET: &str = "join_community_control_set{control=\"pause database\"}";
/// Many intervals of the sweep.
const QUIET: time::Duration = time::Duration::seconds(2);

impl Installation {
    /// Waits until nobody but the one who looks at what is set has asked PostgreSQL anything for a while.
    pub(crate) async fn until_the_database_is_left_alone(&self) {
        let mut stranger = self.stranger().await;
        eventually("PostgreSQL is left alone", PATIENCE, async || {
            let asked: (Option<OffsetDateTime>, Option<OffsetDateTime>) =
                sqlx::query_as(LAST_ASKED).fetch_one(&mut stranger).await.unwrap();
            match asked {
                (Some(work), Some(look)) if look - work > QUIET => Ok(()),
                other => Err(other),
            }
        })
        .await;
    }
}

async fn until_up(worker: &Worker, dependency: Dependency) {
    eventually("it serves", PATIENCE, async || {
        if worker.health().is_up(dependency) { Ok(()) } else { Err(worker.health().report()) }
    })
    .await;
}

#[tokio::test]
async fn a_paused_database_is_left_alone_as_in_an_outage_and_joins_go_on_when_it_is_released() {
    let installation = Installation::new().await;
    let (mut producer, site) = (installation.producer().await, Uuid::new_v4());
    let members = installation.members(site, JOINABLE, 2).await;
    let worker = installation.start().await;
    assert_eq!(producer.ask(&Message::join(site, members[0])).await.status, 200);
    installation.outbox_is_empty().await;

    installation.set(Control::PauseDatabase, Terms::default()).await;
    installation.until_nobody_consumes().await;
    installation.until_the_database_is_left_alone().await;
    let (ready, report) = worker.health().report();
    assert!(ready, "{report}");
    assert_eq!(report["dependencies"]["database"]["held"], "pause database by ana: a test");
    until_shows(&worker, HELD, 1).await;
    let waiting = Message::join(site, members[1]);
    producer.send(&waiting).await;
    installation.until_holds(REQUESTS, 1).await;

    installation.release(Control::PauseDatabase).await;
    assert_eq!(producer.answer_to(&waiting).await.status, 200);
    until_shows(&worker, HELD, 0).await;
    installation.outbox_is_empty().await;
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_that_starts_while_the_database_is_paused_is_ready_and_takes_nothing_until_it_is_released() {
    let installation = Installation::new().await;
    let (mut producer, site) = (installation.producer().await, Uuid::new_v4());
    let member = installation.member(site, JOINABLE).await;
    installation.set(Control::PauseDatabase, Terms::default()).await;
    let worker = installation.start().await;
    assert_eq!(installation.consumers().await, 0);
    let request = Message::join(site, member);
    producer.send(&request).await;
    installation.until_holds(REQUESTS, 1).await;
    installation.release(Control::PauseDatabase).await;
    assert_eq!(producer.answer_to(&request).await.status, 200);
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_that_stops_while_the_database_is_paused_drains() {
    let installation = Installation::new().await;
    let worker = installation.start().await;
    installation.set(Control::PauseDatabase, Terms::default()).await;
    installation.until_nobody_consumes().await;
    assert_eq!(worker.stop().await, join_community::app::Stopped::Drained);
}

#[tokio::test]
async fn a_pause_whose_time_is_over_is_not_told_any_more_although_the_database_is_out() {
    let installation = Installation::new().await;
    let mut config = installation.alert();
    let wire = Proxy::before(&mut config.database.url);
    let worker = Worker::start(config).await;
    installation.set(Control::PauseDatabase, Terms { seconds: Some(6.0), ..Terms::default() }).await;
    until_shows(&worker, SET, 1).await;
    wire.set(Wire::Cut);
    worker.until_misses(Dependency::Database).await;
    until_shows(&worker, SET, 0).await;
    wire.set(Wire::Whole);
    worker.stop().await;
}

#[tokio::test]
async fn a_service_is_tried_at_once_when_an_operator_asks_for_that_and_it_stands_on_record() {
    let installation = Installation::with(|config| {
        ask_for_tokens(config);
        // By itself it would look at a cache that serves once an hour.
        config.outage.max_pause = Duration::from_hours(1);
    })
    .await;
    let mut config = installation.config.clone();
    let wire = Proxy::before(&mut config.cache.url);
    let worker = Worker::start(config).await;
    until_up(&worker, Dependency::Cache).await;
    let (mut producer, site) = (installation.producer().await, Uuid::new_v4());
    let member = installation.member(site, JOINABLE).await;
    assert_eq!(producer.ask(&Message::join(site, member)).await.status, 200);
    installation.cached_at(site, member, JOINABLE.sequence + 1).await;

    let [viewer, operator, admin] = ["viewer", "operator", "admin"].map(|role| Caller::of(&worker).bearing(role));
    let (path, cache) = ("/api/v1/try-now", json!({ "service": "cache", "reason": "it was moved" }));
    assert_eq!(viewer.post(path, &cache).await.status, StatusCode::FORBIDDEN);
    for wrong in [json!({ "service": "clock", "reason": "x" }), json!({ "service": "cache", "reason": " " })] {
        assert_eq!(operator.post(path, &wrong).await.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    wire.set(Wire::Cut);
    assert_eq!(operator.post(path, &cache).await.status, StatusCode::ACCEPTED);
    worker.until_misses(Dependency::Cache).await;
    wire.set(Wire::Whole);
    assert_eq!(operator.submit("/try-now", "service=cache&why=it+is+back").await.status, StatusCode::SEE_OTHER);
    until_up(&worker, Dependency::Cache).await;

    let actions = admin.get("/api/v1/actions").await.json();
    let of_tries = actions.as_array().unwrap().iter().filter(|one| one["action"] == "worker.try-now");
    let reasons: Vec<_> = of_tries.map(|one| (&one["target"], &one["reason"])).collect();
    assert_eq!(reasons.len(), 2, "{actions}");
    assert!(reasons.contains(&(&json!("cache"), &json!("it was moved"))), "{actions}");
    worker.stop().await;
}

#[tokio::test]
async fn a_database_that_is_out_can_be_tried_at_once_although_it_cannot_record_who_asked() {
    let installation = Installation::with(|config| "127.0.0.1:0".clone_into(&mut config.http.listen)).await;
    let mut config = installation.alert();
    let wire = Proxy::before(&mut config.database.url);
    let worker = Worker::start(config).await;
    wire.set(Wire::Hung);
    let (mut producer, site) = (installation.producer().await, Uuid::new_v4());
    let member = installation.member(site, JOINABLE).await;
    let waiting = Message::join(site, member);
    producer.send(&waiting).await;
    worker.until_misses(Dependency::Database).await;
    let at = format!("http://{}", Caller::of(&worker).server());
    let tried = ["controls", "try-now", "database", "--why", "a standby took over", "--at", at.as_str()];
    assert_eq!(installation.says(&tried).await, json!({ "tried": "database" }));
    wire.set(Wire::Whole);
    assert_eq!(installation.says(&tried).await, json!({ "tried": "database" }));
    assert_eq!(producer.answer_to(&waiting).await.status, 200);
    worker.stop().await;
}

#[tokio::test]
async fn the_page_of_controls_has_its_forms_and_what_was_read_last_while_the_database_is_out() {
    let installation = Installation::with(ask_for_tokens).await;
    let mut config = installation.alert();
    let wire = Proxy::before(&mut config.database.url);
    let worker = Worker::start(config).await;
    let operator = Caller::of(&worker).bearing("operator");
    installation.set(Control::PauseEvents, Terms::default()).await;
    eventually("the worker knows what is set", PATIENCE, async || {
        let set = operator.get("/api/v1/overview").await.json()["controls"].clone();
        if set[0]["control"] == "pause events" { Ok(()) } else { Err(set) }
    })
    .await;
    let page = operator.get("/controls").await;
    assert!(page.text.contains("<td>pause events</td>") && !page.text.contains("out of date"), "{page:?}");
    for fault in [Wire::Cut, Wire::Hung] {
        wire.set(fault);
        worker.until_misses(Dependency::Database).await;
        let page = operator.get("/controls").await;
        assert_eq!(page.status, StatusCode::OK, "{fault:?}: {page:?}");
        for part in ["out of date", "<td>pause events</td>", "action=\"/try-now\"", ">Try database<", ">Drain<"] {
            assert!(page.text.contains(part), "{fault:?}: {part} is not on the page: {page:?}");
        }
    }
    wire.set(Wire::Whole);
    assert_eq!(operator.submit("/try-now", "service=database&why=it+is+back").await.status, StatusCode::SEE_OTHER);
    until_up(&worker, Dependency::Database).await;
    worker.stop().await;
}

#[tokio::test]
async fn a_worker_whose_database_hangs_lets_operators_in_and_drains_although_it_cannot_record_that() {
    let installation = Installation::with(|config| {
        ask_for_tokens(config);
        // Longer than a call lasts: nobody may wait for the record.
        config.database.connect_timeout = Duration::from_secs(18);
        config.database.statement_timeout = Duration::from_secs(18);
    })
    .await;
    let mut config = installation.config.clone();
    let wire = Proxy::before(&mut config.database.url);
    let worker = Worker::start(config).await;
    wire.set(Wire::Hung);
    let [viewer, operator] = ["viewer", "operator"].map(|role| Caller::of(&worker).bearing(role));
    // Both sessions of the console wait for PostgreSQL when the others come.
    let refused = async || viewer.get("/api/v1/actions").await.status;
    assert_eq!(tokio::join!(refused(), refused()), (StatusCode::FORBIDDEN, StatusCode::FORBIDDEN));
    assert_eq!(Caller::of(&worker).submit("/login", "token=operator").await.status, StatusCode::SEE_OTHER);
    let page = operator.get("/controls").await;
    assert!(page.status == StatusCode::OK && page.text.contains(">Drain<"), "{page:?}");
    let drained = operator.post("/api/v1/drain", &json!({ "reason": "it hangs" })).await;
    assert_eq!(drained.status, StatusCode::ACCEPTED, "{drained:?}");
    wire.set(Wire::Whole);
    worker.until_ended().await;
}

#[tokio::test]
async fn the_command_line_pauses_the_database_and_resumes_it() {
    let installation = Installation::new().await;
    let pause = ["controls", "pause", "database", "--why", "a standby takes over", "--for", "10m"];
    let set = installation.says(&pause).await;
    assert_eq!((&set[0]["control"], &set[0]["reason"]), (&json!("pause database"), &json!("a standby takes over")));
    assert!(set[0]["expiresAt"].is_string(), "{set}");
    let resume = ["controls", "resume", "database", "--why", "it has"];
    assert_eq!(installation.says(&resume).await, json!([]));
}
