//! Logins that were begun at the issuer and are not over: in memory, for ten minutes, each good once and for one browser.

use std::collections::HashMap;
use std::time::Duration;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use tokio::time::Instant;

use super::token::{random, sha256};
use crate::auth::Challenge;

/// Long enough for a password and a second factor.
pub(in crate::console) const WAITS: Duration = Duration::from_mins(10);
/// Beyond this the one that ends soonest goes.
const MOST: usize = 1024;

/// By the digest of their state: what is looked up is not what is shown, so time tells nothing of it.
#[derive(Default)]
pub(super) struct Logins(HashMap<[u8; 32], Login>);

/// One of them.
pub(super) struct Login {
    pub(super) challenge: Challenge,
    /// The page that was asked for.
    pub(super) to: String,
    /// The digest of what the browser keeps.
    browser: [u8; 32],
    ends: Instant,
}

impl Logins {
    /// Begins one; answers its secrets, and the one that the browser keeps. None if the system gives no random bytes.
    pub(super) fn begin(&mut self, to: &str, now: Instant) -> Option<(Challenge, String)> {
        self.0.retain(|_, login| login.ends > now);
        if self.0.len() >= MOST
            && let Some(soonest) = self.0.iter().min_by_key(|(_, login)| login.ends).map(|(digest, _)| *digest)
        {
            self.0.remove(&soonest);
        }
        let browser = random().ok()?;
        let challenge = Challenge::new([random().ok()?, random().ok()?, random().ok()?]);
        let login =
            Login { challenge: challenge.clone(), to: to.to_owned(), browser: sha256(&browser), ends: now + WAITS };
        self.0.insert(sha256(&challenge.state), login);
        Some((challenge, browser))
    }

    /// The login of this state and browser. Whatever comes of it, the state is spent.
    pub(super) fn take(&mut self, state: &str, browser: &str, now: Instant) -> Option<Login> {
        let login = self.0.remove(&sha256(state))?;
        let is_same = verify_slices_are_equal(&login.browser, &sha256(browser)).is_ok();
        (is_same && login.ends > now).then_some(login)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::{Logins, MOST, WAITS};

    #[test]
    fn a_login_is_good_once_for_its_browser_and_not_for_long() {
        let (mut logins, now) = (Logins::default(), Instant::now());
        let (challenge, browser) = logins.begin("/requests", now).unwrap();
        let secrets = [&challenge.state, &challenge.nonce, &challenge.verifier, &browser];
        assert!(secrets.iter().all(|secret| secrets.iter().filter(|other| *other == secret).count() == 1));
        let login = logins.take(&challenge.state, &browser, now).unwrap();
        assert_eq!((login.to.as_str(), &login.challenge.nonce), ("/requests", &challenge.nonce));
        assert!(logins.take(&challenge.state, &browser, now).is_none(), "a second time");

        let (challenge, _) = logins.begin("/", now).unwrap();
        assert!(logins.take(&challenge.state, &browser, now).is_none(), "another browser");
        let (challenge, browser) = logins.begin("/", now).unwrap();
        assert!(logins.take(&challenge.state, &browser, now + WAITS).is_none(), "too late");
        let (_, browser) = logins.begin("/", now).unwrap();
        assert!(logins.take("another state", &browser, now).is_none());
    }

    #[test]
    fn there_are_never_more_than_so_many() {
        let (mut logins, now) = (Logins::default(), Instant::now());
        let (first, of_first) = logins.begin("/", now).unwrap();
        for _ in 0..MOST {
            logins.begin("/", now + WAITS / 2).unwrap();
        }
        assert_eq!(logins.0.len(), MOST);
        assert!(logins.take(&first.state, &of_first, now).is_none());
        // What is over makes room.
        logins.begin("/", now + WAITS * 2).unwrap();
        assert_eq!(logins.0.len(), 1);
    }
}
