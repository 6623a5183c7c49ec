//! The node lost that leads the shards of the requests. Apart from the other faults of a cluster, because the order of each
//! member's requests is promised here, too.

use anyhow::{Result, ensure};

use super::{REQUESTS, leader, lose_and_bring_back, mixed, parts, set};
use crate::cluster::{self, Deed};
use crate::in_turn::InTurn;
use crate::trial::{Outcome, Trial};

/// Requests are spread over so many queues.
const SHARDS: u16 = 6;
/// Members who join and leave in turn.
const MEMBERS: usize = 12;

/// What lies in a shard when its node dies, or comes later, is decided in its order; what a worker has in hand then comes back,
/// and may be overtaken.
pub(super) async fn kill_their_leader(trial: Trial) -> Result<Outcome> {
    let cluster = cluster::turn().await?;
    let mut stage = set(&cluster, &trial, SHARDS).await?;
    let mut load = mixed(&stage, &trial).await?;
    let turns = if trial.quick { 16 } else { 64 };
    let in_turn = InTurn::add(&mut load, &stage.installation, MEMBERS, turns).await;
    let (mut ledger, parts) = parts(load, 2);
    let node = leader(&cluster, &stage).await?;
    let both = parts.try_into().map_err(|_| anyhow::anyhow!("not two parts"))?;
    let moved = lose_and_bring_back((&cluster, &stage), (node, Deed::Kill), &mut ledger, both).await?;
    stage.healed();
    stage.installation.reconnect().await;
    stage.rest(&ledger).await;
    for number in 1..=SHARDS {
        let left = stage.installation.depth(&format!("{REQUESTS}.{number}")).await;
        ensure!(left == 0, "{left} requests still lie in shard {number}");
    }
    ledger.in_order = in_turn.promised(&trial.folder, &ledger)?;
    let (all, promised) = (in_turn.len(), ledger.in_order.iter().map(Vec::len).sum::<usize>());
    let pairs: usize = ledger.in_order.iter().map(|places| places.len().saturating_sub(1)).sum();
    ensure!(pairs > 0, "no two requests of a member had to be in order; see {}", trial.folder.display());
    let outcome = stage.compare(ledger).await?;
    let told = format!("{moved} queues had to find another leader, {promised} of {all} requests in turn kept in order");
    Ok(Outcome { note: told, ..outcome })
}
