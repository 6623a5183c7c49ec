//! Section `[http]`: the operations server, and who may use its console. Separate, because it is all that other modules
//! know of operators.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use reqwest::Url;
use secrecy::SecretString;
use serde::Deserialize;

/// Stands for the id of a trace in `trace_url`.
pub const MARK_OF_TRACE: &str = "{trace}";
/// Stands for the id of a request in `logs_url`.
pub const MARK_OF_REQUEST: &str = "{request}";

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
    /// Where browsers reach the console, like `https://console.example.com`; empty = nobody says.
    pub public_url: String,
    /// Where a trace is shown, with [`MARK_OF_TRACE`] for its id; empty = nobody says.
    pub trace_url: String,
    /// Where logs are searched for a request, with [`MARK_OF_REQUEST`] for its id; empty = nobody says.
    pub logs_url: String,
    /// The issuer (OpenID Connect) whose tokens name operators; empty = none.
    pub oidc_issuer: String,
    /// Who the console is at the issuer; empty = no browser logs in there.
    pub oidc_client_id: String,
    /// What the console proves that with; empty = nothing, as a public client.
    pub oidc_client_secret: SecretString,
    /// `aud` of the tokens that scripts bring, beside the client's id.
    pub oidc_audience: String,
    /// What a login in a browser asks the issuer for.
    pub oidc_scopes: String,
    /// The claim that says what somebody may do; dots lead into objects.
    pub oidc_roles_claim: String,
    /// Which role a value of that claim stands for.
    pub oidc_roles: Vec<OidcRole>,
    /// How long a session counts that began by the issuer's word.
    #[serde(with = "super::duration")]
    pub oidc_session: Duration,
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

/// `[[http.oidc_roles]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OidcRole {
    /// What the claim holds.
    pub value: String,
    /// What that stands for.
    pub role: ConsoleRole,
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

    /// Whether anybody is known who may use the console.
    #[must_use]
    pub fn knows_operators(&self) -> bool {
        !self.tokens.is_empty() || !self.oidc_issuer.is_empty()
    }

    /// Whether browsers reach the console over TLS, as far as the configuration says.
    #[must_use]
    pub fn is_over_tls(&self) -> bool {
        self.public_url.starts_with("https://")
    }

    /// Whether the console is served, and nobody could use it.
    #[must_use]
    pub fn locks_everybody_out(&self) -> bool {
        self.console && !self.listen.is_empty() && !self.knows_operators() && !self.is_on_loopback()
    }
}

/// Whether nobody reads along on the way to a URL: it is reached by TLS, or on this machine.
#[must_use]
pub fn is_sheltered(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let is_here = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
    url.scheme() == "https" || (url.scheme() == "http" && is_here)
}

#[cfg(test)]
mod tests {
    use super::{ConsoleRole, ConsoleToken, is_sheltered};

    #[test]
    fn a_digest_is_64_hexadecimal_digits() {
        let token = |sha256: &str| ConsoleToken { name: "a".into(), role: ConsoleRole::Viewer, sha256: sha256.into() };
        assert_eq!(token(&"0aF".repeat(64)[..64]).digest().unwrap()[..3], [0x0a, 0xf0, 0xaf]);
        for wrong in ["", "ab", &"g".repeat(64), &"a".repeat(65), &"é".repeat(32)] {
            assert!(token(wrong).digest().is_none(), "{wrong}");
        }
    }

    #[test]
    fn without_tls_nothing_is_sheltered_but_the_loopback() {
        let is = |url: &str| is_sheltered(&url.parse().unwrap());
        for url in ["https://h", "http://localhost:1", "http://127.0.0.1", "http://[::1]:8080/x"] {
            assert!(is(url), "{url}");
        }
        for url in ["http://h", "http://localhost.evil.example", "http://10.0.0.1", "ftp://localhost", "file:///x"] {
            assert!(!is(url), "{url}");
        }
    }

    #[test]
    fn each_role_may_what_the_ones_before_may() {
        assert!(ConsoleRole::ALL.is_sorted());
        assert!(ConsoleRole::ALL.iter().all(|role| ConsoleRole::parse(role.as_str()) == Some(*role)));
    }
}
