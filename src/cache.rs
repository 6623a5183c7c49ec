//! Redis: the cache of public profiles. The one user of `redis`, beside the client library, which reads.

pub(crate) mod connection;

#[cfg(feature = "worker")]
mod preflight;
#[cfg(feature = "worker")]
mod profiles;

#[cfg(feature = "worker")]
pub use preflight::{PreflightError, ServerFacts, preflight};
#[cfg(feature = "worker")]
pub use profiles::{CacheError, Correction, Entry, Held, Profiles, Written};
