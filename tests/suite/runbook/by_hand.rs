//! What operators set, and forget, by hand: for all workers, for one site, for one worker.

use join_community::app::Stopped;
use join_community::domain::{Bounds, Control, SiteId};
use join_community::postgres::Terms;
use uuid::Uuid;

use super::steps::Steps;
use super::{listening, place};
use crate::controls::until_shows;
use crate::support::{Installation, JOINABLE, Message, PATIENCE, ask_for_tokens, eventually};

#[tokio::test]
async fn what_is_done_by_hand() {
    let installation = Installation::with(ask_for_tokens).await;
    let (worker, site) = (installation.start().await, Uuid::new_v4().to_string());
    let mut steps = Steps::of("By hand", &installation).with("WORKER", place(&worker)).with("SITE", site.as_str());
    std::fs::write(steps.folder().join("operator.token"), "operator").unwrap();
    steps.next().await.tells(&[
        "pause intake, since",
        "Nothing is set.",
        "pause events, since",
        &format!("hold {site}, since"),
        "bounds of 2 lanes, batches of 64, since",
        "The worker tries the database now",
        "The worker stops.",
    ]);
    steps.done();
    assert_eq!(worker.until_ended().await, Stopped::Drained);
}

#[tokio::test]
async fn the_backlog_grows() {
    let installation = Installation::with(listening).await;
    let (producer, worker) = (installation.producer().await, installation.start().await);
    installation.set(Control::PauseIntake, Terms::default()).await;
    installation.until_nobody_consumes().await;
    let crowd = installation.crowd_at_the_door(&producer, 5).await;
    let mut steps = Steps::of("The backlog grows", &installation).with("WORKER", place(&worker));
    steps.next_until("set by hand   pause intake").await;
    steps.next().await.tells(&["Nothing is set."]);
    steps.done();
    installation.all_joined_once(&crowd).await;
    worker.stop().await;
}

#[tokio::test]
async fn one_site_s_backlog() {
    let installation = Installation::new().await;
    let (mut producer, elsewhere) = (installation.producer().await, Uuid::new_v4());
    let crowd = installation.crowd(21).await;
    let (first, rest) = crowd.requests.split_first().expect("a crowd");
    let worker = installation.start().await;
    assert_eq!(producer.ask(first).await.status, 200);
    worker.stop().await;
    // They come while no worker runs, so they wait in one queue, the single one behind all others.
    producer.send_all(rest).await;
    let single = Message::join(elsewhere, installation.member(elsewhere, JOINABLE).await);
    producer.send(&single).await;
    let site = crowd.site.to_string();
    let mut steps = Steps::of("One site's backlog", &installation).with("SITE", site.as_str());
    steps.next().await.tells(&[first.request_id(), "joined"]);
    steps.next().await.tells(&[&format!("hold {site}, since")]);
    let worker = installation.start().await;
    assert_eq!(producer.answer_to(&single).await.status, 200);
    installation.until_holds("join-community.retry.30s", 20).await;
    assert_eq!(installation.answered(&crowd).await, 1, "its requests did not let the other pass");
    steps.next().await.tells(&["Nothing is set."]);
    steps.done();
    // From the ladder, after half a minute.
    eventually("those of the site are answered", PATIENCE * 2, async || match installation.answered(&crowd).await {
        21 => Ok(()),
        answered => Err(answered),
    })
    .await;
    installation.all_joined_once(&crowd).await;
    worker.stop().await;
}

#[tokio::test]
async fn something_is_set_by_hand() {
    let installation = Installation::new().await;
    let (mut producer, mut events) = (installation.producer().await, installation.events().await);
    let (held, site) = (Uuid::new_v4(), Uuid::new_v4());
    let bounds = Terms { bounds: Some(Bounds { lanes: 1, batch: 3 }), seconds: None };
    for (control, terms) in [
        (Control::PauseEvents, Terms::default()),
        (Control::HoldSite(SiteId(held)), Terms::default()),
        (Control::Bounds, bounds),
    ] {
        installation.set(control, terms).await;
    }
    let worker = installation.start().await;
    until_shows(&worker, "join_community_control_set", 3).await;
    let member = installation.member(site, JOINABLE).await;
    assert_eq!(producer.ask(&Message::join(site, member)).await.status, 200);
    assert_eq!(events.all_so_far().await.len(), 0);
    let mut steps = Steps::of("Something is set by hand", &installation).with("SITE", held.to_string());
    steps.next().await.tells(&[
        "pause events, since",
        &format!("hold {held}, since"),
        "bounds of 1 lanes, batches of 3, since",
        "controls.set pause events",
    ]);
    steps.next().await.tells(&["Nothing is set."]);
    steps.done();
    events.until(member).await;
    until_shows(&worker, "join_community_control_set", 0).await;
    worker.stop().await;
}
