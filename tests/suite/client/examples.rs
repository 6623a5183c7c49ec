//! The programs of `examples/rust`, compiled into this test and run as their own `main` runs them.

use std::ops::ControlFlow;

use join_community::client::{MemberId, SiteId};
use secrecy::ExposeSecret as _;
use uuid::Uuid;

use super::request;
use crate::support::{Installation, JOINABLE, MemberSpec, PATIENCE, eventually};

#[expect(dead_code, reason = "its `main` reads what the environment says")]
#[path = "../../../examples/rust/cache_reader.rs"]
mod cache_reader;
#[expect(dead_code, reason = "its `main` reads what the environment says")]
#[path = "../../../examples/rust/consumer.rs"]
mod consumer;
#[expect(dead_code, reason = "its `main` reads what the environment says")]
#[path = "../../../examples/rust/enqueue.rs"]
mod enqueue;
#[expect(dead_code, reason = "its `main` reads what the environment says")]
#[path = "../../../examples/rust/join.rs"]
mod join;

#[tokio::test]
async fn a_member_joins_by_the_examples_and_is_heard_of_and_found() {
    let installation = Installation::new().await;
    let (producer, administrator) = (installation.vhost().producer_url.clone(), installation.administrator_url());
    let site = Uuid::new_v4();
    let [ada, ben] = installation.members(site, JOINABLE, 2).await.try_into().unwrap();
    let blocked = installation.member(site, MemberSpec { status: "BLOCKED", ..JOINABLE }).await;

    // Its queue is bound before anything is announced, because the worker is not there yet.
    let lines = format!("{site} {ben} ben-1\n{site} {blocked} blocked-1\n");
    let mut heard = Vec::new();
    let consuming = consumer::run(&administrator, "member-consumer.rust", |event| {
        heard.push(event.member.id);
        if heard.len() == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let asking = async {
        until_bound(&installation, "member-consumer.rust").await;
        assert_eq!(enqueue::run(&producer, &lines).await.unwrap(), 0);
        let worker = installation.start().await;
        assert_eq!(join::run(&producer, &request(site, ada)).await.unwrap(), 0);
        assert_eq!(join::run(&producer, &request(site, blocked)).await.unwrap(), 1);
        worker
    };
    let both = Box::pin(async { tokio::join!(consuming, asking) });
    let (consumed, worker) = tokio::time::timeout(PATIENCE * 2, both).await.unwrap();
    consumed.unwrap();
    assert!([ada, ben].iter().all(|member| heard.contains(&MemberId(*member))), "{heard:?}");

    installation.cached_at(site, ada, JOINABLE.sequence + 1).await;
    let (url, prefix) = (installation.config.cache.url.clone(), installation.config.cache.prefix.clone());
    let found = cache_reader::run(url.expose_secret(), &prefix, SiteId(site), MemberId(ada)).await.unwrap();
    assert_eq!(found.and_then(|member| member.profile?.nickname).as_deref(), Some("Jane"));
    let none = cache_reader::run(url.expose_secret(), &prefix, SiteId(site), MemberId(blocked)).await.unwrap();
    assert_eq!(none, None);
    worker.stop().await;
}

/// Waits until a queue is bound to the events.
async fn until_bound(installation: &Installation, queue: &str) {
    let vhost = installation.vhost();
    let path = format!("bindings/{}?columns=source,destination", vhost.name);
    eventually("the consumer's queue is bound", PATIENCE, async || {
        let bindings = vhost.manage(reqwest::Method::GET, &path, None).await;
        let is_ours = |one: &serde_json::Value| one["source"] == "members.events" && one["destination"] == queue;
        if bindings.as_array().into_iter().flatten().any(is_ours) { Ok(()) } else { Err(bindings) }
    })
    .await;
}
