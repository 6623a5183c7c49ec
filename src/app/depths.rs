//! How many messages lie in which of our queues: for the metrics, and for the lanes, who make no dead letter of a malformed
//! message when there are too many already.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use lapin::Connection;

use crate::join::Shards;
use crate::operations::{Dependency, Meters};
use crate::rabbitmq::depth::{self, Ready};
use crate::rabbitmq::topology::{Names, RUNGS};

/// The watch over the queues.
pub(super) struct Depths {
    meters: Meters,
    dead_letters: Arc<AtomicU32>,
    shards: Arc<Shards>,
    names: Names,
    words: Vec<String>,
}

/// Of the words: a malformed message may wait for the dead letters, so they come first.
const DEAD_LETTERS: usize = 0;
/// And those of the requests tell how many workers there are.
const REQUESTS: usize = 1;

impl Depths {
    pub(super) fn new(names: &Names, meters: Meters, dead_letters: Arc<AtomicU32>, shards: Arc<Shards>) -> Self {
        let mut words = ["dead_letters", "requests", "discarded"].map(str::to_owned).to_vec();
        words.extend(RUNGS.map(|rung| format!("retry_{}", rung.word)));
        Self { meters, dead_letters, shards, names: names.clone(), words }
    }

    /// The queues behind each word.
    fn queues(&self) -> Vec<Vec<String>> {
        let requests = self.shards.queues(&self.names);
        let mut queues = vec![vec![self.names.dead_letters()], requests, vec![self.names.discarded()]];
        queues.extend(RUNGS.map(|rung| vec![self.names.retry(rung)]));
        queues
    }

    /// Counts the connection that is to be watched by.
    pub(super) fn connected(&self) {
        self.meters.connections.of(Dependency::Publishing.as_str()).increment(1);
    }

    /// Watches, as long as it is polled.
    pub(super) async fn watch(&self, connection: &Connection) -> Infallible {
        let seen = |place: usize, Ready { messages, consumers }: Ready| {
            match place {
                DEAD_LETTERS => self.dead_letters.store(messages, Ordering::Relaxed),
                REQUESTS => self.shards.consumers_seen(consumers),
                _ => {}
            }
            self.meters.queue_messages.of(&self.words[place]).set(messages);
            self.meters.oldest.looked(&self.words[place], messages);
        };
        depth::watch(connection, || self.queues(), seen).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{DEAD_LETTERS, Depths, REQUESTS};
    use crate::join::Shards;
    use crate::operations::Meters;
    use crate::rabbitmq::topology::{Names, RUNGS};
    use crate::wire::copy::DeadReason;

    #[test]
    fn every_queue_rung_and_reason_has_a_series_of_its_own() {
        let meters = Meters::register().unwrap();
        let names = Names::new("eu.").sharded(3);
        let shards = Arc::new(Shards::new(names.shards(), 2, meters.clone()));
        let depths = Depths::new(&names, meters.clone(), Arc::default(), shards);
        assert!(depths.words.iter().all(|word| meters.queue_messages.knows(word)), "{:?}", depths.words);
        let queues = depths.queues();
        assert_eq!(queues.len(), depths.words.len());
        assert_eq!(queues[DEAD_LETTERS], ["eu.join-community.dead-letters"]);
        assert_eq!((queues[REQUESTS].len(), queues[REQUESTS][3].as_str()), (4, "eu.join-community.requests.3"));
        assert!(RUNGS.iter().all(|rung| meters.knows_rung(rung.word)));
        for word in &depths.words {
            meters.oldest.looked(word, 0);
        }
        for rung in RUNGS.iter().map(|rung| format!("retry_{}", rung.word)) {
            assert!(meters.oldest.none_waited().is_some());
            meters.oldest.looked(&rung, 1);
            assert_eq!(meters.oldest.none_waited(), None, "who waits on {rung} is not known to wait");
            meters.oldest.looked(&rung, 0);
        }
        assert!(DeadReason::ALL.iter().all(|reason| meters.dead_letters.knows(reason.as_str())));
    }
}
