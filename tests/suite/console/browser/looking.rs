//! What is only looked at: the overview, live and in an outage; the search of requests, one request, its member; what
//! operators did.

use join_community::operations::Dependency;

use super::{Click, Desk, Stage, server};
use crate::support::{Proxy, Wire, Worker};

const SEARCH: Click = ("GET /requests", "Search");
pub(super) const CLICKS: &[Click] = &[SEARCH];

#[tokio::test]
async fn an_overview_that_stays_open_tells_of_an_outage_and_of_its_end() {
    let driver = driver_or_skip!();
    let stage = Stage::new().await;
    let mut config = stage.installation.alert();
    let wire = Proxy::before(&mut config.cache.url);
    let worker = Worker::start(config).await;
    let mut desk = Desk::at(&driver, &server(&worker)).await;
    desk.log_in("viewer").await;
    let light = |state: &str| format!("//ul[@class='lights']/li[@class='{state}'][strong='cache']");
    desk.is_live().await;
    desk.browser.until(&light("good")).await;
    desk.shows("overview").await;
    wire.set(Wire::Cut);
    worker.until_misses(Dependency::Cache).await;
    desk.browser.until(&light("bad")).await;
    desk.shows("overview-outage").await;
    wire.set(Wire::Whole);
    desk.browser.until(&light("good")).await;
    desk.is_live().await;
    desk.leaves(&[]).await;
    worker.stop().await;
}

#[tokio::test]
async fn what_is_on_record_is_searched_for_and_followed_from_link_to_link() {
    let driver = driver_or_skip!();
    let stage = Stage::new().await;
    let worker = stage.installation.start().await;
    let mut desk = Desk::at(&driver, &server(&worker)).await;
    desk.log_in("admin").await;
    desk.browser.click("//nav//a[text()='Requests']").await;
    desk.arrives("Requests").await;
    desk.click(SEARCH, &[("site", &stage.site.to_string())]).await;
    let of_request = format!("//td/a[@href='/requests/{}']", stage.request);
    desk.browser.until(&of_request).await;
    desk.shows("requests").await;
    desk.browser.click(&of_request).await;
    desk.arrives("Request ").await;
    desk.browser.until_text("profile at sequence 17, as the record").await;
    desk.shows("request").await;
    desk.browser.click(&format!("//dd/a[contains(@href, '{}')]", stage.member)).await;
    desk.arrives("Member").await;
    desk.browser.until("//li[@class='event'][contains(., ': confirmed')]").await;
    desk.shows("member").await;
    desk.browser.click("//nav//a[text()='Actions']").await;
    desk.arrives("Actions").await;
    desk.browser.until("//td[.='login']").await;
    desk.shows("actions").await;
    desk.leaves(CLICKS).await;
    worker.stop().await;
}
