//! Who may use the console: whoever shows a token that the configuration lists, or a session that such a token began.
//!
//! Separate from the routes, because this is all that decides it, and it knows of nothing else.

mod attempts;
mod sessions;
mod token;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use self::attempts::Attempts;
pub(super) use self::sessions::LASTS;
use self::sessions::Sessions;
use self::token::Tokens;
pub use self::token::{Secret, digest_of};
use crate::config::{ConsoleRole, Http};

/// Who it is where no token is asked for.
const LOOPBACK: &str = "loopback";

/// Who uses the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Operator {
    /// The name of the token; `loopback` where none is asked for.
    pub(super) who: Arc<str>,
    /// What they may do.
    pub(super) role: ConsoleRole,
}

impl Operator {
    /// Whether there is anything to log out of.
    pub(super) fn has_session(&self) -> bool {
        &*self.who != LOOPBACK
    }
}

/// What decides who may use the console.
pub(super) struct Access {
    tokens: Tokens,
    /// Whoever reaches the loopback may look and work: no token is configured.
    open: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sessions: Sessions,
    attempts: Attempts,
}

/// Why somebody may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoAccess {
    /// No token is configured, and the server does not listen on the loopback alone.
    Closed,
    /// Neither a token nor a session is shown, or one that is not known.
    Unknown,
    /// Too many wrong tokens came from there; in how long another may.
    TooMany(Duration),
}

impl Access {
    pub(super) fn new(http: &Http) -> Self {
        let tokens = Tokens::new(&http.tokens);
        let open = tokens.is_empty() && http.is_on_loopback();
        Self { tokens, open, state: Mutex::default() }
    }

    /// Whether no token is asked for.
    pub(super) const fn is_open(&self) -> bool {
        self.open
    }

    /// Who shows this token as a bearer.
    pub(super) fn by_token(&self, token: &str, from: IpAddr, now: Instant) -> Result<Operator, NoAccess> {
        if self.tokens.is_empty() {
            return self.without_token();
        }
        let mut state = self.state();
        state.attempts.allow(from, now).map_err(NoAccess::TooMany)?;
        let Some(operator) = self.tokens.find(token) else {
            state.attempts.failed(from, now);
            return Err(NoAccess::Unknown);
        };
        Ok(operator)
    }

    /// Who shows this session.
    pub(super) fn by_session(&self, secret: &str, now: Instant) -> Result<Operator, NoAccess> {
        if self.tokens.is_empty() {
            return self.without_token();
        }
        self.state().sessions.find(secret, now).ok_or(NoAccess::Unknown)
    }

    /// Who shows nothing.
    pub(super) fn without_token(&self) -> Result<Operator, NoAccess> {
        if self.open {
            return Ok(Operator { who: LOOPBACK.into(), role: ConsoleRole::Operator });
        }
        Err(if self.tokens.is_empty() { NoAccess::Closed } else { NoAccess::Unknown })
    }

    /// Begins a session; answers its secret.
    pub(super) fn begin(&self, operator: &Operator, now: Instant) -> Option<String> {
        self.state().sessions.begin(operator.clone(), now)
    }

    /// Ends a session.
    pub(super) fn end(&self, secret: &str) {
        self.state().sessions.end(secret);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use tokio::time::Instant;

    use super::{Access, NoAccess, Secret, digest_of};
    use crate::config::{ConsoleRole, ConsoleToken, Http};

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn access(listen: &str, tokens: &[(&str, ConsoleRole, &str)]) -> Access {
        let token = |(name, role, token): &(&str, ConsoleRole, &str)| ConsoleToken {
            name: (*name).to_owned(),
            role: *role,
            sha256: digest_of(token),
        };
        let tokens = tokens.iter().map(token).collect();
        Access::new(&Http { listen: listen.into(), console: true, metrics_open: false, tokens })
    }

    #[test]
    fn without_tokens_the_loopback_is_open_and_everything_else_closed() {
        let open = access("127.0.0.1:0", &[]);
        for operator in [open.without_token(), open.by_token("x", HERE, Instant::now())] {
            assert_eq!(operator.unwrap().role, ConsoleRole::Operator);
        }
        let closed = access("0.0.0.0:8080", &[]);
        assert_eq!(closed.without_token(), Err(NoAccess::Closed));
        assert_eq!(closed.by_token("x", HERE, Instant::now()), Err(NoAccess::Closed));
    }

    #[test]
    fn with_tokens_the_loopback_asks_for_one_as_well() {
        let access = access("127.0.0.1:0", &[("ana", ConsoleRole::Admin, "one"), ("ben", ConsoleRole::Viewer, "two")]);
        let now = Instant::now();
        assert_eq!(access.without_token(), Err(NoAccess::Unknown));
        assert_eq!(access.by_token("three", HERE, now), Err(NoAccess::Unknown));
        let ben = access.by_token("two", HERE, now).unwrap();
        assert_eq!((&*ben.who, ben.role), ("ben", ConsoleRole::Viewer));
        let session = access.begin(&ben, now).unwrap();
        assert_eq!(access.by_session(&session, now), Ok(ben));
        access.end(&session);
        assert_eq!(access.by_session(&session, now), Err(NoAccess::Unknown));
    }

    #[test]
    fn whoever_guesses_too_often_is_not_even_heard_with_the_right_token() {
        let access = access("127.0.0.1:0", &[("ana", ConsoleRole::Admin, "one")]);
        let now = Instant::now();
        let wrong = (0..100).map(|_| access.by_token("wrong", HERE, now)).filter(|no| *no == Err(NoAccess::Unknown));
        assert_eq!(wrong.count(), 10);
        assert!(matches!(access.by_token("one", HERE, now), Err(NoAccess::TooMany(_))));
        assert!(access.by_token("one", "10.0.0.7".parse().unwrap(), now).is_ok(), "others are not held up");
    }

    #[test]
    fn a_new_token_is_found_by_its_digest() {
        let Secret { token, sha256 } = Secret::make().unwrap();
        assert_eq!(sha256, digest_of(&token));
        assert!(token.len() > 40 && token != Secret::make().unwrap().token);
    }
}
