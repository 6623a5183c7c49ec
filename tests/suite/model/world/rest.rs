//! The end of a history: nothing moves any more, and everything is as the model has it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::expected::{Key, Person};
use super::super::mortal::Mortal;
use super::{Letter, Life, outcome};
use crate::support::{Event, instant, subject};

/// More than one history needs, unless a worker never acknowledges.
const WORKERS: u32 = 5;

impl Life<'_> {
    /// Waits until nothing is owed, nor unacknowledged, and compares.
    pub(super) fn comes_to_rest(mut self) {
        let (world, home) = (self.world, &self.world.home);
        assert!(
            (0..WORKERS).any(|_| self.stops_with_nothing_left()),
            "each of {WORKERS} workers handed a request back"
        );
        let verdicts = home.block_on(world.installation.requests(self.site));
        let verdicts: BTreeMap<Key, String> = verdicts.iter().map(|it| (self.key(it), outcome(it))).collect();
        let expected: BTreeMap<Key, String> =
            self.model.verdicts.iter().map(|(key, (_, verdict))| (*key, verdict.clone())).collect();
        assert_eq!(verdicts, expected);
        assert_eq!(home.block_on(self.dead_letters()), self.conflicts, "dead letters");
        // A history that failed leaves the listener as good as it was.
        let mut listener = world.events.lock().unwrap_or_else(PoisonError::into_inner);
        let events = home.block_on(listener.all_so_far());
        drop(listener);
        home.block_on(self.late.go_on());
        for (member, person) in self.members.iter().zip(&self.model.people) {
            home.block_on(self.record_and_cache(*member, person));
            let events: Vec<Value> = events.iter().filter(|event| subject(event) == *member).map(Event::json).collect();
            person.is_announced_by(&events);
        }
    }

    /// Whether the queue is empty once the worker has stopped: what was not acknowledged lies in it then. A worker hands
    /// back what it had not begun, and the next one takes it.
    fn stops_with_nothing_left(&mut self) -> bool {
        let (installation, home) = (&self.world.installation, &self.world.home);
        let worker = self.worker.take().unwrap_or_else(|| Mortal::start(installation));
        home.block_on(installation.until_holds("join-community.requests", 0));
        home.block_on(installation.outbox_is_empty());
        worker.stop();
        home.block_on(installation.outbox_is_empty());
        home.block_on(installation.depth("join-community.requests")) == 0
    }

    async fn dead_letters(&self) -> BTreeSet<Letter> {
        let installation = &self.world.installation;
        let letters = installation.dead_letters(installation.depth("join-community.dead-letters").await).await;
        let read = letters.into_iter().map(|letter| {
            assert_eq!(letter.header("x-join-community-reason"), "conflict");
            let id = letter.message_id().expect("it had an id").to_owned();
            (letter.header("x-join-community-requester").to_owned(), id, letter.body)
        });
        read.collect()
    }

    async fn record_and_cache(&self, member: Uuid, person: &Person) {
        let installation = &self.world.installation;
        let record = installation.record(self.site, member).await.expect("a record stays");
        let found = (record.status.as_str(), record.privacy.as_str(), record.sequence, record.deleted);
        assert_eq!(found, (person.status, person.privacy, person.sequence, person.deleted), "record of {member}");
        match installation.cached(self.site, member).await {
            None => assert!(person.may_be_absent, "the cache holds nothing of {member}, {person:?}"),
            Some((sequence, entry)) => {
                let updated = entry.as_ref().map(|entry| entry["updatedDate"].clone());
                let expected = person.is_shown().then(|| json!(instant(record.updated)));
                assert_eq!((sequence, updated), (person.sequence, expected), "cache of {member}, {person:?}");
            }
        }
    }
}
