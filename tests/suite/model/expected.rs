//! The model: what must be on record after each step. Apart from what does the steps, and without a line of the worker.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use crate::support::JOINABLE;

/// One step of a history.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Requests sent at once; the worker crashes when they lie in the queue, or does not.
    Asks { asks: Vec<Ask>, crash: bool },
    /// Somebody changes a member by plain SQL.
    Change { member: usize, change: Change },
    /// The site is opened or closed.
    Gate(bool),
    /// The cache forgets.
    LoseCache,
    /// Announcers that stood still write what was true then.
    Late,
    /// The worker is stopped in order and started anew.
    Restart,
}

/// A request. The first two fields are its key, the others its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) other_producer: bool,
    pub(super) id: u8,
    pub(super) leaves: bool,
    pub(super) caller: usize,
    pub(super) target: usize,
    pub(super) elevated: bool,
}

/// Requester and request id.
pub(super) type Key = (bool, u8);

impl Ask {
    pub(super) fn key(&self) -> Key {
        (self.other_producer, self.id)
    }
}

/// The requester that a producer's requests have on record.
pub(super) fn requester_of(other_producer: bool) -> &'static str {
    if other_producer { "producer:admin" } else { "producer:member-gateway" }
}

/// What somebody else does to a member.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Block,
    Approve,
    Leave,
    Publish,
    Delete,
}

impl Change {
    /// As plain SQL; `$1` is the site and `$2` the member.
    pub(super) fn statement(self) -> &'static str {
        macro_rules! set {
            ($what:literal) => {
                concat!("UPDATE members SET ", $what, " WHERE site_id = $1 AND id = $2 AND deleted_date IS NULL")
            };
        }
        match self {
            Self::Block => set!("status = 'BLOCKED'"),
            Self::Approve => set!("status = 'APPROVED'"),
            Self::Leave => set!("privacy_status = 'PRIVATE'"),
            Self::Publish => set!("privacy_status = 'PUBLIC'"),
            Self::Delete => "DELETE FROM members WHERE site_id = $1 AND id = $2",
        }
    }
}

/// A member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) status: &'static str,
    pub(super) privacy: &'static str,
    pub(super) sequence: i64,
    pub(super) deleted: bool,
    /// Whether the cache was emptied, or never filled, since the last change.
    pub(super) may_be_absent: bool,
}

impl Person {
    pub(super) fn is_shown(&self) -> bool {
        (self.status, self.privacy, self.deleted) == ("APPROVED", "PUBLIC", false)
    }

    fn becomes(&mut self, status: &'static str, privacy: &'static str) {
        if !self.deleted && (self.status, self.privacy) != (status, privacy) {
            let sequence = self.sequence + 1;
            *self = Self { status, privacy, sequence, deleted: false, may_be_absent: false };
        }
    }

    pub(super) fn change(&mut self, change: Change) {
        match change {
            Change::Block => self.becomes("BLOCKED", self.privacy),
            Change::Approve => self.becomes("APPROVED", self.privacy),
            Change::Leave => self.becomes(self.status, "PRIVATE"),
            Change::Publish => self.becomes(self.status, "PUBLIC"),
            Change::Delete if self.deleted => {}
            Change::Delete => {
                *self = Self { deleted: true, sequence: self.sequence + 1, may_be_absent: false, ..*self };
            }
        }
    }
}

impl Person {
    /// Comes and goes as these verdicts say, in an order that there must be: joins and leaves by turns, and only who is in
    /// has joined already, only who is out has left already.
    fn turns(&mut self, verdicts: &[&str]) {
        let count = |verdict: &str| verdicts.iter().filter(|given| **given == verdict).count();
        let is_out = self.privacy == "PRIVATE";
        let (first, second) = if is_out { ("joined", "left") } else { ("left", "joined") };
        let (firsts, seconds) = (count(first), count(second));
        assert!(firsts == seconds || firsts == seconds + 1, "{verdicts:?} of {self:?}");
        // Whoever asked for the first turn, and found it taken, came after somebody who took it.
        assert!(firsts > 0 || count(&format!("already_{first}")) == 0, "{verdicts:?} of {self:?}");
        if firsts > 0 {
            let is_out = is_out == (firsts == seconds);
            let sequence = self.sequence + i64::try_from(firsts + seconds).expect("a few");
            let privacy = if is_out { "PRIVATE" } else { "PUBLIC" };
            *self = Self { privacy, sequence, may_be_absent: false, ..*self };
        }
    }

    /// Proves that the last event tells of the last change, and that a change has one id however often it is told.
    pub(super) fn is_announced_by(&self, events: &[Value]) {
        let mut ids: HashMap<&str, &Value> = HashMap::new();
        for event in events {
            let sequence = event["entityEventSequence"].as_str().expect("a text");
            assert_eq!(*ids.entry(sequence).or_insert(&event["id"]), &event["id"], "one change, two ids");
        }
        let last = events.last().map(|event| event["entityEventSequence"].as_str().expect("a text").parse::<i64>());
        match last.map(|last| last.expect("a number")) {
            // A deletion is not announced, nor what was folded into it.
            last if self.deleted => assert!(last < Some(self.sequence), "{last:?} of {self:?}"),
            last => assert_eq!(last, (self.sequence > JOINABLE.sequence).then_some(self.sequence), "{self:?}"),
        }
    }
}

/// What is on record.
pub(super) struct Model {
    pub(super) people: Vec<Person>,
    pub(super) closed: bool,
    /// The meaning that each key stands for, and its verdict.
    pub(super) verdicts: BTreeMap<Key, (Ask, String)>,
}

impl Model {
    /// Requests sent at once are decided in an order that nobody promised, so the model is told which meaning kept a new
    /// key; it says whether that could be, and what follows.
    pub(super) fn decide(&mut self, kept: &[(Ask, String)]) {
        let before = self.people.clone();
        for (ask, verdict) in kept {
            // Whether there was something left to be done depends on who was decided before.
            let (expected, plain) = (self.verdict(&before[ask.target], ask), verdict.trim_start_matches("already_"));
            assert_eq!(plain, expected, "{ask:?}: {verdict}");
            self.verdicts.insert(ask.key(), (*ask, verdict.clone()));
        }
        for (member, person) in self.people.iter_mut().enumerate() {
            let of: Vec<&str> =
                kept.iter().filter(|(ask, _)| ask.target == member).map(|(_, verdict)| verdict.as_str()).collect();
            person.turns(&of);
        }
    }

    fn verdict(&self, target: &Person, ask: &Ask) -> &'static str {
        match target {
            _ if ask.caller != ask.target && !ask.elevated => "PERMISSION_DENIED",
            Person { deleted: true, .. } => "NOT_FOUND",
            _ if ask.leaves => "left",
            _ if self.closed => "SITE_CLOSED",
            Person { status, .. } if *status != "APPROVED" => status,
            Person { .. } => "joined",
        }
    }
}
