//! What everything is called. Separate, because names are needed where nothing is known of arguments and bindings.

pub(super) mod webhooks;

use std::time::Duration;

use crate::config;
use crate::domain::Method;
use crate::wire::headers::{DEAD_LETTER_KEY, DISCARDED_KEY, REQUEST_KEY, request_key};

/// A step of the retry ladder: a queue in which a copy waits for a fixed time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rung {
    /// The time as its queue's name spells it.
    pub word: &'static str,
    /// The routing key that leads there.
    pub key: &'static str,
    /// How long a copy waits.
    pub delay: Duration,
}

const fn rung(word: &'static str, key: &'static str, seconds: u64) -> Rung {
    Rung { word, key, delay: Duration::from_secs(seconds) }
}

/// The ladder, from its lowest step. One queue for each delay, because messages expire only at the head of a queue:
/// a short wait behind a long one would become as long.
pub const RUNGS: [Rung; 5] = [
    rung("1s", "retry.1s", 1),
    rung("5s", "retry.5s", 5),
    rung("30s", "retry.30s", 30),
    rung("2m", "retry.2m", 120),
    rung("10m", "retry.10m", 600),
];

/// The rung on which attempt `attempt` waits: the first on the first, the fifth and all later ones on the last.
#[must_use]
pub fn rung_for(attempt: u32) -> Rung {
    let index = usize::try_from(attempt).unwrap_or(usize::MAX).clamp(1, RUNGS.len()) - 1;
    RUNGS[index]
}

/// The full names of one installation: each begins with its prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    prefix: Box<str>,
    shards: u16,
    targets: Box<[Box<str>]>,
    waits: Box<[Duration]>,
}

const INTAKE: &str = "join-community";
const EVENTS: &str = "members.events";
const UNROUTED: &str = "members.events.unrouted";

impl Names {
    /// The names of the installation with this prefix, which may be empty, and one request queue.
    #[must_use]
    pub fn new(prefix: &str) -> Self {
        Self { prefix: prefix.into(), shards: 0, targets: Box::default(), waits: Box::default() }
    }

    /// The names of the installation that the configuration is about, those of webhooks apart.
    #[must_use]
    pub fn of(broker: &config::Broker) -> Self {
        Self::new(&broker.prefix).sharded(broker.shards)
    }

    /// The same with requests spread over so many queues; over one they are not spread.
    #[must_use]
    pub fn sharded(self, count: u16) -> Self {
        Self { shards: if count > 1 { count } else { 0 }, ..self }
    }

    /// Over how many queues requests are spread; 0 if they are not.
    #[must_use]
    pub const fn shards(&self) -> u16 {
        self.shards
    }

    /// The exchange that producers write to.
    #[must_use]
    pub fn intake(&self) -> String {
        self.full(INTAKE)
    }

    /// The queue of requests.
    #[must_use]
    pub fn requests(&self) -> String {
        self.full("join-community.requests")
    }

    /// The exchange that spreads requests over the shards.
    #[must_use]
    pub fn spread(&self) -> String {
        self.full("join-community.shards")
    }

    /// A shard of the requests, counted from 1.
    #[must_use]
    pub fn shard(&self, number: u16) -> String {
        format!("{}.{number}", self.requests())
    }

    /// The queue in which a worker sees new requests while older ones crowd theirs.
    #[must_use]
    pub fn ahead(&self) -> String {
        self.full("join-community.ahead")
    }

    /// The exchange that only the worker writes to: ladder and dead letters.
    #[must_use]
    pub fn internal(&self) -> String {
        self.full("join-community.internal")
    }

    /// The queue of a rung.
    #[must_use]
    pub fn retry(&self, rung: Rung) -> String {
        self.full(&format!("join-community.retry.{}", rung.word))
    }

    /// The queue of dead letters.
    #[must_use]
    pub fn dead_letters(&self) -> String {
        self.full("join-community.dead-letters")
    }

    /// The queue of dead letters that were discarded, for as long as that can be undone.
    #[must_use]
    pub fn discarded(&self) -> String {
        self.full("join-community.discarded")
    }

    /// The exchange that events leave from.
    #[must_use]
    pub fn events(&self) -> String {
        self.full(EVENTS)
    }

    /// The exchange, and the queue of the same name, that take the events which nobody is bound for.
    #[must_use]
    pub fn unrouted(&self) -> String {
        self.full(UNROUTED)
    }

    /// The routing key of a request to join, and of every copy that comes back. Routing keys have no prefix.
    #[must_use]
    pub const fn request_key(&self) -> &'static str {
        REQUEST_KEY
    }

    /// The routing keys of requests, one for each method.
    #[must_use]
    pub fn request_keys(&self) -> [&'static str; Method::ALL.len()] {
        Method::ALL.map(request_key)
    }

    /// The routing key that leads to a rung.
    #[must_use]
    pub const fn retry_key(&self, rung: Rung) -> &'static str {
        rung.key
    }

    /// The routing key that leads to the dead letters.
    #[must_use]
    pub const fn dead_letter_key(&self) -> &'static str {
        DEAD_LETTER_KEY
    }

    /// The routing key that leads to the discarded ones.
    #[must_use]
    pub const fn discarded_key(&self) -> &'static str {
        DISCARDED_KEY
    }

    /// Whether a queue is Join Community's own, this installation's or another's: no reply may go there, because a
    /// reply is published by the worker, and what the worker publishes is believed.
    #[must_use]
    pub fn is_own_queue(&self, queue: &str) -> bool {
        let is_within = |name: &str| {
            [INTAKE, EVENTS].iter().any(|base| name.strip_prefix(base).is_some_and(|rest| rest.starts_with('.')))
        };
        let bare = Self::new("");
        let bases = [bare.requests(), bare.ahead(), bare.dead_letters(), bare.discarded(), bare.unrouted()];
        let rungs = RUNGS.map(|rung| bare.retry(rung));
        // A shard is the requests queue and a number.
        let unnumbered = queue.trim_end_matches(|digit: char| digit.is_ascii_digit()).trim_end_matches('.');
        queue.strip_prefix(&*self.prefix).is_some_and(is_within)
            || unnumbered.ends_with(bases[0].as_str())
            || queue.contains(webhooks::WEBHOOKS)
            || bases.iter().chain(&rungs).any(|base| queue.ends_with(base.as_str()))
    }

    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::{Names, RUNGS, rung_for};

    #[test]
    fn every_name_has_the_prefix_and_no_routing_key_has() {
        let names = Names::new("eu.");
        for (name, expected) in [
            (names.intake(), "eu.join-community"),
            (names.requests(), "eu.join-community.requests"),
            (names.ahead(), "eu.join-community.ahead"),
            (names.spread(), "eu.join-community.shards"),
            (names.shard(12), "eu.join-community.requests.12"),
            (names.internal(), "eu.join-community.internal"),
            (names.retry(RUNGS[2]), "eu.join-community.retry.30s"),
            (names.dead_letters(), "eu.join-community.dead-letters"),
            (names.discarded(), "eu.join-community.discarded"),
            (names.events(), "eu.members.events"),
            (names.unrouted(), "eu.members.events.unrouted"),
        ] {
            assert_eq!(name, expected);
        }
        let keys = [names.request_key(), names.dead_letter_key(), names.discarded_key()];
        assert_eq!(keys, ["request", "dead-letter", "discarded"]);
        assert_eq!(names.request_keys(), ["request", "leave"]);
        assert_eq!(names.retry_key(RUNGS[2]), "retry.30s");
    }

    #[test]
    fn attempt_n_waits_on_rung_n_and_every_one_after_the_fifth_on_the_fifth() {
        let waits = [1, 2, 3, 4, 5, 6, u32::MAX].map(|attempt| rung_for(attempt).delay.as_secs());
        assert_eq!(waits, [1, 5, 30, 120, 600, 600, 600]);
        assert_eq!(rung_for(0), RUNGS[0]);
        for rung in RUNGS {
            assert_eq!(rung.key, format!("retry.{}", rung.word));
            assert_eq!(humantime::parse_duration(rung.word), Ok(rung.delay));
        }
    }

    #[test]
    fn no_reply_goes_to_a_queue_of_any_installation() {
        for prefix in ["", "eu."] {
            let names = Names::new(prefix);
            let queues = [names.requests(), names.shard(64), names.ahead(), names.dead_letters(), names.discarded()];
            for own in queues.into_iter().chain([names.unrouted(), names.retry(RUNGS[0])]) {
                assert!(names.is_own_queue(&own), "{own}");
                assert!(Names::new("us.").is_own_queue(&own), "{own} is another installation's");
            }
            assert!(names.is_own_queue(&format!("{prefix}join-community.discarded")));
            for other in ["gateway.replies", "join-community-replies", "members", "", "amq.gen-x"] {
                assert!(!names.is_own_queue(other), "{other}");
            }
        }
    }
}
