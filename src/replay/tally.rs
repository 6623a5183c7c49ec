//! What a replay came to so far. Separate, because it is read while the replay goes on.

use std::collections::BTreeMap;

use serde::Serialize;

/// Most failures that are told one by one; all are counted.
const MOST_TOLD: usize = 100;

/// Counts, and the first failures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// Letters that were meant when it began.
    pub chosen: u32,
    /// Steps that were taken.
    pub steps: u32,
    /// Letters whose replacement is confirmed, and which are gone.
    pub replayed: u32,
    /// Letters that cannot be replayed, and stay.
    pub refused: u32,
    /// Verdicts of those that were replayed, by their word.
    pub verdicts: BTreeMap<&'static str, u32>,
    /// Those that became dead letters again.
    pub came_back: u32,
    /// Those without an outcome when waiting ended: on the ladder, in the queue, or no worker runs.
    pub unsettled: u32,
    /// Letters that were meant and still lie there untried.
    pub left: u32,
    /// Why it stopped before its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// The first failures.
    pub failed: Vec<Failure>,
}

/// What became of a letter that was not meant to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The letter.
    pub id: String,
    /// The request's id.
    pub request_id: String,
    /// What became of it.
    pub why: String,
}

impl Tally {
    /// Keeps a failure, if there is room.
    pub(super) fn tell(&mut self, failure: impl FnOnce() -> Failure) {
        if self.failed.len() < MOST_TOLD {
            self.failed.push(failure());
        }
    }
}
