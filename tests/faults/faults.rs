//! The matrix: every fault that is tried, by group. A file for each group, each with a list of its own.

mod answers;
mod clocks;
mod cluster;
mod crash_points;
mod cuts;
mod deadlocks;
mod disk;
mod keys;
mod killer;
mod kills;
mod late;
mod messages;
mod network;
mod one_of_many;
mod poison;
mod postgres;
mod rabbitmq;
mod redis;
mod services;
mod topology;
mod world;

use std::time::Duration;

use futures_util::FutureExt as _;

use crate::stage::Stage;
use crate::trial::Fault;

/// All faults, in the order in which they are made.
pub(crate) fn all() -> Vec<Fault> {
    [
        none(),
        // In front, because a cluster takes its time to start, and others can use that.
        cluster::faults(),
        crash_points::faults(),
        killer::faults(),
        kills::faults(),
        late::faults(),
        network::faults(),
        cuts::faults(),
        answers::faults(),
        one_of_many::faults(),
        services::faults(),
        rabbitmq::faults(),
        topology::faults(),
        messages::faults(),
        postgres::faults(),
        deadlocks::faults(),
        disk::faults(),
        redis::faults(),
        world::faults(),
        keys::faults(),
        clocks::faults(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The control: where nothing is broken, everything must be in order as well.
fn none() -> Vec<Fault> {
    vec![Fault {
        name: "none",
        what: "nothing is broken",
        quick: true,
        alone: false,
        workers: &[1, 3],
        run: |trial| {
            async move {
                let stage = Stage::with_workers(&trial).await?;
                let sender = stage.load(300, Duration::ZERO).await?;
                stage.conclude(sender).await
            }
            .boxed()
        },
    }]
}
