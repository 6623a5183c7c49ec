//! Asks whether a broker answers, with a socket of our own. Separate because it speaks eight bytes of AMQP itself:
//! the only ones that can be spoken under a time limit without leaving a thread behind.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::ConnectError;
use crate::rabbitmq::address::Address;

/// Finds an address of the broker where somebody answers, and has closed its own socket again when it returns.
pub(super) async fn probe(address: &Address, limit: Duration) -> Result<SocketAddr, ConnectError> {
    let unreachable = |source| ConnectError::Unreachable { broker: Box::new(address.clone()), source };
    let found = timeout(limit, tokio::net::lookup_host((address.host(), address.port()))).await;
    let found = found.map_err(|_| unreachable(io::ErrorKind::TimedOut.into()))?.map_err(unreachable)?;
    let candidates: Vec<SocketAddr> = found.collect();
    // A share each, so that a first address which swallows everything does not use up the time of the others.
    let share = limit / u32::try_from(candidates.len().max(1)).unwrap_or(u32::MAX);
    let mut last = unreachable(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    for candidate in candidates {
        let mut accepted = false;
        match timeout(share, greet(candidate, address.is_tls(), &mut accepted)).await {
            Ok(Ok(true)) => return Ok(candidate),
            Ok(Ok(false)) => last = ConnectError::Foreign { broker: Box::new(address.clone()) },
            Ok(Err(source)) => last = unreachable(source),
            Err(_) if accepted => last = ConnectError::Silent { broker: Box::new(address.clone()), limit: share },
            Err(_) => last = unreachable(io::ErrorKind::TimedOut.into()),
        }
    }
    Err(last)
}

/// Says hello in AMQP 0-9-1 and tells whether the answer begins like `connection.start`.
/// Behind TLS only the TCP connection is tried: the rest is encrypted.
async fn greet(address: SocketAddr, is_tls: bool, accepted: &mut bool) -> io::Result<bool> {
    const START: [u8; 4] = [0, 10, 0, 10];
    let mut socket = TcpStream::connect(address).await?;
    *accepted = true;
    if is_tls {
        return Ok(true);
    }
    socket.write_all(b"AMQP\x00\x00\x09\x01").await?;
    let mut answer = [0; 11];
    match socket.read_exact(&mut answer).await {
        Ok(_) => Ok(answer[..3] == [1, 0, 0] && answer[7..] == START),
        // It answered, though not with what a broker says.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && answer[0] != 0 => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(io::Error::new(io::ErrorKind::ConnectionAborted, "it hangs up without an answer"))
        }
        Err(error) => Err(error),
    }
}
