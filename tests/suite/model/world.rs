//! What a history happens to: a real installation, with a worker that can be crashed. Each history has a site of its own.

mod rest;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use redis::AsyncCommands as _;
use serde_json::json;
use tokio::runtime::Runtime;
use uuid::Uuid;

use super::expected::{Ask, Key, Model, Person, Step, requester_of};
use super::late::Late;
use super::mortal::{Mortal, runtime};
use crate::support::{Events, Installation, JOINABLE, Message, PATIENCE, Producer, Recorded, eventually, trusted};

/// An installation that outlives its histories.
pub(super) struct World {
    installation: Installation,
    producers: [Producer; 2],
    events: Mutex<Events>,
    // Last: the others still need it when they go.
    home: Runtime,
}

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
}

/// A verdict in one word: the reason or code of a rejection.
fn outcome(recorded: &Recorded) -> String {
    let why = recorded.reason.clone().or_else(|| recorded.code.clone());
    if recorded.verdict == "rejected" { why.expect("a rejection has a code") } else { recorded.verdict.clone() }
}
