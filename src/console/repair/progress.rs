//! How far a replay is, as it is shown while it goes on. Separate, because it is told by the replay and read by pages.

use serde::Serialize;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use uuid::Uuid;

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
    /// Counts, and the first failures.
    #[schema(value_type = Object)]
    pub(in crate::console) tally: Tally,
    /// The first letters that cannot be replayed, and why.
    #[schema(value_type = Vec<Object>)]
    pub(in crate::console) refused: Vec<Failure>,
}

pub(super) struct Running {
    progress: Progress,
    stop: CancellationToken,
}

impl Running {
    pub(super) fn new(id: Uuid, who: &str, letters: &str) -> Self {
        let progress = Progress {
            id: id.to_string(),
            who: who.to_owned(),
            letters: letters.to_owned(),
            began: instant::text(OffsetDateTime::now_utc()),
            running: true,
            outcome: None,
            tally: Tally::default(),
            refused: Vec::new(),
        };
        Self { progress, stop: CancellationToken::new() }
    }

    pub(super) fn progress(&self) -> Progress {
        self.progress.clone()
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

    pub(super) fn ended(&mut self, tally: &Tally, outcome: &str) {
        self.counted(tally);
        self.progress.running = false;
        self.progress.outcome = Some(outcome.to_owned());
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
