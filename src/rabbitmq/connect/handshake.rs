//! A handshake of `lapin`'s on a socket of ours. Apart from [`open`](super::open()), because it may take two.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use lapin::tcp::{AsyncTcpStream, RustlsConnector};
use lapin::{Connection, ConnectionProperties, ErrorKind};
use tokio::time::{Instant, timeout_at};

use super::guard::{Guard, watch};
use super::sieve::Sieve;
use super::tls::Trouble;
use super::{ConnectError, Limits, reactor};
use crate::rabbitmq::address::Address;

/// All that is known before it.
pub(super) struct Handshake<'a> {
    pub(super) address: &'a Address,
    /// Where somebody answered.
    pub(super) answering: SocketAddr,
    /// What the broker shows the connection as.
    pub(super) shown: String,
    pub(super) tls: Option<RustlsConnector>,
    pub(super) limits: Limits,
    pub(super) deadline: Instant,
}

impl Handshake<'_> {
    /// Makes a connection whose frames are no larger than this; answers how large the broker would have let them be.
    pub(super) async fn made(&self, frame_max: u32) -> Result<(Connection, u32), ConnectError> {
        let mut uri = self.address.uri();
        let heartbeat = self.limits.heartbeat.as_secs().clamp(1, u16::MAX.into());
        uri.query.heartbeat = u16::try_from(heartbeat).ok();
        uri.query.frame_max = Some(frame_max);
        let properties = ConnectionProperties::default()
            .with_connection_name(self.shown.as_str().into())
            .with_client_property("product".into(), env!("CARGO_PKG_NAME").into())
            .with_client_property("version".into(), env!("CARGO_PKG_VERSION").into());

        let (guard, offered) = (Guard::default(), Arc::new(AtomicU32::new(0)));
        let (socket, offer) = (Arc::clone(&guard.0), Arc::clone(&offered));
        let (host, tokio) = (self.address.host().to_owned(), async_rs::Tokio::current());
        let (tls, answering, deadline) = (self.tls.clone(), self.answering, self.deadline);
        let handshake = Connection::connector(
            uri,
            reactor::runtime(),
            // This runs on a thread of lapin's, which outlives a time-out of ours: so it has one of its own.
            async move |_, _| {
                let open = async {
                    let mut stream = reactor::Bare::connect(&tokio, answering).await?;
                    if let AsyncTcpStream::Plain(plain) = &stream {
                        watch(&socket, plain.get_ref().as_fd())?;
                    }
                    if let Some(connector) = &tls {
                        stream = stream.into_rustls(connector, &host).await?;
                    }
                    // Sifted after it is deciphered, and by us: so to `lapin` it is a plain one.
                    Ok(AsyncTcpStream::Plain(Sieve::new(stream).fitting(frame_max, Arc::clone(&offer))))
                };
                let opened = timeout_at(deadline, open).await;
                opened.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut))).map_err(lapin::Error::from)
            },
            properties,
        );
        let silent = |_| ConnectError::Silent { broker: Box::new(self.address.clone()), limit: self.limits.timeout };
        let connection = timeout_at(deadline, handshake).await.map_err(silent)?;
        let connection = connection.map_err(|source| failed(self.address, source))?;
        guard.keep();
        Ok((connection, offered.load(Ordering::Relaxed)))
    }
}

/// Sorts what went wrong after the broker had answered.
fn failed(address: &Address, source: lapin::Error) -> ConnectError {
    const ACCESS_REFUSED: u16 = 403;
    const NOT_ALLOWED: u16 = 530;
    let broker = Box::new(address.clone());
    if let ErrorKind::ProtocolError(error) = source.kind()
        && [ACCESS_REFUSED, NOT_ALLOWED].contains(&error.get_id())
    {
        return ConnectError::Refused { broker, source: error.clone() };
    }
    let trouble = if let ErrorKind::IOError(error) = source.kind()
        && address.is_tls()
    {
        Trouble::of(error)
    } else {
        None
    };
    match trouble {
        Some(Trouble::Untrusted) => ConnectError::Untrusted { broker, source },
        Some(Trouble::Refused) => ConnectError::Unproven { broker, source },
        Some(Trouble::Foreign) => ConnectError::Foreign { broker },
        None => ConnectError::Broken { broker, source },
    }
}
