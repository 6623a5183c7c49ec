//! The sieve before the client library: streams of frames, sound or not, cut anywhere.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use fastrand::Rng;
use futures_util::io::AsyncRead;
use join_community::rabbitmq::connect::sieve::Sieve;
use lapin::BasicProperties;
use lapin::protocol::basic;

use super::message::{self, drained, sifted};
use super::{Outcome, Target};
use crate::amqp;
use crate::mutate::{self, once_in};

pub(crate) struct Frames;

impl Target for Frames {
    fn make(&self, rng: &mut Rng) -> Vec<u8> {
        let mut stream = Vec::new();
        for _ in 0..rng.usize(1..=3) {
            let body = amqp::bytes(rng, 60);
            stream.extend(message::make(rng, &body));
        }
        if once_in(rng, 3) {
            let other = stream.clone();
            mutate::bytes(rng, &mut stream, &other);
        }
        stream
    }

    fn check(&self, input: &[u8]) -> Outcome {
        let whole = sifted(input);
        // Of a frame that the end of the stream cuts off nothing is of use, and the sieve may have held it back.
        let is_whole = amqp::whole(input) == input.len();
        assert!(whole.len() == input.len() || (!is_whole && whole.len() < input.len()), "what goes in comes out");
        assert_eq!(sifted(&whole), whole, "what is sifted stays as it is");
        for (chunk, room) in [(1, 1), (7, 5), (13, 4096), (4096, 3)] {
            if input.len() <= 4096 || chunk > 7 {
                let chunks = input.chunks(chunk).map(<[u8]>::to_vec).collect();
                assert_eq!(drained(Sieve::new(Chunks(chunks)), room), whole, "in chunks of {chunk}, read by {room}");
            }
        }
        let (before, after) = (amqp::frames(input), amqp::frames(&whole));
        // Properties too large to be held leave a whole frame, even where their end never comes.
        let is_one_more = !is_whole && after.len() == before.len() + 1;
        assert!(before.len() == after.len() || is_one_more, "frames stay frames");
        let mut is_sound = !before.is_empty();
        for ((kind, before), (_, after)) in before.into_iter().zip(after) {
            match kind {
                amqp::PROPERTIES => is_sound &= legible(before, after),
                amqp::METHOD => {}
                _ => assert_eq!(before, after, "only texts and tables are sifted"),
            }
        }
        fits(&whole);
        Outcome::of(is_sound)
    }
}

/// Where only small frames are agreed on, properties fit them, those that were sound are, and nothing else is changed.
fn fits(stream: &[u8]) {
    const FRAME_MAX: u32 = 12 * 1024;
    let fitting = drained(Sieve::new(stream).fitting(FRAME_MAX, Arc::default()), stream.len().max(1));
    let (before, after) = (amqp::frames(stream), amqp::frames(&fitting));
    // One whose end mark was wrong may have a right one now.
    assert!(before.len() <= after.len(), "frames stay frames");
    for ((kind, before), (_, after)) in before.into_iter().zip(after) {
        let is_too_large = |payload: &[u8]| payload.len() + 8 > FRAME_MAX as usize;
        if kind == amqp::PROPERTIES && is_too_large(before) {
            assert!(!is_too_large(after), "properties do not fit");
            assert_eq!(before[..12], after[..12], "it is the same message");
            assert!(read(after).is_some() || !amqp::is_sound(before), "sound properties would end the connection");
        } else {
            assert_eq!(before, after, "what fits was changed");
        }
    }
}

/// What the client library reads.
fn read(payload: &[u8]) -> Option<BasicProperties> {
    let parsed = basic::parse_properties(payload.get(12..)?).ok()?;
    parsed.0.is_empty().then_some(parsed.1)
}

/// The client library reads the sifted properties if they are sound, and what it could read before is not changed.
fn legible(before: &[u8], after: &[u8]) -> bool {
    let is_sound = amqp::is_sound(before);
    let sifted = read(after);
    assert!(sifted.is_some() || !is_sound, "sound properties would end the connection");
    // Deep tables are what the library does not survive, so it is not asked about those.
    let may_be_deep = before.iter().filter(|byte| matches!(byte, b'F' | b'A')).count() > 8;
    if !may_be_deep && read(before).is_some() && is_sound {
        assert_eq!(before, after, "what was legible was changed");
    }
    is_sound
}

/// Gives its chunks one by one.
struct Chunks(VecDeque<Vec<u8>>);

impl AsyncRead for Chunks {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, room: &mut [u8]) -> Poll<io::Result<usize>> {
        let Some(mut chunk) = self.0.pop_front() else { return Poll::Ready(Ok(0)) };
        let read = chunk.len().min(room.len());
        room[..read].copy_from_slice(&chunk[..read]);
        let rest = chunk.split_off(read);
        if !rest.is_empty() {
            self.0.push_front(rest);
        }
        Poll::Ready(Ok(read))
    }
}
