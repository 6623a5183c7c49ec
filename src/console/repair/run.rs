//! A replay in the background: begun, and gone on with where it stopped. Apart from what is done while somebody waits,
//! because it outlives the call.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

use super::progress::{self, Ended, Rest, Running};
use super::{Plan, Repair};
use crate::console::failure::Failure;
use crate::console::letters::Letters;
use crate::console::oldest::open;
use crate::postgres::{Role, Session};
use crate::rabbitmq::courier::Courier;
use crate::replay::{Parts, Replay, Told};
use crate::telemetry::chain;

/// The earlier runs of a replay that is gone on with.
struct Earlier {
    id: Uuid,
    confirmed: BTreeSet<String>,
    replayed: u32,
}

impl Repair {
    /// Begins a replay; `ended` hears what it came to.
    pub(super) async fn start<F>(
        &self,
        letters: &Letters,
        plan: Plan,
        who: &str,
        ended: impl FnOnce(String) -> F + Send + 'static,
    ) -> Result<(), Failure>
    where
        F: Future<Output = ()> + Send,
    {
        let turn = letters.turn()?;
        self.launch(turn, (plan, None), who, ended).await
    }

    /// Goes on with the last replay by the order that it had: what it sent is not sent again, even if it came back, and steps
    /// begin small again.
    pub(super) async fn resume<F>(
        &self,
        letters: &Letters,
        who: &str,
        ended: impl FnOnce(String) -> F + Send + 'static,
    ) -> Result<(), Failure>
    where
        F: Future<Output = ()> + Send,
    {
        // Whoever has the turn knows that nothing goes on, and that what ended last is known.
        let turn = letters.turn()?;
        let rest = self.running.lock().unwrap_or_else(PoisonError::into_inner).as_ref().and_then(Running::rest);
        let Rest { plan, id, confirmed, replayed } = rest.ok_or_else(nothing_left)?;
        self.launch(turn, (plan, Some(Earlier { id, confirmed, replayed })), who, ended).await
    }

    async fn launch<F>(
        &self,
        turn: OwnedMutexGuard<()>,
        (plan, earlier): (Plan, Option<Earlier>),
        who: &str,
        ended: impl FnOnce(String) -> F + Send + 'static,
    ) -> Result<(), Failure>
    where
        F: Future<Output = ()> + Send,
    {
        let (config, way_back) = (Arc::clone(&self.config), self.way_back(plan.force)?);
        let (way_back, confirmed, before) = match earlier {
            Some(Earlier { id, confirmed, replayed }) => (way_back.of(id), confirmed, replayed),
            None => (way_back, BTreeSet::new(), 0),
        };
        // Whether they can be read is said at once. It goes through all of them, however many: nobody waits for it.
        open(&config.broker).await?.leave().await;
        let courier = Courier::connect(&config.broker.url, "join-community console replay", &config.broker).await?;
        let store = Session::new(&config.database, Role::Tool)?;
        let order = plan.order.clone();
        let running = Running::new(way_back.id(), who, plan, before);
        let stop = running.token();
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(running);
        let shared = Arc::clone(&self.running);
        tokio::spawn(async move {
            let parts = Parts { broker: config.broker.clone(), way_back, courier, store };
            let mut replay = Replay::new(parts, order, stop).knowing(confirmed);
            let update = |change: &mut dyn FnMut(&mut Running)| {
                if let Some(running) = shared.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
                    change(running);
                }
            };
            let done = replay
                .run(&mut |told| match told {
                    Told::Refused(letter, why) => update(&mut |running| running.refused(letter, why)),
                    Told::Counted(tally) => update(&mut |running| running.counted(tally)),
                })
                .await;
            let failed = done.err().map(|error| chain(&error));
            let (tally, confirmed) = (replay.tally().clone(), replay.confirmed().clone());
            replay.close().await;
            let outcome = progress::outcome(&tally, failed.as_deref());
            let end = Ended { tally, confirmed, failed: failed.is_some(), outcome: outcome.clone() };
            finish(&shared, turn, end);
            ended(outcome).await;
        });
        Ok(())
    }
}

/// Whoever sees that it has ended finds the letters free; whoever finds them free sees that it has ended.
fn finish(shared: &Mutex<Option<Running>>, turn: OwnedMutexGuard<()>, end: Ended) {
    let mut running = shared.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(running) = running.as_mut() {
        running.ended(end);
    }
    drop(turn);
}

/// Why there is nothing to go on with.
pub(super) fn nothing_left() -> Failure {
    Failure::Refused("no replay of this worker stopped before its end: there is nothing to go on with".to_owned())
}
