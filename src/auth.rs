//! Who calls: proven by a session token, by a trusted producer, or by a copy that this worker wrote itself. And who
//! operates, where an issuer says so.
//!
//! Separate, because whom to believe is decided here and nowhere else.

mod authenticator;
mod claims;
mod key_set;
mod key_source;
mod keys;
pub mod mint;
mod oidc;
mod preflight;
mod producers;
mod signed;
mod tokens;

#[cfg(test)]
mod tests;

pub use authenticator::Authenticator;
pub use oidc::{Challenge, IdToken, Identity, NotProven, Provider, reason};
pub use preflight::{IssuerFound, KeysFound, PreflightError, examine, preflight, preflight_issuer};

pub use crate::domain::refusal;
use crate::domain::{Caller, Proof, Requester};

/// What is known of a request's sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// The sender is proven.
    Proven(Proven),
    /// The sender is not proven, and waiting cannot change that. The word is one of [`refusal::ALL`].
    Refused(&'static str),
    /// The key that the token names is not known yet. New keys are asked for; try again later.
    NoKeys,
}

/// A proven sender.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// Who calls.
    pub caller: Caller,
    /// Who is answerable, and owns the request id.
    pub requester: Requester,
    /// How that is proven, and what it entitles to now.
    pub proof: Proof,
}

/// Why authentication cannot be set up: the configuration is at fault, and trying again is of no use.
#[derive(Debug, thiserror::Error)]
pub enum AuthSetupError {
    /// A key holds what it must not.
    #[error("{key} = `{value}`: {rule}")]
    Setting {
        /// The key, as the configuration spells it.
        key: String,
        /// Its value.
        value: String,
        /// What would be right.
        rule: &'static str,
    },
    /// There is no HTTP client to fetch keys with.
    #[error("no HTTP client to read keys with; install the system's CA certificates (package ca-certificates)")]
    HttpClient(#[source] reqwest::Error),
}

impl AuthSetupError {
    fn setting(key: impl Into<String>, value: impl Into<String>, rule: &'static str) -> Self {
        Self::Setting { key: key.into(), value: value.into(), rule }
    }
}

/// Why a sender is not proven; the inner form of [`Authentication`].
enum Doubt {
    Refused(&'static str),
    NoKeys,
}
