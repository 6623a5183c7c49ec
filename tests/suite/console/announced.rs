//! When the event of a request was confirmed and the cache took its change, as `explain`, API and timeline tell it.

use join_community::domain::Control;
use join_community::operations::Dependency;
use join_community::postgres::Terms;
use serde_json::Value;
use uuid::Uuid;

use crate::support::{Installation, JOINABLE, Message, PATIENCE, Proxy, Wire, Worker, eventually};

/// What `explain` says of a request.
async fn explained(installation: &Installation, request: &Message) -> Value {
    installation.says(&["explain", request.request_id()]).await[0].take()
}

fn text<'a>(explained: &'a Value, field: &str) -> &'a str {
    explained[field].as_str().unwrap_or_else(|| panic!("no {field}: {explained}"))
}

#[tokio::test]
async fn a_request_tells_when_its_change_was_announced_once_it_is_and_not_before() {
    let installation = Installation::new().await;
    for control in [Control::PauseEvents, Control::PauseCache] {
        installation.set(control, Terms::default()).await;
    }
    let worker = installation.start().await;
    for dependency in [Dependency::Publishing, Dependency::Cache] {
        worker.until_held(dependency).await;
    }
    let (mut producer, site) = (installation.producer().await, Uuid::new_v4());
    let request = Message::join(site, installation.member(site, JOINABLE).await);
    assert_eq!(producer.ask(&request).await.status, 200);
    let owed = explained(&installation, &request).await;
    assert_eq!((&owed["owed"]["event"], &owed["owed"]["cache"]), (&true.into(), &true.into()), "{owed}");
    for field in ["confirmedAt", "confirmedSequence", "cachedAt", "cachedSequence"] {
        assert!(owed[field].is_null(), "{field}: {owed}");
    }
    for control in [Control::PauseEvents, Control::PauseCache] {
        installation.release(control).await;
    }
    installation.outbox_is_empty().await;
    let told = explained(&installation, &request).await;
    for side in ["confirmed", "cached"] {
        // Written alike, so the later one is the greater.
        assert!(text(&told, &format!("{side}At")) >= text(&told, "decidedAt"), "{side}: {told}");
        assert_eq!(text(&told, &format!("{side}Sequence")), "17", "{side}: {told}");
    }
    assert!(told["announcementGap"].is_null() && told["owed"].is_null(), "{told}");
    worker.stop().await;
}

#[tokio::test]
async fn while_the_cache_is_away_the_event_s_time_is_told_and_the_entry_s_once_it_is_back() {
    let installation = Installation::new().await;
    let mut config = installation.alert();
    let wire = Proxy::before(&mut config.cache.url);
    wire.set(Wire::Cut);
    let worker = Worker::start(config).await;
    let (mut producer, site) = (installation.producer().await, Uuid::new_v4());
    let request = Message::join(site, installation.member(site, JOINABLE).await);
    assert_eq!(producer.ask(&request).await.status, 200);
    let half = eventually("the event's time is told", PATIENCE, async || {
        let told = explained(&installation, &request).await;
        if told["confirmedAt"].is_string() { Ok(told) } else { Err(told) }
    })
    .await;
    assert!(half["cachedAt"].is_null() && text(&half, "announcementGap").contains("not found among"), "{half}");
    wire.set(Wire::Whole);
    installation.outbox_is_empty().await;
    let whole = explained(&installation, &request).await;
    assert_eq!(whole["confirmedAt"], half["confirmedAt"], "the event was confirmed once");
    assert!(text(&whole, "cachedAt") >= text(&whole, "confirmedAt"), "{whole}");
    worker.stop().await;
}

#[tokio::test]
async fn a_change_that_was_folded_into_a_newer_one_is_told_with_that_one() {
    let installation = Installation::new().await;
    installation.set(Control::PauseEvents, Terms::default()).await;
    let worker = installation.start().await;
    worker.until_held(Dependency::Publishing).await;
    let (mut producer, site) = (installation.producer().await, Uuid::new_v4());
    let member = installation.member(site, JOINABLE).await;
    let request = Message::join(site, member);
    assert_eq!(producer.ask(&request).await.status, 200);
    let mute = "UPDATE members SET activity_status = 'MUTED' WHERE site_id = $1 AND id = $2";
    installation.change(site, member, mute).await;
    installation.release(Control::PauseEvents).await;
    installation.outbox_is_empty().await;
    let told = explained(&installation, &request).await;
    assert_eq!((text(&told, "eventSequence"), text(&told, "confirmedSequence")), ("17", "18"), "{told}");
    let said = installation.run(&["explain", request.request_id()]).await.stdout;
    let line = said.lines().find(|line| line.trim_start().starts_with("confirmed")).unwrap_or_else(|| panic!("{said}"));
    assert!(line.ends_with("folded into the one of sequence 18"), "{line}");
    let (site, member) = (site.to_string(), member.to_string());
    let timeline = installation.says(&["members", "timeline", &site, &member]).await;
    let steps = timeline["steps"].as_array().unwrap();
    let event = steps.iter().find(|step| step["what"] == "event").unwrap();
    assert_eq!(event["at"], told["confirmedAt"], "{timeline}");
    worker.stop().await;
}
