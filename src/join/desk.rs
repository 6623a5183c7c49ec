//! What all lanes share: policies, the ways out, and where things are counted.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::RwLock;
use tokio::time::Instant;
use uuid::Uuid;
use wildmatch::WildMatch;

use super::ahead::Ahead;
use super::crowding::Crowding;
use super::rounds::Policy;
use super::settle::Settle;
use super::shards::Shards;
use super::steering::Steering;
use crate::announce::HandOver;
use crate::auth::Authenticator;
use crate::config;
use crate::operations::{Controls, Dependency, Health, Meters, Traces};
use crate::rabbitmq::consumer::Settlements;
use crate::rabbitmq::publisher::Publisher;
use crate::rabbitmq::topology::Names;
use crate::retry::Tries;

/// What a desk is made of.
pub struct DeskParts {
    /// Proves who asks.
    pub authenticator: Arc<Authenticator>,
    /// Sends copies and replies.
    pub publisher: Publisher,
    /// Takes committed changes.
    pub hand_over: HandOver,
    /// Where states are told.
    pub health: Health,
    /// What operators have set.
    pub controls: Controls,
    /// What is counted.
    pub meters: Meters,
    /// What is traced.
    pub traces: Traces,
    /// Names of exchanges and queues.
    pub names: Names,
    /// The broker user that this worker is.
    pub worker_user: Box<str>,
    /// Dead letters in the queue, as last seen.
    pub dead_letters: Arc<AtomicU32>,
    /// Whether members of several sites are on record, as last seen.
    pub several_sites: Arc<AtomicBool>,
    /// The shards of the requests.
    pub shards: Arc<Shards>,
}

/// The desk that the lanes work at.
pub struct Desk {
    pub(super) authenticator: Arc<Authenticator>,
    pub(super) publisher: Publisher,
    pub(super) hand_over: HandOver,
    pub(super) health: Health,
    pub(super) controls: Controls,
    pub(super) meters: Meters,
    pub(super) traces: Traces,
    pub(super) names: Names,
    pub(super) worker_user: Box<str>,
    pub(super) join: config::Join,
    pub(super) steering: Steering,
    pub(super) crowding: Crowding,
    pub(super) ahead: Ahead,
    /// The shards of the requests, if there are any.
    pub shards: Arc<Shards>,
    pub(super) outage: config::Outage,
    pub(super) broker_timeout: Duration,
    pub(super) confirm_timeout: Duration,
    pub(super) lease: Duration,
    /// How long a lane that ends goes on with what was delivered to it: the announcer needs its time as well.
    pub(super) finish_limit: Duration,
    reply_queues: Vec<WildMatch>,
    pub(super) settle_timeout: Duration,
    dead_letters: Arc<AtomicU32>,
    dead_letters_max: u32,
    permanent_failures: Mutex<VecDeque<Instant>>,
    /// Shared by ordinary batches; a suspect has it to itself. Fair, so that neither waits for ever.
    pub(super) floor: RwLock<()>,
    /// Another one in each process: marks that it left behind tell of its death.
    pub(super) id: Uuid,
}

/// More permanent failures than this within a minute are no accident of content: the installation is at fault.
const PERMANENT_A_MINUTE: usize = 20;

impl Desk {
    /// Sets the desk up.
    #[must_use]
    pub fn new(parts: DeskParts, config: &config::Config) -> Self {
        let DeskParts { authenticator, publisher, hand_over, health, controls, meters, traces, names, .. } = parts;
        let DeskParts { worker_user, dead_letters, several_sites, shards, .. } = parts;
        let steering = Steering::new(&config.join, names.shards(), meters.clone());
        shards.served_by(steering.lanes());
        Self {
            authenticator,
            publisher,
            hand_over,
            health,
            controls,
            steering,
            crowding: Crowding::new(config.fairness, several_sites),
            ahead: Ahead::new(),
            shards,
            meters,
            traces,
            names,
            worker_user,
            join: config.join.clone(),
            outage: config.outage.clone(),
            broker_timeout: config.broker.timeout,
            confirm_timeout: config.broker.confirm_timeout,
            lease: config.announce.lease,
            finish_limit: config.shutdown.grace / 4,
            reply_queues: config.broker.reply_queues.iter().map(|pattern| WildMatch::new(pattern)).collect(),
            settle_timeout: config.settle.timeout,
            dead_letters,
            dead_letters_max: config.dead_letters.max,
            permanent_failures: Mutex::default(),
            floor: RwLock::default(),
            id: Uuid::new_v4(),
        }
    }

    /// Works as operators have set it, as long as it is polled.
    pub async fn follow_bounds(&self) -> Infallible {
        self.controls.follow_bounds(|bounds| self.steering.fix(bounds)).await
    }

    pub(super) fn policy(&self) -> Policy {
        Policy { patience: self.join.unknown_member_retries, lease: self.lease }
    }

    /// Tries to reach PostgreSQL, as far apart as is configured.
    pub(super) fn tries_of_database(&self) -> Tries {
        Tries::up_to(self.outage.max_pause, self.health.asked(Dependency::Database))
    }

    pub(super) fn settle(&self, channel: Settlements) -> Settle {
        Settle::new(channel, self)
    }

    /// Whether the dead-letter queue holds as many as it may: then nobody can fill the broker's disk with more.
    pub(super) fn dead_letters_are_full(&self) -> bool {
        self.dead_letters.load(Ordering::Relaxed) >= self.dead_letters_max
    }

    /// Whether replies may go to a queue: direct reply-to always, others by configuration, our own never.
    pub(super) fn may_reply_to(&self, queue: &str) -> bool {
        if let Some(token) = queue.strip_prefix("amq.rabbitmq.reply-to.") {
            return !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        }
        !self.names.is_own_queue(queue) && self.reply_queues.iter().any(|pattern| pattern.matches(queue))
    }

    pub(super) fn note_permanent_failure(&self) {
        let mut failures = self.permanent_failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.push_back(Instant::now());
        if failures.len() > PERMANENT_A_MINUTE + 1 {
            failures.pop_front();
        }
    }

    /// Whether content alone can no longer explain the failures; an outage then, held and never dead-lettered.
    pub(super) fn too_many_permanent_failures(&self) -> bool {
        let mut failures = self.permanent_failures.lock().unwrap_or_else(PoisonError::into_inner);
        while failures.front().is_some_and(|at| at.elapsed() > Duration::from_mins(1)) {
            failures.pop_front();
        }
        failures.len() > PERMANENT_A_MINUTE
    }
}
