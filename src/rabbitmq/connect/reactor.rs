//! What `lapin` is given to do its I/O with: tokio's, except that streams go through the sieve. Separate, because it is
//! nothing but the shape that `lapin` asks for.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use async_rs::traits::Reactor;
use async_rs::util::RuntimeParts;
use async_rs::{Runtime, Tokio};
use futures_util::Stream;
use futures_util::io::{AsyncRead, AsyncWrite};
use lapin::AsyncTcpStream;

use super::sieve::Sieve;

/// A stream of tokio's, with or without TLS.
pub(super) type Bare = AsyncTcpStream<<Tokio as Reactor>::TcpStream>;

/// Tokio's reactor, with sifted streams.
#[derive(Clone, Debug)]
pub(super) struct Sifting(Tokio);

/// The runtime that this is part of. Must be called inside tokio's.
pub(super) fn runtime() -> Runtime<RuntimeParts<Tokio, Sifting>> {
    Runtime::new(RuntimeParts::new(Tokio::current(), Sifting(Tokio::current())))
}

impl Reactor for Sifting {
    type TcpStream = Sieve<Bare>;
    type Sleep = <Tokio as Reactor>::Sleep;

    /// `lapin` registers no sockets, and what tokio would need for it has no public name.
    fn register<H: Read + Write + Send + 'static>(
        &self,
        _socket: H,
    ) -> io::Result<impl AsyncRead + AsyncWrite + Send + Unpin + 'static> {
        Err::<Sieve<Bare>, _>(io::ErrorKind::Unsupported.into())
    }

    fn sleep(&self, duration: Duration) -> Self::Sleep {
        self.0.sleep(duration)
    }

    fn interval(&self, duration: Duration) -> impl Stream<Item = Instant> + Send + 'static {
        self.0.interval(duration)
    }

    fn tcp_connect_addr(
        &self,
        address: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::TcpStream>> + Send + 'static {
        let connecting = self.0.tcp_connect_addr(address);
        async move { Ok(Sieve::new(AsyncTcpStream::Plain(connecting.await?))) }
    }
}
