//! The sieve, with frames cut at every place where a read may end.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use futures_util::io::{AsyncRead, AsyncReadExt as _};

use super::{HEAD, LARGEST, Sieve};

const TAFFY: &[u8] = b"\xe9t\xe9";
const SIFTED: &[u8] = b"\x1at\x1a";

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

fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[kind, 0, 1][..], &size, payload, &[0xCE]].concat()
}

fn short(text: &[u8]) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()][..], text].concat()
}

fn long(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

/// Deliver, properties and body of one message whose short texts are all this one.
fn message(text: &[u8]) -> Vec<u8> {
    let text = short(text);
    let deliver = [&[0, 60, 0, 60][..], &text, &[0; 9], &text, &text].concat();
    let inner = [&text[..], b"S", &long(TAFFY), &text, b"l", &[0xff; 8]].concat();
    let array = [b"F".as_slice(), &long(&inner), b"I\xff\xff\xff\xffVt\x01"].concat();
    let table = [&text[..], b"A", &long(&array), &text, b"D", &[0xff; 5], &text, b"s\xff\xff"].concat();
    let [kind, encoding, ids] = [text.clone(), text.clone(), text.repeat(4)];
    let fields = [kind, encoding, long(&table), vec![2, 0xff], ids, vec![0xff; 8], text.repeat(4)].concat();
    let properties = [&[0, 60, 0, 0][..], &[0xff; 8], &[0xff, 0xfc], &fields].concat();
    [frame(1, &deliver), frame(2, &properties), frame(3, TAFFY), frame(8, b"")].concat()
}

async fn through(chunks: Vec<Vec<u8>>, room: usize) -> Vec<u8> {
    let (mut sieve, mut out, mut buffer) = (Sieve::new(Chunks(chunks.into())), Vec::new(), vec![0; room]);
    loop {
        let read = sieve.read(&mut buffer).await.unwrap();
        out.extend_from_slice(&buffer[..read]);
        if read == 0 {
            return out;
        }
    }
}

#[tokio::test]
async fn short_texts_become_legible_and_nothing_else_changes_wherever_a_read_ends() {
    let (sent, expected) = ([message(TAFFY), message(b"x")].concat(), [message(SIFTED), message(b"x")].concat());
    assert_ne!(sent, expected);
    for cut in 1..sent.len() {
        let (start, end) = sent.split_at(cut);
        let all = through(vec![start.to_vec(), end.to_vec()], 4096).await;
        assert!(all == expected, "cut at {cut}: {all:02x?}");
    }
    for room in [1, 2, 7, 8, 100] {
        let bytes: Vec<Vec<u8>> = sent.chunks(3).map(<[u8]>::to_vec).collect();
        assert!(through(bytes, room).await == expected, "{room}");
    }
}

#[tokio::test]
async fn text_that_is_utf8_goes_through_as_it_is() {
    let sent = message("naïve 日本 \u{10ffff}".as_bytes());
    assert_eq!(through(vec![sent.clone()], 4096).await, sent);
}

#[tokio::test]
async fn tables_inside_tables_end_at_a_depth_that_no_stack_minds() {
    let nest = |kinds: &[u8]| {
        let mut table = Vec::new();
        for kind in kinds {
            table = [&short(b"a")[..], &[*kind], &long(&table)].concat();
        }
        let properties = [&[0, 60, 0, 0][..], &[0; 8], &[0x20, 0], &long(&table)].concat();
        frame(2, &properties)
    };
    let shallow = nest(b"FFFFFFFF");
    assert_eq!(through(vec![shallow.clone()], 4096).await, shallow);
    // The innermost first: what lies deeper than eight is bytes.
    assert_eq!(through(vec![nest(b"FFFFFFFFF")], 4096).await, nest(b"xFFFFFFFF"));
    let deep = through(vec![nest(&[b'F'; 10_000])], 4096).await;
    let expected = [vec![b'F'; 9_991], b"xFFFFFFFF".to_vec()].concat();
    assert!(deep == nest(&expected));
}

#[tokio::test]
async fn a_text_whose_length_is_wrong_does_not_take_the_end_mark_with_it() {
    let properties = [&[0, 60, 0, 0][..], &[0; 8], &[0, 0x10], b"\x03\xe9t"].concat();
    let sent = frame(2, &properties);
    assert_eq!(through(vec![sent.clone()], 4096).await, sent);
    let (start, end) = sent.split_at(sent.len() - 2);
    assert_eq!(through(vec![start.to_vec(), end.to_vec()], 4096).await, sent);
}

#[tokio::test]
async fn a_frame_that_is_too_large_to_be_held_is_never_sifted_wherever_a_read_ends() {
    let properties = [&[0, 60, 0, 0][..], &[0; 8], &[0x80, 0], b"\x01\xe9", &vec![0xe9; LARGEST]].concat();
    let sent = frame(2, &properties);
    for cut in [1, HEAD, HEAD + 1, sent.len() - LARGEST, sent.len() - 1] {
        let (start, end) = sent.split_at(cut);
        assert!(through(vec![start.to_vec(), end.to_vec()], 4096).await == sent, "cut at {cut}");
    }
}

#[tokio::test]
async fn what_is_no_frame_goes_through_as_it_is() {
    for odd in
        [&b"AMQP\0\0\x09\x01"[..], b"\x02\0\x01\0\0\0\x03\0\x3c\0\xce", b"\x02\0\x01\xff\xff\xff\xff\0\x3c\0\xce"]
    {
        assert_eq!(through(vec![odd.to_vec()], 4096).await, odd);
    }
}

#[tokio::test]
async fn the_largest_frame_that_the_broker_offers_is_noted_wherever_a_read_ends() {
    let tune = [&[0, 10, 0, 30][..], &[0x07, 0xff], &262_144_u32.to_be_bytes(), &[0, 60]].concat();
    let later = [&[0, 10, 0, 30][..], &[0; 8]].concat();
    let sent = [frame(1, &tune), message(b"x"), frame(1, &later)].concat();
    for cut in 1..sent.len() {
        let offered = Arc::new(AtomicU32::new(0));
        let chunks = Chunks([sent[..cut].to_vec(), sent[cut..].to_vec()].into());
        let mut out = Vec::new();
        Sieve::new(chunks).telling(Arc::clone(&offered)).read_to_end(&mut out).await.unwrap();
        assert_eq!((offered.load(Ordering::Relaxed), out == sent), (262_144, true), "cut at {cut}");
    }
}
