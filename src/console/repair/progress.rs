//! How far a replay is, as it is shown while it goes on. Separate, because it is told by the replay and read by pages.

use std::collections::BTreeSet;

use serde::Serialize;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Plan;
use crate::rabbitmq::dead_letters::{Letter, shown_id};
use crate::replay::{Failure, Tally};
use crate::wire::instant;

/// Most refusals that are shown one by one; all are counted.
const MOST_SHOWN: usize = 50;

/// A replay, and how far it is.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::console) struct Progress {
    /// Names it: stands in header `x-join-community-replay` of what it sends.
    pub(in crate::console) id: String,
    /// Who began it.
    pub(in crate::console) who: String,
    /// What is replayed.
    pub(in crate::console) letters: String,
    /// When it began.
    pub(in crate::console) began: String,
    /// Whether it goes on.
    pub(in crate::console) running: bool,
    /// What it came to, once it has ended.
    pub(in crate::console) outcome: Option<String>,
    /// Whether it stopped before its end, so that it can be gone on with.
    pub(in crate::console) resumable: bool,
    /// What was replayed before it stopped and was gone on with.
    pub(in crate::console) replayed_before: u32,
    /// Counts, and the first failures; since it was gone on with, if it was.
    #[schema(value_type = Object)]
    pub(in crate::console) tally: Tally,
    /// The first letters that cannot be replayed, and why.
    #[schema(value_type = Vec<Object>)]
    pub(in crate::console) refused: Vec<Failure>,
}

/// What it takes to go on with a replay that stopped.
pub(super) struct Rest {
    pub(super) plan: Plan,
    pub(super) id: Uuid,
    /// Letters that were sent and may lie there still.
    pub(super) confirmed: BTreeSet<String>,
    /// How many were replayed so far.
    pub(super) replayed: u32,
}

/// How a replay ended.
pub(super) struct Ended {
    pub(super) tally: Tally,
    pub(super) confirmed: BTreeSet<String>,
    pub(super) failed: bool,
    pub(super) outcome: String,
}

pub(super) struct Running {
    id: Uuid,
    plan: Plan,
    confirmed: BTreeSet<String>,
    progress: Progress,
    stop: CancellationToken,
}

impl Running {
    pub(super) fn new(id: Uuid, who: &str, plan: Plan, replayed_before: u32) -> Self {
        let progress = Progress {
            id: id.to_string(),
            who: who.to_owned(),
            letters: plan.words.clone(),
            began: instant::text(OffsetDateTime::now_utc()),
            running: true,
            outcome: None,
            resumable: false,
            replayed_before,
            tally: Tally::default(),
            refused: Vec::new(),
        };
        Self { id, plan, confirmed: BTreeSet::new(), progress, stop: CancellationToken::new() }
    }

    pub(super) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// What it takes to go on, if it stopped before its end.
    pub(super) fn rest(&self) -> Option<Rest> {
        let replayed = self.progress.replayed_before + self.progress.tally.replayed;
        let rest = || Rest { plan: self.plan.clone(), id: self.id, confirmed: self.confirmed.clone(), replayed };
        self.progress.resumable.then(rest)
    }

    pub(super) fn token(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Whether there was something to stop.
    pub(super) fn stop(&self) -> bool {
        self.stop.cancel();
        self.progress.running
    }

    pub(super) fn refused(&mut self, letter: &Letter, why: &str) {
        if self.progress.refused.len() < MOST_SHOWN {
            let request_id = letter.incoming.message_id.as_deref().map(shown_id).unwrap_or_default();
            self.progress.refused.push(Failure { id: letter.id.clone(), request_id, why: why.to_owned() });
        }
    }

    pub(super) fn counted(&mut self, tally: &Tally) {
        self.progress.tally.clone_from(tally);
    }

    pub(super) fn ended(&mut self, Ended { tally, confirmed, failed, outcome }: Ended) {
        self.confirmed = confirmed;
        let progress = &mut self.progress;
        progress.running = false;
        progress.resumable = failed || tally.left > 0;
        progress.tally = tally;
        progress.outcome = Some(outcome);
    }
}

/// What a replay came to, in a line.
pub(super) fn outcome(tally: &Tally, failed: Option<&str>) -> String {
    let Tally { replayed, refused, came_back, unsettled, left, stopped, .. } = tally;
    let counts = format!("replayed {replayed}, refused {refused}, came back {came_back}, without outcome {unsettled}");
    match (failed, stopped) {
        (Some(error), _) => format!("{counts}; failed: {error}"),
        (None, Some(why)) => format!("{counts}, left {left}; stopped: {why}"),
        (None, None) => counts,
    }
}
