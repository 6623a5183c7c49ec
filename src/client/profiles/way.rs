//! The way to Redis: one connection that all readers share, made anew when it fails. Apart, because it outlives the wait of
//! whichever reader asks for it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, timeout, timeout_at};

use super::ProfilesError;
use crate::cache::connection::{Connection, Server};

/// How long a connection may take to be made. Not a reader's limit: where that is shorter than it takes to connect, nobody
/// would ever be served.
const CONNECTING: Duration = Duration::from_secs(10);
/// After a try to connect that failed, how long nobody tries again: readers shall not queue up before a door that is shut.
const SHUT_FOR: Duration = Duration::from_secs(1);

/// The way to Redis.
pub(super) struct Way {
    server: Server,
    door: Mutex<Door>,
    /// Held by whoever connects, so that the others wait for that.
    connecting: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Door {
    connection: Option<Connection>,
    /// Counts the connections, so that a reader throws away only the one that failed it.
    number: u64,
    /// When the last try to connect began.
    knocked: Option<Instant>,
    shut_until: Option<Instant>,
}

impl Way {
    /// Leads to this server; nothing is connected yet.
    pub(super) fn to(server: Server) -> Self {
        Self { server, door: Mutex::default(), connecting: Arc::default() }
    }

    /// The connection and its number; made, if there is none. Readers are as patient as this.
    pub(super) async fn open(self: &Arc<Self>, patience: Duration) -> Result<(Connection, u64), ProfilesError> {
        if let Some(open) = self.door().open() {
            return Ok(open);
        }
        let turn = Arc::clone(&self.connecting).lock_owned();
        let until = self.door().knocked.and_then(|knocked| knocked.checked_add(patience));
        let turn = match until {
            // For as long as whoever knocked waits, and no longer: readers shall not queue up before a door that stays shut.
            Some(until) => timeout_at(until, turn).await.map_err(|_| ProfilesError::Shut)?,
            None => turn.await,
        };
        if let Some(open) = self.door().open() {
            return Ok(open);
        }
        self.door().knock()?;
        // A task of its own goes on when nobody waits any more.
        let connecting = tokio::spawn(Arc::clone(self).connect(turn));
        // One without a result has panicked, or its runtime is gone.
        connecting.await.unwrap_or(Err(ProfilesError::Shut))
    }

    async fn connect(self: Arc<Self>, _turn: OwnedMutexGuard<()>) -> Result<(Connection, u64), ProfilesError> {
        let connected = match timeout(CONNECTING, self.server.connect()).await {
            Ok(connected) => connected.map_err(ProfilesError::Redis),
            Err(_) => Err(ProfilesError::Silent(CONNECTING)),
        };
        let mut door = self.door();
        match connected {
            Ok(connection) => Ok(door.let_in(connection)),
            Err(error) => {
                door.shut();
                Err(error)
            }
        }
    }

    /// Never held while anything is waited for.
    fn door(&self) -> MutexGuard<'_, Door> {
        self.door.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Door {
    fn open(&self) -> Option<(Connection, u64)> {
        self.connection.clone().map(|connection| (connection, self.number))
    }

    /// Begins a try to connect.
    fn knock(&mut self) -> Result<(), ProfilesError> {
        let now = Instant::now();
        if self.shut_until.is_some_and(|until| now < until) {
            return Err(ProfilesError::Shut);
        }
        self.knocked = Some(now);
        Ok(())
    }

    /// The try has failed.
    fn shut(&mut self) {
        self.shut_until = Some(Instant::now() + SHUT_FOR);
    }

    fn let_in(&mut self, connection: Connection) -> (Connection, u64) {
        let number = self.number + 1;
        *self = Self { connection: Some(connection.clone()), number, ..Self::default() };
        (connection, number)
    }
}

/// Throws a connection away that failed, or did not answer in time: one that hangs would stay in use otherwise.
pub(super) struct Failing<'a> {
    pub(super) way: &'a Way,
    pub(super) number: u64,
    pub(super) is_fine: bool,
}

impl Drop for Failing<'_> {
    fn drop(&mut self) {
        if self.is_fine {
            return;
        }
        let mut door = self.way.door();
        if door.number == self.number {
            door.connection = None;
        }
    }
}
