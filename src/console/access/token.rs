//! The tokens that the configuration lists, known by their digests alone. Separate, because here secrets are compared.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand;

use super::Operator;
use crate::config::ConsoleToken;
use crate::wire::copy::hex;

/// Makes it plain what a string is that turns up somewhere.
const PREFIX: &str = "jcc_";

/// A new token, and what of it is to be configured.
pub struct Secret {
    /// The token: for its owner, and kept nowhere.
    pub token: String,
    /// Its digest, for `http.tokens`.
    pub sha256: String,
}

impl Secret {
    /// Makes one.
    ///
    /// # Errors
    /// If the system gives no random bytes.
    pub fn make() -> Result<Self, Unspecified> {
        let token = format!("{PREFIX}{}", random()?);
        Ok(Self { sha256: digest_of(&token), token })
    }
}

/// The digest of a token, as the configuration holds it.
#[must_use]
pub fn digest_of(token: &str) -> String {
    hex(&sha256(token))
}

pub(super) fn sha256(secret: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
    bytes
}

/// 256 bits that nobody guesses.
pub(super) fn random() -> Result<String, Unspecified> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes)?;
    Ok(hex(&bytes))
}

pub(super) struct Tokens(Vec<([u8; 32], Operator)>);

impl Tokens {
    /// What is no digest was refused with the configuration.
    pub(super) fn new(tokens: &[ConsoleToken]) -> Self {
        let known = |token: &ConsoleToken| {
            let operator = Operator { who: Arc::from(token.name.as_str()), role: token.role };
            Some((token.digest()?, operator))
        };
        Self(tokens.iter().filter_map(known).collect())
    }

    /// Looks at all of them, each in the same time, so that how long it takes tells nothing.
    pub(super) fn find(&self, token: &str) -> Option<Operator> {
        let shown = sha256(token);
        let mut found = None;
        for (digest, operator) in &self.0 {
            if verify_slices_are_equal(digest, &shown).is_ok() {
                found = Some(operator);
            }
        }
        found.cloned()
    }
}
