//! Section `[http]`: the operations server, and who may use its console. Separate, because it is all that other modules
//! know of operators.

use std::net::SocketAddr;

use serde::Deserialize;

/// `[http]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Address of the operations server; empty = none.
    pub listen: String,
    /// Whether the console and its API are served.
    pub console: bool,
    /// Whether metrics answer everybody.
    pub metrics_open: bool,
    /// Who may use the console.
    pub tokens: Vec<ConsoleToken>,
}

/// `[[http.tokens]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsoleToken {
    /// Who it is.
    pub name: String,
    /// What they may do.
    pub role: ConsoleRole,
    /// SHA-256 of the token, in hexadecimal.
    pub sha256: String,
}

/// What an operator may do. Each may do what the ones before may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsoleRole {
    /// Look at everything, personal data masked.
    Viewer,
    /// Also do what touches the services.
    Operator,
    /// Also see what is masked, and who did what.
    Admin,
}

impl ConsoleRole {
    /// Every role, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// The word in configuration, log and record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// The role that a word stands for.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

impl ConsoleToken {
    /// The digest, if it is one.
    #[must_use]
    pub fn digest(&self) -> Option<[u8; 32]> {
        let text = self.sha256.as_bytes();
        if text.len() != 64 {
            return None;
        }
        let mut digest = [0; 32];
        for (byte, pair) in digest.iter_mut().zip(text.chunks_exact(2)) {
            let [high, low] = [pair[0], pair[1]].map(|digit| char::from(digit).to_digit(16));
            *byte = u8::try_from(high? * 16 + low?).ok()?;
        }
        Some(digest)
    }
}

impl Http {
    /// Whether only this machine reaches the server.
    #[must_use]
    pub fn is_on_loopback(&self) -> bool {
        self.listen.parse::<SocketAddr>().is_ok_and(|address| address.ip().is_loopback())
    }

    /// Whether the console is served, and nobody could use it.
    #[must_use]
    pub fn locks_everybody_out(&self) -> bool {
        self.console && !self.listen.is_empty() && self.tokens.is_empty() && !self.is_on_loopback()
    }
}

#[cfg(test)]
mod tests {
    use super::{ConsoleRole, ConsoleToken};

    #[test]
    fn a_digest_is_64_hexadecimal_digits() {
        let token = |sha256: &str| ConsoleToken { name: "a".into(), role: ConsoleRole::Viewer, sha256: sha256.into() };
        assert_eq!(token(&"0aF".repeat(64)[..64]).digest().unwrap()[..3], [0x0a, 0xf0, 0xaf]);
        for wrong in ["", "ab", &"g".repeat(64), &"a".repeat(65), &"é".repeat(32)] {
            assert!(token(wrong).digest().is_none(), "{wrong}");
        }
    }

    #[test]
    fn each_role_may_what_the_ones_before_may() {
        assert!(ConsoleRole::ALL.is_sorted());
        assert!(ConsoleRole::ALL.iter().all(|role| ConsoleRole::parse(role.as_str()) == Some(*role)));
    }
}
