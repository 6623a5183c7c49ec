//! Redis: the cache of public profiles. The one user of `redis`.

mod connection;
mod preflight;
mod profiles;

pub use preflight::{PreflightError, ServerFacts, preflight};
pub use profiles::{CacheError, Correction, Entry, Held, Profiles, Written};
