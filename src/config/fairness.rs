//! `[fairness]`: how much of a crowded queue one site may have. A section of its own, beside the others for its length.

use std::time::Duration;

use serde::Deserialize;

use super::duration;

/// `[fairness]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fairness {
    /// The part of a batch that one site may have while the queue is crowded; 1.0 = all of it.
    pub share: f64,
    /// A queue is crowded once what lies in it takes longer than this.
    #[serde(with = "duration")]
    pub patience: Duration,
}

impl Fairness {
    /// Whether anybody ever makes way.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.share < 1.0
    }
}
