//! `[fairness]`: what of new requests is taken ahead of a crowded queue. A section of its own, beside the others for its length.

use std::time::Duration;

use serde::Deserialize;

use super::duration;

/// `[fairness]`
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fairness {
    /// The part of a batch up to which a site crowds nobody, and up to which its new requests are taken ahead; 0 = none are.
    pub share: f64,
    /// A queue is crowded once what lies in it takes longer than this.
    #[serde(with = "duration")]
    pub patience: Duration,
}

impl Fairness {
    /// Whether anything is ever taken ahead.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.share > 0.0
    }
}
