//! Ends what is left of a connection attempt that is given up. Separate because it reaches into a thread of `lapin`'s,
//! which neither a time-out nor a dropped future can end.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, PoisonError};

/// A second handle on the socket that `lapin` opens, shared with the thread that opens it.
#[derive(Default)]
pub(super) enum Socket {
    #[default]
    Pending,
    Open(TcpStream),
    Kept,
    GivenUp,
}

/// Ends the socket of an attempt that is given up, and so the thread that would otherwise wait on a hanging broker for
/// ever; also if the caller does not wait for the end of [`open`](super::open()).
#[derive(Default)]
pub(super) struct Guard(pub(super) Arc<Mutex<Socket>>);

impl Guard {
    /// The attempt succeeded: the socket is `lapin`'s alone.
    pub(super) fn keep(self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Socket::Kept;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Socket::Open(stream) = &*socket {
            // That it cannot be ended means that it has ended already.
            drop(stream.shutdown(Shutdown::Both));
        }
        if !matches!(*socket, Socket::Kept) {
            *socket = Socket::GivenUp;
        }
    }
}

/// Lets the guard end this socket, unless it is too late for that.
pub(super) fn watch(socket: &Mutex<Socket>, stream: BorrowedFd<'_>) -> io::Result<()> {
    let mut socket = socket.lock().unwrap_or_else(PoisonError::into_inner);
    if matches!(*socket, Socket::GivenUp) {
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    *socket = Socket::Open(stream.try_clone_to_owned()?.into());
    Ok(())
}
