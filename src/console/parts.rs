//! What the console is made of. Separate from its routes, because the worker is put together elsewhere.

use std::sync::Arc;

use tokio::sync::{Mutex, Semaphore};
use tokio_util::sync::CancellationToken;

use super::access::Access;
use super::guard::AT_ONCE;
use super::letters::Letters;
use super::live::Live;
use super::repair::Repair;
use super::store::Store;
use crate::auth::{Authenticator, Provider};
use crate::cache::Profiles;
use crate::config::{Config, Http};
use crate::operations::{Controls, Health, Meters};
use crate::postgres::Session;

/// Live pages that are open at a time.
const STREAMS: usize = 32;

/// What the console needs.
pub struct Parts<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The state of the dependencies.
    pub health: Health,
    /// What operators have set.
    pub controls: Controls,
    /// Has this worker stop.
    pub drain: CancellationToken,
    /// The metrics.
    pub meters: Meters,
    /// Proves who sent a dead letter that is replayed.
    pub authenticator: Arc<Authenticator>,
    /// The issuer that names operators.
    pub issuer: Option<Provider>,
    /// Two sessions with the database of its own.
    pub sessions: [Session; 2],
    /// A connection to the cache of its own.
    pub profiles: Profiles,
}

/// The console of one worker.
pub struct Console {
    pub(super) http: Http,
    pub(super) access: Access,
    pub(super) health: Health,
    pub(super) controls: Controls,
    pub(super) drain: CancellationToken,
    pub(super) meters: Meters,
    pub(super) store: Store,
    pub(super) profiles: Mutex<Profiles>,
    pub(super) letters: Letters,
    pub(super) repair: Repair,
    pub(super) live: Live,
    /// Calls that may be worked on.
    pub(super) turns: Semaphore,
    /// Live pages that may be open.
    pub(super) streams: Arc<Semaphore>,
}

impl Console {
    /// Puts it together. Connects to nothing.
    #[must_use]
    pub fn new(parts: Parts<'_>) -> Self {
        let Parts { config, health, controls, drain, meters, authenticator, issuer, sessions, profiles } = parts;
        Self {
            access: Access::new(&config.http, issuer),
            http: config.http.clone(),
            health,
            controls,
            drain,
            meters,
            store: Store::new(sessions),
            profiles: Mutex::new(profiles),
            letters: Letters::new(&config.broker),
            repair: Repair::new(config, authenticator),
            live: Live::new(&config.broker),
            turns: Semaphore::new(AT_ONCE),
            streams: Arc::new(Semaphore::new(STREAMS)),
        }
    }
}
