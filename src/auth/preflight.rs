//! Reads the keys once, for a person who wants to know whether they could be used. Separate from [`super::Authenticator`],
//! which keeps them fresh and never tells more than that there are some.

use std::sync::Arc;

use super::AuthSetupError;
use super::key_set::KeySet;
use super::key_source::{KeyReadError, KeySource};
use super::oidc::discovery::Discovery;

/// The keys that were found.
#[derive(Clone, Debug)]
pub struct KeysFound {
    /// Where, without what could be secret in a URL.
    pub place: String,
    /// How many can be used.
    pub usable: usize,
    /// How many cannot.
    pub skipped: usize,
}

/// An issuer of operators that was found.
#[derive(Clone, Debug)]
pub struct IssuerFound {
    /// Its keys; the place is that of its discovery document.
    pub keys: KeysFound,
    /// Whether it says where browsers log in and where codes are redeemed.
    pub logs_in: bool,
    /// Whether it says where browsers log out.
    pub logs_out: bool,
    /// Whether it says that it holds a code's bearer to what the login began with (PKCE, S256).
    pub binds_codes: bool,
}

/// Why no keys were found.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    /// The place cannot be used.
    #[error(transparent)]
    Place(#[from] AuthSetupError),
    /// There is nothing of use.
    #[error("{place}")]
    Read {
        /// Where, without what could be secret in a URL.
        place: String,
        /// What is wrong.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Reads the keys at `jwks` once, within the limits of size and time that the worker has for it.
///
/// # Errors
/// If they cannot be read.
pub async fn preflight(jwks: &str) -> Result<KeysFound, PreflightError> {
    let source = KeySource::new(jwks)?;
    let place = source.place();
    match source.read().await {
        Ok(json) => examine(&json, place),
        Err(error) => Err(PreflightError::Read { place, source: error.into() }),
    }
}

/// Reads the discovery document of an issuer, and the keys that it leads to, within the worker's limits.
///
/// # Errors
/// If one of them cannot be read.
pub async fn preflight_issuer(issuer: &str) -> Result<IssuerFound, PreflightError> {
    let discovery = Arc::new(Discovery::new(issuer)?);
    let source = KeySource::Issuer(Arc::clone(&discovery));
    let place = source.place();
    let keys = match source.read().await {
        Ok(json) => examine(&json, place)?,
        Err(error) => return Err(PreflightError::Read { place, source: error.into() }),
    };
    let offers = discovery.offers();
    let offers = offers.as_deref();
    let logs_in = offers.is_some_and(|offers| offers.authorization.is_some() && offers.token.is_some());
    let logs_out = offers.is_some_and(|offers| offers.end_session.is_some());
    Ok(IssuerFound { keys, logs_in, logs_out, binds_codes: offers.is_some_and(|offers| offers.binds_codes) })
}

/// Examines a document of keys that was read at `place`.
///
/// # Errors
/// If it is none.
pub fn examine(json: &[u8], place: String) -> Result<KeysFound, PreflightError> {
    match KeySet::parse(json).map_err(KeyReadError::Content) {
        Ok(set) => Ok(KeysFound { place, usable: set.len(), skipped: set.skipped() }),
        Err(error) => Err(PreflightError::Read { place, source: error.into() }),
    }
}
