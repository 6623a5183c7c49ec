//! Sessions of browsers: in memory, so that they end with the process, and a few hundred at most.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::token::{random, sha256};
use super::{Admitted, NoAccess, Operator, Way};

/// A shift.
pub(super) const LASTS: Duration = Duration::from_hours(8);
/// Beyond this the one that ends soonest goes.
const MOST: usize = 256;

/// The sessions, by the digest of their secret: what is looked up is not what is shown, so time tells nothing of it.
#[derive(Default)]
pub(super) struct Sessions(HashMap<[u8; 32], Session>);

struct Session {
    operator: Operator,
    way: Way,
    /// From then on it lets nobody in.
    ends: Instant,
    /// From then on nobody knows that it was.
    forgotten: Instant,
}

impl Sessions {
    /// None if the system gives no random bytes.
    pub(super) fn begin(&mut self, admitted: &Admitted, now: Instant) -> Option<String> {
        self.0.retain(|_, session| session.forgotten > now);
        if self.0.len() >= MOST
            && let Some(soonest) = self.0.iter().min_by_key(|(_, session)| session.ends).map(|(digest, _)| *digest)
        {
            self.0.remove(&soonest);
        }
        let secret = random().ok()?;
        let Admitted { operator, lasts, way } = admitted.clone();
        let (ends, forgotten) = (now + lasts.min(LASTS), now + admitted.known_for());
        self.0.insert(sha256(&secret), Session { operator, way, ends, forgotten });
        Some(secret)
    }

    pub(super) fn find(&self, secret: &str, now: Instant) -> Result<Operator, NoAccess> {
        match self.0.get(&sha256(secret)) {
            Some(session) if session.ends > now => Ok(session.operator.clone()),
            Some(session) if session.forgotten > now => Err(NoAccess::Over),
            Some(_) | None => Err(NoAccess::Unknown),
        }
    }

    /// Ends one, even if it lets nobody in any more; answers whose it was, and how they came in.
    pub(super) fn end(&mut self, secret: &str, now: Instant) -> Option<(Operator, Way)> {
        let session = self.0.remove(&sha256(secret)).filter(|session| session.forgotten > now)?;
        Some((session.operator, session.way))
    }

    /// Forgets one, if it is over.
    pub(super) fn forget(&mut self, secret: &str, now: Instant) {
        let digest = sha256(secret);
        if self.0.get(&digest).is_some_and(|session| session.ends <= now) {
            self.0.remove(&digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{LASTS, MOST, Sessions};
    use crate::config::ConsoleRole;
    use crate::console::access::{Admitted, NoAccess, Operator, Way};

    const HOUR: Duration = Duration::from_hours(1);

    fn ana() -> Operator {
        Operator { who: "ana".into(), role: ConsoleRole::Viewer }
    }

    fn by_token(lasts: Duration) -> Admitted {
        Admitted::by_token(ana(), lasts)
    }

    fn by_login(lasts: Duration) -> Admitted {
        Admitted { operator: ana(), lasts, way: Way::Issuer(None) }
    }

    #[test]
    fn a_session_ends_by_itself_and_no_later_than_a_shift() {
        let (mut sessions, now) = (Sessions::default(), Instant::now());
        for (admitted, ends) in [(by_token(LASTS), LASTS), (by_token(LASTS * 2), LASTS), (by_token(HOUR), HOUR)] {
            let secret = sessions.begin(&admitted, now).unwrap();
            assert_eq!(sessions.find(&secret, now + ends / 2), Ok(ana()));
            assert_eq!(sessions.find(&secret, now + ends), Err(NoAccess::Unknown));
            assert_eq!(sessions.end(&secret, now + ends), None);
        }
    }

    #[test]
    fn that_there_was_a_login_at_the_issuer_is_known_for_the_rest_of_a_shift() {
        let (mut sessions, now) = (Sessions::default(), Instant::now());
        let secret = sessions.begin(&by_login(HOUR), now).unwrap();
        let found = [HOUR / 2, HOUR, LASTS / 2, LASTS].map(|later| sessions.find(&secret, now + later));
        assert_eq!(found, [Ok(ana()), Err(NoAccess::Over), Err(NoAccess::Over), Err(NoAccess::Unknown)]);
        // What comes meanwhile does not push it out, and it can still be ended.
        sessions.begin(&by_token(HOUR), now + LASTS / 2).unwrap();
        assert_eq!(sessions.end(&secret, now + LASTS / 2), Some((ana(), Way::Issuer(None))));
        assert_eq!(sessions.find(&secret, now), Err(NoAccess::Unknown));
    }

    #[test]
    fn a_session_is_forgotten_for_a_new_login_once_it_is_over() {
        let (mut sessions, now) = (Sessions::default(), Instant::now());
        let secret = sessions.begin(&by_login(HOUR), now).unwrap();
        sessions.forget(&secret, now + HOUR / 2);
        assert_eq!(sessions.find(&secret, now + HOUR), Err(NoAccess::Over));
        sessions.forget(&secret, now + HOUR);
        assert_eq!(sessions.find(&secret, now + HOUR), Err(NoAccess::Unknown));
    }

    #[test]
    fn there_are_never_more_than_so_many() {
        let (mut sessions, now) = (Sessions::default(), Instant::now());
        let first = sessions.begin(&by_token(LASTS), now).unwrap();
        let mut last = String::new();
        for _ in 0..MOST {
            last = sessions.begin(&by_token(LASTS), now + LASTS / 2).unwrap();
        }
        assert_eq!(sessions.0.len(), MOST);
        assert_eq!(sessions.find(&first, now), Err(NoAccess::Unknown));
        assert_eq!(sessions.find(&last, now + LASTS / 2), Ok(ana()));
    }
}
