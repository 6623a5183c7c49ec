//! A way to the broker on which every message is stamped with the time of its arrival, whatever its publisher wrote: what
//! RabbitMQ does from 3.12 on, where `set_header_timestamp.overwrite` tells it to.
//!
//! Apart, because the broker of the environment may be older, and would else stamp the messages of all tests.

use std::io;
use std::net::SocketAddr;

use secrecy::SecretString;
use time::OffsetDateTime;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::proxy::detour;

/// The type of a frame that holds the properties of a message.
const CONTENT_HEADER: u8 = 2;
/// Where in such a frame the flags stand that say which properties follow.
const FLAGS: usize = 12;
/// The flag of the timestamp.
const TIMESTAMP: u16 = 1 << 6;

/// How a property is written.
#[derive(Clone, Copy)]
enum Kind {
    ShortText,
    Table,
    Octet,
}

/// What stands before the timestamp, in this order: content type and encoding, headers, delivery mode, priority,
/// correlation id, reply-to, expiration, message id. Each has a flag, from the highest bit down.
const BEFORE: [Kind; 9] = [
    Kind::ShortText,
    Kind::ShortText,
    Kind::Table,
    Kind::Octet,
    Kind::Octet,
    Kind::ShortText,
    Kind::ShortText,
    Kind::ShortText,
    Kind::ShortText,
];

/// Changes the URL to lead to the broker by such a way, for as long as the test lasts.
pub(crate) fn stamp_arrivals(url: &mut SecretString) {
    let (listener, broker) = detour(url);
    let listener = listener.set_nonblocking(true).and_then(|()| TcpListener::from_std(listener)).expect("a listener");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(connect(client, broker));
        }
    });
}

async fn connect(client: TcpStream, broker: SocketAddr) -> io::Result<()> {
    let broker = TcpStream::connect(broker).await?;
    client.set_nodelay(true)?;
    broker.set_nodelay(true)?;
    let ((from_client, mut to_client), (mut from_broker, to_broker)) = (client.into_split(), broker.into_split());
    // The first way that ends closes both.
    tokio::select! {
        ended = stamped(from_client, to_broker) => ended,
        ended = tokio::io::copy(&mut from_broker, &mut to_client) => ended.map(|_| ()),
    }
}

/// Hands over frame by frame.
async fn stamped(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) -> io::Result<()> {
    let mut greeting = [0; 8];
    from.read_exact(&mut greeting).await?;
    to.write_all(&greeting).await?;
    loop {
        let mut frame = Vec::new();
        let (kind, channel) = (from.read_u8().await?, from.read_u16().await?);
        let mut payload = vec![0; usize::try_from(from.read_u32().await?).expect("a frame fits into memory")];
        from.read_exact(&mut payload).await?;
        if kind == CONTENT_HEADER {
            stamp(&mut payload, OffsetDateTime::now_utc().unix_timestamp().unsigned_abs());
        }
        frame.push(kind);
        frame.extend(channel.to_be_bytes());
        frame.extend(u32::try_from(payload.len()).expect("a frame is short").to_be_bytes());
        frame.append(&mut payload);
        frame.push(from.read_u8().await?);
        to.write_all(&frame).await?;
    }
}

/// Writes the time in its place, over the one that stands there.
fn stamp(header: &mut Vec<u8>, seconds: u64) {
    let flags = u16::from_be_bytes([header[FLAGS], header[FLAGS + 1]]);
    let mut at = FLAGS + 2;
    for (place, kind) in BEFORE.into_iter().enumerate() {
        if flags & (0x8000_u16 >> place) != 0 {
            at += length(kind, &header[at..]);
        }
    }
    let old = if flags & TIMESTAMP == 0 { 0 } else { 8 };
    drop(header.splice(at..at + old, seconds.to_be_bytes()));
    header[FLAGS..FLAGS + 2].copy_from_slice(&(flags | TIMESTAMP).to_be_bytes());
}

fn length(kind: Kind, rest: &[u8]) -> usize {
    match kind {
        Kind::ShortText => 1 + usize::from(rest[0]),
        Kind::Table => {
            let size = u32::from_be_bytes([rest[0], rest[1], rest[2], rest[3]]);
            4 + usize::try_from(size).expect("a table fits into memory")
        }
        Kind::Octet => 1,
    }
}

#[test]
fn a_time_is_written_between_what_stands_before_and_after_it() {
    // A content type, a message id, and a type after the time; of the message: its class, and the length of its body.
    let header = |flags: u16, time: &[u8]| {
        let head = [&[0_u8, 60, 0, 0][..], &7_u64.to_be_bytes(), &flags.to_be_bytes(), b"\x02ct", b"\x02id"].concat();
        [&head[..], time, b"\x01t"].concat()
    };
    let (others, expected) = (0x8000 | 0x0080 | 0x0020, 5_u64.to_be_bytes());
    for mut sent in [header(others, &[]), header(others | TIMESTAMP, &1_u64.to_be_bytes())] {
        stamp(&mut sent, 5);
        assert_eq!(sent, header(others | TIMESTAMP, &expected));
    }
}
