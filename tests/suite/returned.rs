//! What a lane gives back to the queue when it begins anew or stops under load: nothing. Whatever comes back has used up a
//! delivery, and is tried alone, while what lies behind it in the same lane waits.

use join_community::app::Stopped;
use join_community::domain::{Bounds, Control};
use join_community::postgres::Terms;
use sqlx::Executor as _;

use crate::fairness::SLOW;
use crate::shards::{SHARDS, spread};
use crate::support::{Installation, PATIENCE, eventually};

const SUSPECTS: &str = "join_community_suspects_total";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lane_that_begins_anew_under_load_has_nothing_returned() {
    let installation = Installation::new().await;
    let mut records = installation.stranger().await;
    records.execute(SLOW).await.unwrap();
    let crowd = installation.crowd_at_the_door(&installation.producer().await, 1_000).await;
    let set = async |lanes, batch| {
        installation.set(Control::Bounds, Terms { bounds: Some(Bounds { lanes, batch }), seconds: None }).await;
    };
    set(1, 1).await;
    let worker = installation.start().await;
    for (lanes, batch) in [(2, 2), (1, 1), (2, 2), (1, 1)] {
        set(lanes, batch).await;
        let chosen =
            || ["lanes_wanted", "prefetch_requests"].map(|gauge| worker.counted(&format!("join_community_{gauge}")));
        let expected = [lanes.into(), 2 * u64::from(batch)];
        eventually(&format!("{expected:?} are chosen"), PATIENCE, async || match chosen() {
            seen if seen == expected => Ok(()),
            seen => Err(seen),
        })
        .await;
    }
    assert!(installation.answered(&crowd).await < crowd.members.len(), "nothing was left at the last change");
    records.execute("DROP TRIGGER slow ON join_requests").await.unwrap();
    installation.all_recorded_once(&crowd).await;
    assert_eq!(worker.counted(SUSPECTS), 0, "deliveries came back");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_stops_under_load_leaves_nothing_to_be_tried_alone() {
    let installation = Installation::with(|config| (config.join.batch_max, config.join.prefetch) = (8, 16)).await;
    let mut records = installation.stranger().await;
    records.execute(SLOW).await.unwrap();
    let crowd = installation.crowd_at_the_door(&installation.producer().await, 1_000).await;
    for stop_at in [100, 200, 300] {
        let worker = installation.start().await;
        installation.until_answered(&crowd, stop_at).await;
        assert_eq!(worker.stop().await, Stopped::Drained);
    }
    let left = installation.depth("join-community.requests").await;
    assert!(left > 0, "nothing was left when the last one stopped");
    records.execute("DROP TRIGGER slow ON join_requests").await.unwrap();
    let worker = installation.start().await;
    installation.all_recorded_once(&crowd).await;
    assert_eq!(worker.counted(SUSPECTS), 0, "deliveries came back");
    worker.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shard_that_is_left_to_another_worker_under_load_has_nothing_returned() {
    let installation = Installation::with(|config| {
        spread(config);
        (config.join.batch_max, config.join.prefetch) = (2, 8);
    })
    .await;
    let mut records = installation.stranger().await;
    records.execute(SLOW).await.unwrap();
    let crowd = installation.crowd_at_the_door(&installation.producer().await, 3_000).await;
    let workers = [installation.start().await, installation.start().await];
    eventually("each worker holds half of the shards", PATIENCE * 2, async || {
        let held = workers.each_ref().map(|worker| worker.counted("join_community_shards_held"));
        if held == [u64::from(SHARDS / 2); 2] { Ok(()) } else { Err(held) }
    })
    .await;
    assert!(
        installation.answered(&crowd).await < crowd.members.len(),
        "nothing was left when shards had changed hands"
    );
    records.execute("DROP TRIGGER slow ON join_requests").await.unwrap();
    installation.all_recorded_once(&crowd).await;
    for worker in workers {
        assert_eq!(worker.counted(SUSPECTS), 0, "deliveries came back");
        worker.stop().await;
    }
}
