//! The order in which proofs are looked for: a token, then the worker's own word, then a producer's.
//!
//! Separate from the proofs themselves, because the order is what keeps them from vouching for each other.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio_util::sync::CancellationToken;

use super::key_source::KeySource;
use super::keys::Keys;
use super::producers::Producers;
use super::tokens::{Moments, Tokens};
use super::{AuthSetupError, Authentication, Doubt, Proven, refusal};
use crate::config;
use crate::domain::{Attempts, Caller, Proof, Requester};
use crate::wire::request::{Claim, Decoded};
use crate::wire::{Incoming, OwnHeaders};

/// Proves who calls.
pub struct Authenticator {
    worker_user: String,
    /// `None`: no token is accepted.
    tokens: Option<Tokens>,
    producers: Producers,
    /// With trusted broker time: how old an arrival may be to be judged by.
    max_queue_delay: Option<Duration>,
}

impl Authenticator {
    /// Sets up authentication. Keys are read in the background until `stop`; that they cannot be read is no error.
    ///
    /// # Errors
    /// If the configuration cannot be used.
    #[expect(clippy::unused_async, reason = "it spawns: only a caller inside a runtime may start it")]
    pub async fn start(
        config: &config::Auth,
        worker_user: &str,
        stop: CancellationToken,
    ) -> Result<Self, AuthSetupError> {
        if config.jwks.is_empty() {
            return Self::new(config, worker_user, None);
        }
        let source = KeySource::new(&config.jwks)?;
        let keys = Keys::empty(&source);
        let authenticator = Self::new(config, worker_user, Some(Arc::clone(&keys)))?;
        keys.spawn(source, config.jwks_cooldown, stop);
        Ok(authenticator)
    }

    /// What the headers and clocks say of a request's past: how often it was on the ladder, and when it first arrived.
    #[must_use]
    pub fn history(&self, incoming: &Incoming, now: OffsetDateTime) -> (Attempts, OffsetDateTime) {
        let taken = incoming.taken_at.unwrap_or(now);
        let (attempts, arrived) = match self.own_headers(incoming) {
            Some(own) => (attempts(own), own.arrived.as_deref().and_then(instant)),
            None => (Attempts::default(), self.max_queue_delay.and(incoming.timestamp).and_then(broker_time)),
        };
        // Another machine's clock may be ahead; nothing arrives after it was taken in.
        (attempts, arrived.map_or(taken, |arrived| arrived.min(taken)))
    }

    /// The headers of a copy, if the broker vouches that this worker wrote them.
    #[must_use]
    pub fn own_headers<'a>(&self, incoming: &'a Incoming) -> Option<&'a OwnHeaders> {
        (incoming.user_id.as_deref() == Some(self.worker_user.as_str())).then_some(&incoming.own)
    }

    /// Who sent a message that is not to be read, as far as the broker vouches for that: the producer, or whoever a copy
    /// of the worker names. A token, if present, would be the only proof, and is not looked at.
    #[must_use]
    pub fn unread_sender(&self, incoming: &Incoming) -> Option<(Requester, Option<Caller>, Proof)> {
        if incoming.authorization.is_some() {
            return None;
        }
        let unjudged = Proof::Producer { vouches: false, may_elevate: false };
        let Some(own) = self.own_headers(incoming) else {
            return incoming.user_id.as_deref().map(|user| (Requester::producer(user), None, unjudged));
        };
        let requester = Requester::from_own_record(own.requester.as_deref()?)?;
        let caller = own.caller.as_deref().and_then(Caller::parse);
        let by_token = own.permission.map(|permission| Proof::Token { permission, expired: false });
        Some((requester, caller, by_token.unwrap_or(unjudged)))
    }

    /// Proves who sent a request, or says why not. A token, if present, is the only proof.
    #[must_use]
    pub fn authenticate(&self, incoming: &Incoming, decoded: &Decoded, now: OffsetDateTime) -> Authentication {
        let outcome = match (incoming.authorization.as_deref(), self.own_headers(incoming), &incoming.user_id) {
            (Some(header), _, _) => self.by_token(header, incoming, decoded, now),
            (None, Some(own), _) => self.by_own_headers(own, decoded).map_err(Doubt::Refused),
            (None, None, Some(user)) => self.by_producer(user, decoded).map_err(Doubt::Refused),
            (None, None, None) => Err(Doubt::Refused(refusal::NO_PROOF)),
        };
        match outcome {
            Ok(proven) => Authentication::Proven(proven),
            Err(Doubt::Refused(reason)) => Authentication::Refused(reason),
            Err(Doubt::NoKeys) => Authentication::NoKeys,
        }
    }

    /// Returns at once where no keys are configured, else as soon as some were read.
    pub async fn wait_for_keys(&self) {
        if let Some(tokens) = &self.tokens {
            tokens.keys.wait().await;
        }
    }

    /// Whether the time at which a request first arrived is the broker's, or that of a worker who knew the broker's.
    #[must_use]
    pub const fn trusts_broker_time(&self) -> bool {
        self.max_queue_delay.is_some()
    }

    /// How often the keys were read, and how often that failed.
    #[must_use]
    pub fn key_reads(&self) -> (u64, u64) {
        self.tokens.as_ref().map_or((0, 0), |tokens| tokens.keys.reads())
    }

    /// Why no keys are there, although some are configured; without secrets.
    #[must_use]
    pub fn keys_missing(&self) -> Option<String> {
        self.tokens.as_ref().and_then(|tokens| tokens.keys.missing())
    }

    pub(super) fn new(
        config: &config::Auth,
        worker_user: &str,
        keys: Option<Arc<Keys>>,
    ) -> Result<Self, AuthSetupError> {
        let needed = |key: &str, value: &str, rule| match value {
            "" => Err(AuthSetupError::setting(key, value, rule)),
            value => Ok(value.to_owned()),
        };
        let tokens = keys.map(|keys| -> Result<_, AuthSetupError> {
            let issuer =
                needed("auth.issuer", &config.issuer, "the only accepted `iss`; needed where auth.jwks is set")?;
            let audience =
                needed("auth.audience", &config.audience, "the only accepted `aud`; needed where auth.jwks is set")?;
            Ok(Tokens { keys, issuer, audience, leeway: config.leeway })
        });
        Ok(Self {
            worker_user: needed("broker.url", worker_user, "names the worker's own broker user")?,
            tokens: tokens.transpose()?,
            producers: Producers::new(&config.producers, worker_user)?,
            max_queue_delay: config.trust_broker_timestamps.then_some(config.max_queue_delay),
        })
    }

    fn by_token(
        &self,
        header: &str,
        incoming: &Incoming,
        decoded: &Decoded,
        now: OffsetDateTime,
    ) -> Result<Proven, Doubt> {
        let tokens = self.tokens.as_ref().ok_or(Doubt::Refused(refusal::NO_KEYS_CONFIGURED))?;
        let (_, arrived) = self.history(incoming, now);
        // At a first delivery our own clock says when it came, which is the clock that reads of the keys are dated by.
        let seen = if self.own_headers(incoming).is_some() { arrived } else { incoming.taken_at.unwrap_or(now) };
        let recent = self.max_queue_delay.is_some_and(|most| now - arrived <= most);
        let judged_at = if recent { arrived.min(now) } else { now };
        tokens.prove(header, decoded, Moments { judged_at, arrived: seen })
    }

    /// A copy that this worker wrote: who asks stands proven, what that entitles to is looked up again.
    fn by_own_headers(&self, own: &OwnHeaders, decoded: &Decoded) -> Result<Proven, &'static str> {
        let requester = own.requester.as_deref().ok_or(refusal::NO_PROOF)?;
        let requester = Requester::from_own_record(requester).ok_or(refusal::COPY_DAMAGED)?;
        let caller = match (own.caller.as_deref(), requester.producer_user()) {
            (Some(caller), _) => Caller::parse(caller).ok_or(refusal::COPY_DAMAGED)?,
            // Copied without being read: what the producer says of the caller stands in the body still.
            (None, Some(user)) => return self.by_producer(user, decoded),
            (None, None) => return Err(refusal::NO_PROOF),
        };
        let site = decoded.body.site;
        let proof = if let Some(user) = requester.producer_user() {
            self.producers.proof(user, site, caller.identity_type).ok_or(refusal::PRODUCER_WITHDRAWN)?
        } else {
            let tokens = self.tokens.as_ref().ok_or(refusal::ISSUER_WITHDRAWN)?;
            if requester != Requester::token(&tokens.issuer, caller) {
                return Err(refusal::ISSUER_WITHDRAWN);
            }
            Proof::Token { permission: own.permission.ok_or(refusal::COPY_DAMAGED)?, expired: false }
        };
        Ok(Proven { caller, requester, proof })
    }

    fn by_producer(&self, user: &str, decoded: &Decoded) -> Result<Proven, &'static str> {
        if !self.producers.lists(user) {
            return Err(refusal::NO_PROOF);
        }
        let caller = match &decoded.body.identity {
            Some(Claim::Caller(caller)) => *caller,
            Some(Claim::Unknown) | None => return Err(refusal::UNKNOWN_IDENTITY),
        };
        let proof = self.producers.proof(user, decoded.body.site, caller.identity_type).ok_or(refusal::NO_PROOF)?;
        Ok(Proven { caller, requester: Requester::producer(user), proof })
    }
}

fn attempts(own: &OwnHeaders) -> Attempts {
    let (unknown_member, busy) = (own.attempts_unknown_member.unwrap_or(0), own.attempts_busy.unwrap_or(0));
    let others = own.attempts.unwrap_or(0).saturating_sub(unknown_member).saturating_sub(busy);
    Attempts { unknown_member, busy, others }
}

fn instant(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}

fn broker_time(seconds: u64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).ok()?).ok()
}
