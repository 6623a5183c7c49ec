//! The client library against the real worker and the real services.

mod events;
mod examples;
mod faults;
mod joining;
mod profiles;
mod tls;

use std::time::Duration;

use join_community::client::{Broker, JoinCommunity, JoinRequest, MemberId, SiteId};
use uuid::Uuid;

use crate::support::{Installation, PATIENCE, eventually};

/// A broker as a client sees it that notices faults soon.
fn broker(url: &str) -> Broker {
    let brisk = Duration::from_millis(100);
    Broker::at(url).unwrap().heartbeat(Duration::from_secs(2)).longest_pause(brisk)
}

/// A patient client that the worker believes.
async fn client(installation: &Installation) -> JoinCommunity {
    JoinCommunity::connect(&broker(&installation.vhost().producer_url)).await.unwrap().within(PATIENCE)
}

/// A member who asks to join.
fn request(site: Uuid, member: Uuid) -> JoinRequest {
    JoinRequest::member(SiteId(site), MemberId(member))
}

/// Waits until so many requests lie in their queue.
async fn until_waiting(installation: &Installation, count: u32) {
    eventually(&format!("{count} requests wait"), PATIENCE, async || {
        match installation.depth("join-community.requests").await {
            found if found == count => Ok(()),
            found => Err(found),
        }
    })
    .await;
}
