//! What a history happens to: a real installation, with a worker that can be crashed. Each history has a site of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::AsyncCommands as _;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::expected::{Ask, Key, Model, Person, Step, requester_of};
use super::late::Late;
use super::mortal::{Mortal, runtime};
use crate::support::{
    Events, Installation, JOINABLE, Message, PATIENCE, Producer, Recorded, eventually, instant, subject, trusted,
};

/// An installation that outlives its histories.
pub(super) struct World {
    installation: Installation,
    producers: [Producer; 2],
    events: Mutex<Events>,
    // Last: the others still need it when they go.
    home: Runtime,
}

/// More than one history needs, unless a worker never acknowledges.
const WORKERS: u32 = 5;

/// Requester, request id and body.
type Letter = (String, String, Vec<u8>);

/// A history that is going on.
struct Life<'w> {
    world: &'w World,
    site: Uuid,
    members: Vec<Uuid>,
    model: Model,
    /// Compared as a set: a dead letter may come twice.
    conflicts: BTreeSet<Letter>,
    worker: Option<Mortal>,
    late: Late,
}

impl World {
    pub(super) fn new() -> Self {
        let home = runtime();
        let (installation, producers, events) = home.block_on(async {
            let installation = Installation::with(|config| {
                config.auth.producers = vec![trusted("member-gateway"), trusted("admin")];
                config.join.unknown_member_retries = 0;
                config.announce.lease = Duration::from_secs(1);
            })
            .await;
            let producers = [installation.producer().await, installation.other_producer().await];
            let events = installation.events().await;
            (installation, producers, events)
        });
        Self { installation, producers, events: Mutex::new(events), home }
    }

    pub(super) fn live_through(&self, steps: &[Step]) {
        let site = Uuid::new_v4();
        let members = self.home.block_on(self.installation.members(site, JOINABLE, 3));
        let person = Person {
            status: JOINABLE.status,
            privacy: JOINABLE.privacy,
            sequence: JOINABLE.sequence,
            deleted: false,
            may_be_absent: true,
        };
        let model = Model { people: vec![person; members.len()], closed: false, verdicts: BTreeMap::new() };
        let mut life = Life {
            world: self,
            site,
            members,
            model,
            conflicts: BTreeSet::new(),
            worker: Some(Mortal::start(&self.installation)),
            late: Late::new(&self.installation.config.cache),
        };
        for step in steps {
            life.announcers_stop();
            life.step(step);
        }
        life.comes_to_rest();
    }
}

impl Life<'_> {
    fn step(&mut self, step: &Step) {
        let (world, site) = (self.world, self.site);
        match step {
            Step::Asks { asks, crash } => self.ask(asks, *crash),
            Step::Change { member, change } => {
                world.home.block_on(world.installation.change(site, self.members[*member], change.statement()));
                self.model.people[*member].change(*change);
            }
            Step::Gate(open) => {
                world.home.block_on(world.installation.gate(site, if *open { "ANYONE" } else { "NO_ONE" }));
                self.model.closed = !open;
            }
            Step::LoseCache => self.lose_cache(),
            Step::Restart => {
                self.worker.take().expect("a worker").stop();
                self.worker = Some(Mortal::start(&world.installation));
            }
            Step::Late => world.home.block_on(self.late.go_on()),
        }
    }

    /// With what stands recorded now in hand, of each member.
    fn announcers_stop(&mut self) {
        let world = self.world;
        for member in &self.members {
            let record = world.home.block_on(world.installation.record(self.site, *member)).expect("a record stays");
            self.late.hold(self.site, *member, &record);
        }
    }

    fn ask(&mut self, asks: &[Ask], crash: bool) {
        let world = self.world;
        for other_producer in [false, true] {
            let of: Vec<_> = asks.iter().filter(|ask| ask.other_producer == other_producer).collect();
            let messages: Vec<_> = of.into_iter().map(|ask| self.message(ask)).collect();
            world.home.block_on(world.producers[usize::from(other_producer)].send_all(&messages));
        }
        if crash {
            drop(self.worker.take());
            self.worker = Some(Mortal::start(&world.installation));
        }
        let recorded = self.until_decided(asks);
        let mut kept = Vec::new();
        for (key, recorded) in &recorded {
            let outcome = outcome(recorded);
            if let Some((_, first)) = self.model.verdicts.get(key) {
                assert_eq!(&outcome, first, "the verdict of {key:?} was another before");
            } else {
                let meant = |ask: &&Ask| ask.key() == *key && self.means(ask, recorded);
                let ask = asks.iter().find(meant).unwrap_or_else(|| panic!("nobody asked for {recorded:?}"));
                kept.push((*ask, outcome));
            }
        }
        self.model.decide(&kept);
        let conflicting = asks.iter().filter(|ask| self.model.verdicts[&ask.key()].0 != **ask);
        let conflicts: Vec<Letter> = conflicting.map(|ask| self.letter(ask)).collect();
        self.conflicts.extend(conflicts);
    }

    /// The dead letter that a request becomes if its key stands for something else.
    fn letter(&self, ask: &Ask) -> Letter {
        let requester = requester_of(ask.other_producer);
        let message = self.message(ask);
        (requester.to_owned(), message.request_id().to_owned(), message.body().to_vec())
    }

    fn until_decided(&self, asks: &[Ask]) -> BTreeMap<Key, Recorded> {
        let world = self.world;
        world.home.block_on(eventually("every request has a verdict", PATIENCE, async || {
            let recorded = world.installation.requests(self.site).await;
            let recorded: BTreeMap<Key, Recorded> = recorded.into_iter().map(|it| (self.key(&it), it)).collect();
            let missing: Vec<_> = asks.iter().filter(|ask| !recorded.contains_key(&ask.key())).collect();
            if missing.is_empty() { Ok(recorded) } else { Err(format!("{missing:?}")) }
        }))
    }

    fn message(&self, ask: &Ask) -> Message {
        let identity = json!({ "identityType": "MEMBER", "memberId": self.members[ask.caller] });
        let (target, elevated) = (self.members[ask.target], ask.elevated);
        let body = json!({ "siteId": self.site, "memberId": target, "identity": identity, "elevated": elevated });
        let message = Message::json(&body).id(format!("{}-{}", self.site, ask.id));
        if ask.leaves { message.leaving() } else { message }
    }

    fn key(&self, recorded: &Recorded) -> Key {
        let id = recorded.request_id.strip_prefix(&format!("{}-", self.site)).expect("an id of this history");
        (recorded.requester == requester_of(true), id.parse().expect("a number"))
    }

    fn means(&self, ask: &Ask, recorded: &Recorded) -> bool {
        let caller = format!("MEMBER:{}", self.members[ask.caller]);
        let method = if ask.leaves { "leave" } else { "join" };
        recorded.method == method
            && recorded.member == Some(self.members[ask.target])
            && recorded.caller == caller
            && recorded.elevated == ask.elevated
    }

    fn lose_cache(&mut self) {
        let world = self.world;
        self.late.end();
        let keys: Vec<String> = self
            .members
            .iter()
            .map(|id| format!("{}:{}:{id}", world.installation.config.cache.prefix, self.site))
            .collect();
        let _: i64 = world.home.block_on(world.installation.redis().del(keys)).expect("Redis answers");
        for person in &mut self.model.people {
            person.may_be_absent = true;
        }
    }

    /// Waits until nothing is owed, nor unacknowledged, and compares.
    fn comes_to_rest(mut self) {
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
            let events: Vec<Value> =
                events.iter().filter(|event| subject(event) == *member).map(crate::support::Event::json).collect();
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

/// A verdict in one word: the reason or code of a rejection.
fn outcome(recorded: &Recorded) -> String {
    let why = recorded.reason.clone().or_else(|| recorded.code.clone());
    if recorded.verdict == "rejected" { why.expect("a rejection has a code") } else { recorded.verdict.clone() }
}
