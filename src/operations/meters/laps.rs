//! How long each step of a batch takes. A lane keeps time for itself, and tells it once a batch: nothing is shared while
//! the work is done.

use std::time::Duration;

use tokio::time::Instant;

/// A step of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Decode, and prove who asks.
    Read,
    /// What stands recorded.
    Load,
    /// The rule.
    Decide,
    /// What is decided becomes durable.
    Commit,
    /// Replies offered, changes handed over.
    Answer,
    /// Acknowledgements written.
    Ack,
}

impl Step {
    /// The words, in the order of the steps.
    pub const WORDS: &[&str] = &["read", "load", "decide", "commit", "answer", "ack"];

    /// The word in metrics and traces.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        Self::WORDS[self as usize]
    }
}

/// One step of one batch.
#[derive(Clone, Copy, Debug)]
pub struct Lap {
    /// Which.
    pub step: Step,
    /// When it began.
    pub began: Instant,
    /// When it was done.
    pub ended: Instant,
}

impl Lap {
    /// How long it took.
    #[must_use]
    pub fn took(&self) -> Duration {
        self.ended - self.began
    }
}

/// The steps of one batch so far, one after the other without a gap.
#[derive(Debug)]
pub struct Laps {
    began: Instant,
    laps: Vec<Lap>,
}

impl Laps {
    /// Begins now.
    #[must_use]
    pub fn begin() -> Self {
        Self { began: Instant::now(), laps: Vec::with_capacity(4) }
    }

    /// Notes that a step is done, which began when the last one was.
    pub fn done(&mut self, step: Step) {
        self.laps.push(Lap { step, began: self.latest(), ended: Instant::now() });
    }

    /// When the first step began.
    #[must_use]
    pub const fn began(&self) -> Instant {
        self.began
    }

    /// From the beginning to the end of the latest step.
    #[must_use]
    pub fn total(&self) -> Duration {
        self.latest() - self.began
    }

    /// The steps, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Lap> {
        self.laps.iter()
    }

    fn latest(&self) -> Instant {
        self.laps.last().map_or(self.began, |lap| lap.ended)
    }
}
