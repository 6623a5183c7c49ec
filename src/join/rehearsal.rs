//! What a message would come to if it were delivered now: taken in, decided and committed as a lane does it, in a
//! transaction that is rolled back. Apart from the lane, because nothing of it may ever take effect.

use std::time::Duration;

use time::OffsetDateTime;

use super::answers::change;
use super::arrival::{Arrival, examine};
use super::rounds::ruling;
use crate::auth::Authenticator;
use crate::domain::{Change, Decision, Member, Request, Verdict, decide, to_millis};
use crate::postgres::{Session, StoreError};
use crate::telemetry::chain;
use crate::wire::Incoming;
use crate::wire::request::{Malformed, target_missing};

/// How often a record may change between load and commit before it counts as busy.
const TRIES: u32 = 3;

/// What a message would come to.
#[derive(Clone, Debug)]
pub enum Foreseen {
    /// A verdict, and what it does.
    Verdict(Box<Effect>),
    /// A dead letter `conflict`: the id was used for another request.
    Conflict,
    /// It would wait on the retry ladder: its member is unknown.
    Later,
    /// A dead letter `malformed`.
    Malformed(Malformed),
    /// It proves nothing; the word says why.
    Refused(&'static str),
    /// Its token cannot be judged before the keys are fetched again.
    NoKeys,
    /// Somebody holds its member's record.
    Busy(String),
    /// A dead letter `permanent`: the database refuses it.
    Permanent(String),
}

/// What a verdict does.
#[derive(Clone, Debug)]
pub struct Effect {
    /// The verdict.
    pub verdict: Verdict,
    /// Whether it stands recorded already, so that nothing more is done.
    pub repeated: bool,
    /// The record as it stands.
    pub before: Option<Member>,
    /// The record as it would stand.
    pub after: Option<Member>,
    /// What the world would learn; an event only if one is due.
    pub change: Option<Change>,
}

/// What is made of a message before anything is decided: the request that it proves to be, or what becomes of it.
///
/// # Errors
/// What it comes to without a decision.
pub fn take_in(incoming: &Incoming, authenticator: &Authenticator, now: OffsetDateTime) -> Result<Request, Foreseen> {
    match examine(incoming, authenticator, now) {
        Arrival::Proven(request) => Ok(*request),
        Arrival::Malformed(malformed) => Err(Foreseen::Malformed(malformed)),
        Arrival::Refused(reason) => Err(Foreseen::Refused(reason)),
        Arrival::NoKeys => Err(Foreseen::NoKeys),
    }
}

/// What a request would come to now. Nothing of it takes effect.
///
/// # Errors
/// If PostgreSQL does not serve.
pub async fn rehearse(
    store: &mut Session,
    request: &Request,
    patience: u32,
    lease: Duration,
) -> Result<Foreseen, StoreError> {
    for _ in 0..TRIES {
        let now = to_millis(OffsetDateTime::now_utc());
        let rule = |standing: &_| ruling(request, standing, decide(request, standing, patience));
        let seen = match store.rehearse(request, rule, now, lease).await {
            Ok(seen) => seen,
            Err(error @ (StoreError::Contention(_) | StoreError::Locked)) => return Ok(Foreseen::Busy(chain(&error))),
            Err(error @ StoreError::Permanent(_)) => return Ok(Foreseen::Permanent(chain(&error))),
            Err(error @ (StoreError::Outage(_) | StoreError::Silent(_))) => return Err(error),
        };
        // Overtaken: a lane would begin anew at load.
        if seen.recorded == Some(false) {
            continue;
        }
        let (before, after) = (seen.standing.member.clone(), seen.after);
        let (verdict, repeated) = match decide(request, &seen.standing, patience) {
            Decision::Decided(verdict) => (verdict, false),
            Decision::Repeat(verdict) => (verdict, true),
            Decision::Conflict => return Ok(Foreseen::Conflict),
            Decision::Later => return Ok(Foreseen::Later),
            Decision::TargetMissing => return Ok(Foreseen::Malformed(target_missing())),
        };
        let change = change(request, verdict, after.clone().map(Box::new), !repeated);
        return Ok(Foreseen::Verdict(Box::new(Effect { verdict, repeated, before, after, change })));
    }
    Ok(Foreseen::Busy("the record changed each time that it was looked at".to_owned()))
}
