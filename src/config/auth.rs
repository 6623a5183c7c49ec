//! Section `[auth]`: who may call, and how that is proven. Separate, because it is all that other modules know of trust.

use std::time::Duration;

use serde::Deserialize;

/// `[auth]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Auth {
    /// JWKS with the issuer's public keys: a file or a URL; empty = no token is accepted.
    pub jwks: String,
    /// The only accepted `iss`.
    pub issuer: String,
    /// The only accepted `aud`.
    pub audience: String,
    /// Leeway on `exp` and `nbf`.
    #[serde(with = "super::duration")]
    pub leeway: Duration,
    /// The keys are fetched at most this often from a URL.
    #[serde(with = "super::duration")]
    pub jwks_cooldown: Duration,
    /// Judge tokens at the broker's time of arrival.
    pub trust_broker_timestamps: bool,
    /// With broker time: how old an arrival may be.
    #[serde(with = "super::duration")]
    pub max_queue_delay: Duration,
    /// Producers that may vouch for callers.
    pub producers: Vec<Producer>,
}

/// `[[auth.producers]]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Producer {
    /// The broker user.
    pub user: String,
    /// Identity types it may vouch for.
    pub identity_types: Vec<String>,
    /// Sites it may vouch for; `*` = all.
    pub sites: Vec<String>,
    /// Whether it may ask for elevated permission.
    #[serde(default)]
    pub may_elevate: bool,
}
