//! The ID token of a login, for as long as the session is known that the login began. Separate, because nobody is shown it
//! but the issuer that made it.

use std::fmt;

/// Longest one that is kept. It goes back in an address: proxies take a head of four KiB from us, and a line of eight on the
/// way to the issuer, unless somebody has told them otherwise.
const LONGEST: usize = 3 * 1024;

/// What the issuer knows a login by that is to end.
#[derive(Clone, PartialEq, Eq)]
pub struct IdToken(Box<str>);

impl IdToken {
    /// Keeps a token, unless it is too long: without one the issuer asks its user, which is better than an address that
    /// nobody takes.
    pub(in crate::auth) fn kept(token: String) -> Option<Self> {
        (token.len() <= LONGEST).then(|| Self(token.into_boxed_str()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What it holds of a person is nobody's business.
impl fmt::Debug for IdToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::{IdToken, LONGEST};

    #[test]
    fn only_what_fits_an_address_is_kept_and_nothing_of_it_is_told() {
        let token = IdToken::kept("e".repeat(LONGEST)).unwrap();
        assert_eq!((token.as_str().len(), format!("{token:?}")), (LONGEST, "IdToken(…)".to_owned()));
        assert_eq!(IdToken::kept("e".repeat(LONGEST + 1)), None);
    }
}
