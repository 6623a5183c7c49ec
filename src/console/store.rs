//! The console's own sessions with the database: two, so that however many pages are open, PostgreSQL has two statements of
//! theirs to do, each with its limits, and no lane ever waits for one.

use tokio::sync::{Mutex, MutexGuard};

use crate::postgres::Session;

pub(super) struct Store([Mutex<Session>; 2]);

impl Store {
    pub(super) fn new(sessions: [Session; 2]) -> Self {
        Self(sessions.map(Mutex::new))
    }

    /// Whichever is free first. A caller that gives up meanwhile leaves no trace.
    pub(super) async fn session(&self) -> MutexGuard<'_, Session> {
        tokio::select! {
            biased;
            session = self.0[0].lock() => session,
            session = self.0[1].lock() => session,
        }
    }
}
