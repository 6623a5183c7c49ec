//! Sessions of browsers: in memory, so that they end with the process, and a few hundred at most.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::Operator;
use super::token::{random, sha256};

/// A shift.
pub(super) const LASTS: Duration = Duration::from_hours(8);
/// Beyond this the one that ends soonest goes.
const MOST: usize = 256;

/// The sessions, by the digest of their secret: what is looked up is not what is shown, so time tells nothing of it.
#[derive(Default)]
pub(super) struct Sessions(HashMap<[u8; 32], Session>);

struct Session {
    operator: Operator,
    ends: Instant,
}

impl Sessions {
    /// None if the system gives no random bytes.
    pub(super) fn begin(&mut self, operator: Operator, ends: Instant, now: Instant) -> Option<String> {
        self.0.retain(|_, session| session.ends > now);
        if self.0.len() >= MOST
            && let Some(soonest) = self.0.iter().min_by_key(|(_, session)| session.ends).map(|(digest, _)| *digest)
        {
            self.0.remove(&soonest);
        }
        let secret = random().ok()?;
        self.0.insert(sha256(&secret), Session { operator, ends });
        Some(secret)
    }

    pub(super) fn find(&self, secret: &str, now: Instant) -> Option<Operator> {
        let session = self.0.get(&sha256(secret))?;
        (session.ends > now).then(|| session.operator.clone())
    }

    pub(super) fn end(&mut self, secret: &str) {
        self.0.remove(&sha256(secret));
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::{LASTS, MOST, Sessions};
    use crate::config::ConsoleRole;
    use crate::console::access::Operator;

    fn operator() -> Operator {
        Operator { who: "ana".into(), role: ConsoleRole::Viewer }
    }

    #[test]
    fn a_session_ends_by_itself() {
        let (mut sessions, now) = (Sessions::default(), Instant::now());
        let secret = sessions.begin(operator(), now + LASTS, now).unwrap();
        assert!(sessions.find(&secret, now + LASTS / 2).is_some());
        assert!(sessions.find(&secret, now + LASTS).is_none());
    }

    #[test]
    fn there_are_never_more_than_so_many() {
        let (mut sessions, now) = (Sessions::default(), Instant::now());
        let first = sessions.begin(operator(), now + LASTS, now).unwrap();
        let mut last = String::new();
        for _ in 0..MOST {
            last = sessions.begin(operator(), now + LASTS + LASTS / 2, now + LASTS / 2).unwrap();
        }
        assert_eq!(sessions.0.len(), MOST);
        assert!(sessions.find(&first, now).is_none() && sessions.find(&last, now).is_some());
    }
}
