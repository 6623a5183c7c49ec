//! Redis: the cache of public profiles. The one user of `redis`.

mod connection;
mod profiles;

pub use profiles::{CacheError, Entry, Profiles, Written};
