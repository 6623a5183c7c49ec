//! A client whose broker blocks publishers for lack of memory: its requests wait, and its connection is none the worse.

use std::time::Duration;

use join_community::client::{Broker, EnqueueError, JoinCommunity, JoinRequest, MemberId, SiteId, Unsent};
use uuid::Uuid;

use crate::support::services::{Alarm, alone};
use crate::support::{Installation, PATIENCE};

fn request() -> JoinRequest {
    JoinRequest::member(SiteId(Uuid::new_v4()), MemberId(Uuid::new_v4()))
}

#[tokio::test]
async fn a_client_that_is_blocked_keeps_its_connection_and_sends_when_it_may() {
    let _turn = alone().await;
    let installation = Installation::new().await;
    // How long the broker may be silent; it is for longer.
    let silence = Duration::from_secs(2);
    let broker = Broker::at(&installation.vhost().producer_url).unwrap().timeout(silence);
    let client = JoinCommunity::connect(&broker).await.unwrap();
    let alarm = Alarm::raise();
    // A connection is blocked by what it publishes, and that may still be taken.
    drop(client.within(silence / 2).enqueue(&request()).await);
    let patient = client.within(PATIENCE);
    let waiting = tokio::spawn(async move { patient.enqueue(&request()).await });
    let gave_up = client.within(silence * 3).enqueue(&request()).await;
    let is_blocked = matches!(
        gave_up,
        Err(EnqueueError::TimedOut { .. } | EnqueueError::NotSent(Unsent::Unavailable { why: None, .. }))
    );
    assert!(is_blocked, "{gave_up:?}");
    // The test stands still meanwhile, and what the broker was silent before does not count.
    alarm.end();
    waiting.await.unwrap().unwrap();
    client.close().await;
}
