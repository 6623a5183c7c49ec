//! How many messages lie in which of our queues: for the metrics, and for the lanes, who make no dead letter of a malformed
//! message when there are too many already.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use lapin::Connection;

use crate::operations::{Dependency, Meters};
use crate::rabbitmq::depth;
use crate::rabbitmq::topology::{Names, RUNGS};

/// The watch over the queues.
pub(super) struct Depths {
    meters: Meters,
    dead_letters: Arc<AtomicU32>,
    /// The names of the queues, the one of the dead letters first: a malformed message may wait for it.
    queues: Vec<String>,
    words: Vec<String>,
}

impl Depths {
    pub(super) fn new(names: &Names, meters: Meters, dead_letters: Arc<AtomicU32>) -> Self {
        let mut queues = vec![names.dead_letters(), names.requests(), names.deferred()];
        queues.extend(RUNGS.map(|rung| names.retry(rung)));
        let mut words = ["dead_letters", "requests", "deferred"].map(str::to_owned).to_vec();
        words.extend(RUNGS.map(|rung| format!("retry_{}", rung.word)));
        Self { meters, dead_letters, queues, words }
    }

    /// Counts the connection that is to be watched by.
    pub(super) fn connected(&self) {
        self.meters.connections.of(Dependency::Publishing.as_str()).increment(1);
    }

    /// Watches, as long as it is polled.
    pub(super) async fn watch(&self, connection: &Connection) -> Infallible {
        let seen = |place: usize, messages: u32| {
            if place == 0 {
                self.dead_letters.store(messages, Ordering::Relaxed);
            }
            self.meters.queue_messages.of(&self.words[place]).set(messages);
        };
        depth::watch(connection, &self.queues, seen).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Depths;
    use crate::operations::Meters;
    use crate::rabbitmq::topology::{Names, RUNGS};
    use crate::wire::copy::DeadReason;

    #[test]
    fn every_queue_rung_and_reason_has_a_series_of_its_own() {
        let meters = Meters::register().unwrap();
        let depths = Depths::new(&Names::new("eu."), meters.clone(), Arc::default());
        assert!(depths.words.iter().all(|word| meters.queue_messages.knows(word)), "{:?}", depths.words);
        assert_eq!(depths.queues[0], "eu.join-community.dead-letters");
        assert!(RUNGS.iter().all(|rung| meters.knows_rung(rung.word)));
        assert!(DeadReason::ALL.iter().all(|reason| meters.dead_letters.knows(reason.as_str())));
    }
}
