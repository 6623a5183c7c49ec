//! The pages in a real browser, where Debian's `chromium-driver` is installed (`make tests` does that where it may): every page
//! in both themes, wide and on a phone; every form by clicks, and the way through the pages by keys alone; after each nothing on
//! the browser's console, and nobody else asked. What the pages look like lies in `target/console/`.

/// Where there is no browser, that is said, and how to get one.
macro_rules! driver_or_skip {
    () => {
        match $crate::support::driven::driver() {
            Some(driver) => driver,
            None => {
                println!("skipped: there is no browser to drive (apt-get install chromium chromium-driver)");
                return;
            }
        }
    };
}

mod choosing;
mod controls;
mod desk;
mod ended;
mod letters;
mod logins;
mod looking;
mod replaying;

use std::collections::BTreeSet;

use serde_json::json;
use uuid::Uuid;

use self::desk::{Click, Desk};
use crate::support::{Caller, Installation, JOINABLE, Message, Worker, ask_for_tokens};

const DEAD: &str = "join-community.dead-letters";

/// All buttons that there are, as the tests below click them.
const CLICKS: [&[Click]; 6] =
    [choosing::CLICKS, controls::CLICKS, letters::CLICKS, logins::CLICKS, looking::CLICKS, replaying::CLICKS];

/// Where a worker's console is.
fn server(worker: &Worker) -> String {
    format!("http://{}", Caller::of(worker).server())
}

/// An installation with a member who joined, the request for that, and a dead letter by which another one could.
struct Stage {
    installation: Installation,
    site: Uuid,
    member: Uuid,
    request: String,
    applicant: Uuid,
}

impl Stage {
    async fn new() -> Self {
        let installation = Installation::with(ask_for_tokens).await;
        let (mut producer, site) = (installation.producer().await, Uuid::new_v4());
        let [member, applicant] =
            [installation.member(site, JOINABLE).await, installation.member(site, JOINABLE).await];
        let stage = Self { installation, site, member, request: Uuid::now_v7().to_string(), applicant };
        let worker = stage.installation.start().await;
        assert_eq!(producer.ask(&Message::join(site, member).id(stage.request.as_str())).await.status, 200);
        assert_eq!(producer.ask(&Message::json(&stage.body(&json!(7)))).await.status, 400);
        stage.installation.until_holds(DEAD, 1).await;
        stage.installation.outbox_is_empty().await;
        worker.stop().await;
        stage
    }

    /// The body of the dead letter, about this member.
    fn body(&self, member: &serde_json::Value) -> serde_json::Value {
        let identity = json!({ "identityType": "MEMBER", "memberId": self.applicant });
        json!({ "siteId": self.site, "memberId": member, "identity": identity })
    }
}

#[test]
fn every_form_of_the_pages_is_one_that_a_browser_sends_by_clicks() {
    let ways = CLICKS.into_iter().flatten().map(|(way, _)| (*way).to_owned());
    let clicked: BTreeSet<String> = ways.filter(|way| way.starts_with("POST ")).collect();
    // The router itself tells nobody what it has.
    let router = include_str!("../../../src/console/pages.rs");
    let taken = router.split(".route(\"").skip(1).filter_map(|route| {
        let (path, methods) = route.split_once('"')?;
        methods.contains("post(").then(|| format!("POST {path}"))
    });
    assert_eq!(taken.collect::<BTreeSet<_>>(), clicked);
    assert!(clicked.len() > 10, "the router is read wrongly: {clicked:?}");
}
