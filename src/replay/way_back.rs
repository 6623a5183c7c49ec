//! The way back into the request queue. A letter is taken in the way a delivery is: believed only as far as it proves itself,
//! its proof written anew. Otherwise the worker's word would vouch for whatever lies there.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use crate::auth::{Authentication, Authenticator};
use crate::config::Config;
use crate::domain::{Request, to_millis};
use crate::join::rehearsal::{Foreseen, take_in};
use crate::rabbitmq::address::{Address, UrlError};
use crate::rabbitmq::dead_letters::Letter;
use crate::rabbitmq::topology::Names;
use crate::wire::copy::{self, History, Sender};
use crate::wire::request::decode;
use crate::wire::{Incoming, Outgoing};

/// What is needed to make a request of a letter again.
pub struct WayBack {
    authenticator: Arc<Authenticator>,
    names: Names,
    worker: String,
    retention: Duration,
    force: bool,
    /// What says nothing of its arrival came before this: so keys that were read since then can judge its token.
    started: OffsetDateTime,
    /// Names this replay in what it sends.
    id: Uuid,
}

/// A replacement, and the request that the worker will make of it.
#[derive(Debug)]
pub struct Ready {
    /// To be published.
    pub message: Outgoing,
    /// What it is.
    pub request: Request,
}

impl WayBack {
    /// Sets it up. `started` is a time from before the keys were read last.
    ///
    /// # Errors
    /// If `broker.url` cannot be used.
    pub fn new(
        config: &Config,
        authenticator: Arc<Authenticator>,
        force: bool,
        started: OffsetDateTime,
    ) -> Result<Self, UrlError> {
        Ok(Self {
            authenticator,
            names: Names::of(&config.broker),
            worker: Address::parse(&config.broker.url)?.user().to_owned(),
            retention: config.requests.retention,
            force,
            started,
            id: Uuid::now_v7(),
        })
    }

    /// The same for the replay of this id, which goes on: what it sent before is known by its mark.
    #[must_use]
    pub fn of(self, id: Uuid) -> Self {
        Self { id, ..self }
    }

    /// Names this replay.
    #[must_use]
    pub const fn id(&self) -> Uuid {
        self.id
    }

    /// The broker user that vouches for what is sent.
    #[must_use]
    pub fn worker(&self) -> &str {
        &self.worker
    }

    /// Whoever proves.
    pub(super) fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }

    /// Whether this replay sent a letter, which then came back.
    #[must_use]
    pub fn sent(&self, letter: &Letter) -> bool {
        letter.replayed.as_ref().is_some_and(|(_, replay)| *replay == self.id.to_string())
    }

    /// The replacement of a letter as it is.
    ///
    /// # Errors
    /// Why there is none.
    pub fn replacement(&self, letter: &Letter) -> Result<Ready, String> {
        let now = OffsetDateTime::now_utc();
        if letter.cut_from.is_some() {
            return Err("only the beginning of its body was kept".to_owned());
        }
        let ready = self.ready(&letter.id, &self.taken_now(letter), now)?;
        self.check_age(letter, now)?;
        Ok(ready)
    }

    /// The letter's message as if it were delivered now.
    pub(super) fn taken_now(&self, letter: &Letter) -> Incoming {
        Incoming { taken_at: Some(letter.first_seen.unwrap_or(self.started)), ..letter.incoming.clone() }
    }

    /// What replaces this message, which was letter `letter`.
    pub(super) fn ready(&self, letter: &str, incoming: &Incoming, now: OffsetDateTime) -> Result<Ready, String> {
        let decoded = decode(incoming).map_err(|malformed| format!("it is malformed: {malformed}"))?;
        let proven = match self.authenticator.authenticate(incoming, &decoded, now) {
            Authentication::Proven(proven) => proven,
            Authentication::Refused(word) => return Err(format!("it does not prove who asks: {word}")),
            Authentication::NoKeys => return Err(self.no_keys()),
        };
        let (attempts, arrived) = self.authenticator.history(incoming, now);
        let sender = Sender { requester: &proven.requester, caller: Some(proven.caller), proof: proven.proof };
        let target = decoded.body.member.or_else(|| proven.caller.own_member());
        let history = History { attempts, arrived, sender: Some(sender), target };
        let mark = format!("{letter}/{}", self.id);
        let message = copy::replay(incoming, &history, &self.names.intake(), &self.worker, &mark);
        // As the worker will meet it: so nothing is sent that will be something else there.
        let met = Incoming { taken_at: Some(to_millis(now)), ..copy::read_back(&message) };
        let request = take_in(&met, &self.authenticator, now).map_err(|foreseen| self.why_not(&foreseen))?;
        Ok(Ready { message, request })
    }

    fn why_not(&self, foreseen: &Foreseen) -> String {
        match foreseen {
            Foreseen::Malformed(malformed) => format!("it is malformed: {malformed}"),
            Foreseen::Refused(word) => format!("it does not prove who asks: {word}"),
            Foreseen::NoKeys => self.no_keys(),
            Foreseen::Verdict(_)
            | Foreseen::Conflict
            | Foreseen::Later
            | Foreseen::Busy(_)
            | Foreseen::Permanent(_) => "it is no request that can be sent".to_owned(),
        }
    }

    fn no_keys(&self) -> String {
        let missing = self.authenticator.keys_missing();
        missing.unwrap_or_else(|| "the key that its token names is not known yet".to_owned())
    }

    /// A request that was carried out is known for `requests.retention`; after that it would be carried out again.
    pub(super) fn check_age(&self, letter: &Letter, now: OffsetDateTime) -> Result<(), String> {
        let is_young = letter.first_seen.is_some_and(|seen| now - seen <= self.retention);
        if is_young || self.force {
            return Ok(());
        }
        let retention = humantime::format_duration(self.retention);
        let age =
            if letter.first_seen.is_some() { "it is older than" } else { "it does not say whether it is older than" };
        Err(format!(
            "{age} requests.retention ({retention}), for which a verdict is known: if it was carried out before, it \
             would be carried out again; --force replays it all the same"
        ))
    }
}
