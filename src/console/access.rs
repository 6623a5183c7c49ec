//! Who may use the console: whoever shows a token that the configuration lists or the issuer made, or a session that such a
//! token or a login at the issuer began.
//!
//! Separate from the routes, because this is all that decides it, and it knows of nothing else.

mod attempts;
mod issuer;
mod logins;
mod no_access;
mod sessions;
mod token;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use self::attempts::Attempts;
use self::issuer::Issuer;
pub(super) use self::issuer::Returned;
use self::logins::Logins;
pub(super) use self::logins::WAITS;
pub(super) use self::no_access::{NOBODY, NoAccess};
use self::sessions::{LASTS, Sessions};
use self::token::Tokens;
pub use self::token::{Secret, digest_of};
use crate::auth::{IdToken, Provider};
use crate::config::{ConsoleRole, Http};

/// Who it is where no token is asked for.
const LOOPBACK: &str = "loopback";

/// Who uses the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Operator {
    /// The name of the token, or whom the issuer names; `loopback` where nobody is asked.
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

/// Somebody who may, and for how long at most without being asked again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Admitted {
    pub(super) operator: Operator,
    pub(super) lasts: Duration,
    pub(super) way: Way,
}

/// How somebody came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// By a token.
    Token,
    /// By a login at the issuer, and what that is ended by there.
    Issuer(Option<IdToken>),
}

impl Admitted {
    const fn by_token(operator: Operator, lasts: Duration) -> Self {
        Self { operator, lasts, way: Way::Token }
    }

    /// How long the session is known that begins with this. One of a login at the issuer is for a shift, though it counts
    /// for less: its browser is led there again, and what it has there can still be ended.
    pub(super) fn known_for(&self) -> Duration {
        match self.way {
            Way::Token => self.lasts.min(LASTS),
            Way::Issuer(_) => LASTS,
        }
    }
}

/// What decides who may use the console.
pub(super) struct Access {
    tokens: Tokens,
    issuer: Option<Issuer>,
    /// Somebody is known who may, so everybody is asked.
    asks: bool,
    /// Whoever reaches the loopback may look and work: nobody is known.
    open: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sessions: Sessions,
    attempts: Attempts,
    logins: Logins,
    /// Logins that were begun, whatever became of them.
    begun: Attempts,
    /// Those that came back and failed. Apart from wrong tokens, for whoever gets a browser here must not keep out a script.
    returned: Attempts,
    /// Browsers that came back from no login and stand on record.
    strays: Attempts,
    /// What came from elsewhere and stands on record.
    foreign: Attempts,
}

impl Access {
    pub(super) fn new(http: &Http, provider: Option<Provider>) -> Self {
        let asks = http.knows_operators();
        Self {
            tokens: Tokens::new(&http.tokens),
            issuer: provider.map(|provider| Issuer::new(provider, http)),
            asks,
            open: !asks && http.is_on_loopback(),
            state: Mutex::default(),
        }
    }

    /// Whether no token is asked for.
    pub(super) const fn is_open(&self) -> bool {
        self.open
    }

    /// Who shows this token as a bearer.
    pub(super) async fn by_token(&self, token: &str, from: IpAddr, now: Instant) -> Result<Admitted, NoAccess> {
        if !self.asks {
            return self.without_token().map(|operator| Admitted::by_token(operator, LASTS));
        }
        self.state().attempts.allow(from, now).map_err(NoAccess::TooMany)?;
        // No token of ours has a dot, each of an issuer's has two.
        let shown = match (self.tokens.find(token), self.issuer.as_ref().filter(|_| token.contains('.'))) {
            (Some(operator), _) => Ok(Admitted::by_token(operator, LASTS)),
            (None, Some(issuer)) => issuer.by_token(token).await,
            (None, None) => Err(NoAccess::UnknownToken),
        };
        self.judged(shown, from, now)
    }

    /// Who shows this session.
    pub(super) fn by_session(&self, secret: &str, now: Instant) -> Result<Operator, NoAccess> {
        if !self.asks {
            return self.without_token();
        }
        self.state().sessions.find(secret, now)
    }

    /// Who shows nothing.
    pub(super) fn without_token(&self) -> Result<Operator, NoAccess> {
        if self.open {
            return Ok(Operator { who: LOOPBACK.into(), role: ConsoleRole::Operator });
        }
        Err(if self.asks { NoAccess::Unknown } else { NoAccess::Closed })
    }

    /// Begins a session; answers its secret.
    pub(super) fn begin(&self, admitted: &Admitted, now: Instant) -> Option<String> {
        self.state().sessions.begin(admitted, now)
    }

    /// Ends a session; answers whose it was and, if they logged in at the issuer, where they log out there.
    pub(super) fn end(&self, secret: &str, now: Instant) -> Option<(Operator, Option<String>)> {
        let (operator, way) = self.state().sessions.end(secret, now)?;
        let at = match way {
            Way::Token => None,
            Way::Issuer(id_token) => self.issuer.as_ref().and_then(|issuer| issuer.logout_at(id_token.as_ref())),
        };
        Some((operator, at))
    }

    /// Whether it goes on record that a request came from elsewhere: only so often from one address, for any page can have a
    /// browser ask so, as often as it likes.
    pub(super) fn records_foreign(&self, from: IpAddr, now: Instant) -> bool {
        self.state().foreign.take(from, now)
    }

    /// What came of a try to get in, noted if it failed.
    fn judged<T>(&self, outcome: Result<T, NoAccess>, from: IpAddr, now: Instant) -> Result<T, NoAccess> {
        if outcome.as_ref().err().is_some_and(NoAccess::is_failure) {
            self.state().attempts.failed(from, now);
        }
        outcome
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
    use crate::config::{ConsoleRole, ConsoleToken, load};

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn access(listen: &str, tokens: &[(&str, ConsoleRole, &str)]) -> Access {
        let token = |(name, role, token): &(&str, ConsoleRole, &str)| ConsoleToken {
            name: (*name).to_owned(),
            role: *role,
            sha256: digest_of(token),
        };
        let mut http = load::<String, String>(None, []).unwrap().http;
        listen.clone_into(&mut http.listen);
        http.tokens = tokens.iter().map(token).collect();
        Access::new(&http, None)
    }

    #[tokio::test]
    async fn without_tokens_the_loopback_is_open_and_everything_else_closed() {
        let open = access("127.0.0.1:0", &[]);
        assert_eq!(open.without_token().unwrap().role, ConsoleRole::Operator);
        assert_eq!(open.by_token("x", HERE, Instant::now()).await.unwrap().operator.role, ConsoleRole::Operator);
        let closed = access("0.0.0.0:8080", &[]);
        assert_eq!(closed.without_token(), Err(NoAccess::Closed));
        assert_eq!(closed.by_token("x", HERE, Instant::now()).await, Err(NoAccess::Closed));
    }

    #[tokio::test]
    async fn with_tokens_the_loopback_asks_for_one_as_well() {
        let access = access("127.0.0.1:0", &[("ana", ConsoleRole::Admin, "one"), ("ben", ConsoleRole::Viewer, "two")]);
        let now = Instant::now();
        assert_eq!(access.without_token(), Err(NoAccess::Unknown));
        assert_eq!(access.by_token("three", HERE, now).await, Err(NoAccess::UnknownToken));
        let ben = access.by_token("two", HERE, now).await.unwrap();
        assert_eq!((&*ben.operator.who, ben.operator.role), ("ben", ConsoleRole::Viewer));
        let session = access.begin(&ben, now).unwrap();
        assert_eq!(access.by_session(&session, now), Ok(ben.operator.clone()));
        assert_eq!(access.end(&session, now), Some((ben.operator, None)));
        assert_eq!(access.by_session(&session, now), Err(NoAccess::Unknown));
    }

    #[tokio::test]
    async fn whoever_guesses_too_often_is_not_even_heard_with_the_right_token() {
        let access = access("127.0.0.1:0", &[("ana", ConsoleRole::Admin, "one")]);
        let now = Instant::now();
        for _ in 0..10 {
            assert_eq!(access.by_token("wrong", HERE, now).await, Err(NoAccess::UnknownToken));
        }
        for token in ["wrong", "one"] {
            assert!(matches!(access.by_token(token, HERE, now).await, Err(NoAccess::TooMany(_))));
        }
        assert!(access.by_token("one", "10.0.0.7".parse().unwrap(), now).await.is_ok(), "others are not held up");
    }

    #[test]
    fn a_new_token_is_found_by_its_digest() {
        let Secret { token, sha256 } = Secret::make().unwrap();
        assert_eq!(sha256, digest_of(&token));
        assert!(token.len() > 40 && token != Secret::make().unwrap().token);
    }
}
