//! Deliveries as RabbitMQ writes them, for the sieve that everything goes through.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::io::AsyncRead;
use join_community::wire::Incoming;

const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
const END: u8 = 0xCE;

/// One delivery: its method, its properties, its body.
pub(crate) fn delivery(of: &Incoming) -> Vec<u8> {
    let mut method = vec![0, 60, 0, 60];
    short(&mut method, "lane");
    method.extend([0, 0, 0, 0, 0, 0, 0, 1, 0]);
    short(&mut method, &of.exchange);
    short(&mut method, &of.routing_key);

    let mut header = vec![0, 60, 0, 0];
    header.extend((of.body.len() as u64).to_be_bytes());
    // Content type, headers, delivery mode, message id, type, user id.
    header.extend(0b1011_0000_1011_0000_u16.to_be_bytes());
    short(&mut header, of.content_type.as_deref().unwrap_or_default());
    let mut table = Vec::new();
    short(&mut table, "traceparent");
    table.push(b'S');
    long(&mut table, of.traceparent.as_deref().unwrap_or_default().as_bytes());
    long(&mut header, &table);
    header.push(2);
    short(&mut header, of.message_id.as_deref().unwrap_or_default());
    short(&mut header, of.kind.as_deref().unwrap_or_default());
    short(&mut header, of.user_id.as_deref().unwrap_or_default());

    [frame(METHOD, &method), frame(HEADER, &header), frame(BODY, &of.body)].concat()
}

fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![kind, 0, 1];
    long(&mut frame, payload);
    frame.push(END);
    frame
}

fn short(out: &mut Vec<u8>, text: &str) {
    out.push(u8::try_from(text.len()).expect("a short text"));
    out.extend(text.bytes());
}

fn long(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend(u32::try_from(bytes.len()).expect("short enough").to_be_bytes());
    out.extend(bytes);
}

/// A stream that brings all of it at once.
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl AsyncRead for Bytes<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let taken = self.0.len().min(room.len());
        let (now, later) = self.0.split_at(taken);
        room[..taken].copy_from_slice(now);
        self.0 = later;
        Poll::Ready(Ok(taken))
    }
}
