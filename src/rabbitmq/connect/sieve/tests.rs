//! The sieve, with frames cut at every place where a read may end.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use futures_util::io::{AsyncRead, AsyncReadExt as _};

use super::{HEAD, LARGEST, Sieve, fit};
use crate::wire::request::MAX_AUTHORIZATION;

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

/// The properties of a message with these headers.
fn properties(headers: &[u8]) -> Vec<u8> {
    let fields = [&short(b"application/json")[..], &long(headers), &[2], &short(b"id"), &short(b"user")].concat();
    frame(2, &[&[0, 60, 0, 0][..], &3_u64.to_be_bytes(), &[0b1011_0000, 0b1001_0000], &fields].concat())
}

/// The same message without properties, but for an id that is none.
fn illegible() -> Vec<u8> {
    frame(2, &[&[0, 60, 0, 0][..], &3_u64.to_be_bytes(), b"\0\x80\x01\x1a"].concat())
}

fn header(name: &[u8], kind: u8, bytes: &[u8]) -> Vec<u8> {
    [&short(name)[..], &[kind], &long(bytes)].concat()
}

async fn through(chunks: Vec<Vec<u8>>, room: usize) -> Vec<u8> {
    drained(Sieve::new(Chunks(chunks.into())), room).await
}

/// The same for frames of this size.
async fn fitting(frame_max: usize, chunks: Vec<Vec<u8>>) -> Vec<u8> {
    let sieve = Sieve::new(Chunks(chunks.into()));
    drained(sieve.fitting(u32::try_from(frame_max).unwrap(), Arc::default()), 64 * 1024).await
}

async fn drained(mut sieve: Sieve<Chunks>, room: usize) -> Vec<u8> {
    let (mut out, mut buffer) = (Vec::new(), vec![0; room]);
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
async fn names_that_are_too_large_to_be_held_are_never_sifted_wherever_a_read_ends() {
    let sent = frame(1, &[&[0, 60, 0, 60][..], b"\x01\xe9", &vec![0xe9; LARGEST]].concat());
    for cut in [1, HEAD, HEAD + 1, sent.len() - LARGEST, sent.len() - 1] {
        let (start, end) = sent.split_at(cut);
        assert!(through(vec![start.to_vec(), end.to_vec()], 64 * 1024).await == sent, "cut at {cut}");
    }
}

#[tokio::test]
async fn properties_that_are_too_large_to_be_held_leave_an_illegible_id_wherever_a_read_ends() {
    let large = properties(&header(b"a", b'S', &b"\xe9".repeat(LARGEST)));
    let sent = [large.clone(), frame(3, TAFFY), message(b"x")].concat();
    let expected = [illegible(), frame(3, TAFFY), message(b"x")].concat();
    for cut in [1, HEAD, HEAD + 1, fit::BARE, fit::BARE + 1, large.len() - 1, large.len(), large.len() + 1] {
        let (start, end) = sent.split_at(cut);
        assert!(through(vec![start.to_vec(), end.to_vec()], 64 * 1024).await == expected, "cut at {cut}");
    }
}

#[tokio::test]
async fn properties_that_grew_beyond_a_frame_keep_all_but_the_rest_of_long_headers_wherever_a_read_ends() {
    let (before, after) =
        (header(b"authorization", b'S', b"Bearer x"), [&short(b"x-delivery-count")[..], b"l", &[0; 8]].concat());
    let with = |padding: &[u8]| properties(&[&before[..], padding, &after].concat());
    let grown = with(&header(b"padding", b'S', &b"x".repeat(20_000)));
    let shortened = with(&header(b"padding", b'S', &b"x".repeat(MAX_AUTHORIZATION + 4)));
    let sent = [message(b"x"), grown.clone(), frame(3, TAFFY), message(b"x")].concat();
    assert!(fitting(grown.len(), vec![sent.clone()]).await == sent, "it fits");
    let expected = [message(b"x"), shortened, frame(3, TAFFY), message(b"x")].concat();
    for cut in (1..sent.len()).step_by(331) {
        let (start, end) = sent.split_at(cut);
        let all = fitting(grown.len() - 1, vec![start.to_vec(), end.to_vec()]).await;
        assert!(all == expected, "cut at {cut}");
    }
}

#[tokio::test]
async fn a_header_that_is_shortened_is_still_too_long_and_still_text() {
    for lead in 0..4 {
        let text = format!("{}{}", "x".repeat(lead), "\u{10ffff}".repeat(5_000));
        let all = fitting(16_384, vec![properties(&header(b"a", b'S', text.as_bytes()))]).await;
        let kept = (1..=4).map(|more| &text.as_bytes()[..MAX_AUTHORIZATION + more]);
        let kept =
            kept.filter(|kept| std::str::from_utf8(kept).is_ok()).map(|kept| properties(&header(b"a", b'S', kept)));
        assert!(kept.collect::<Vec<_>>() == [all], "behind {lead}");
    }
}

#[tokio::test]
async fn tables_that_fit_no_frame_go_and_their_names_stay() {
    let inner = header(b"b", b'S', &b"x".repeat(10_000));
    let sent = properties(&[header(b"a", b'F', &inner), header(b"c", b'A', &inner[2..])].concat());
    assert!(fitting(16_384, vec![sent]).await == properties(b"\x01aV\x01cV"));
}

#[tokio::test]
async fn headers_that_cannot_be_made_to_fit_go_with_all_properties() {
    let many = properties(&header(b"a", b'S', &b"x".repeat(8_000)).repeat(3));
    let broken = properties(&[&header(b"a", b'S', &b"x".repeat(20_000))[..], b"\x01b?"].concat());
    let none = frame(2, &[&[0, 60, 0, 0][..], &3_u64.to_be_bytes(), &[0, 0], &b"\0".repeat(20_000)].concat());
    for odd in [many, broken, none] {
        let sent = [&odd[..], &message(b"x")].concat();
        assert!(fitting(16_384, vec![sent]).await == [illegible(), message(b"x")].concat());
    }
}

#[tokio::test]
async fn what_is_no_frame_goes_through_as_it_is() {
    for odd in
        [&b"AMQP\0\0\x09\x01"[..], b"\x02\0\x01\0\0\0\x03\0\x3c\0\xce", b"\x01\0\x01\xff\xff\xff\xff\0\x3c\0\xce"]
    {
        assert_eq!(through(vec![odd.to_vec()], 4096).await, odd);
    }
}

#[tokio::test]
async fn the_largest_frame_that_the_broker_offers_is_noted_and_kept_to_wherever_a_read_ends() {
    let tune = |size: u32| frame(1, &[&[0, 10, 0, 30][..], &[0x07, 0xff], &size.to_be_bytes(), &[0, 60]].concat());
    let grown = properties(&header(b"a", b'S', &b"x".repeat(20_000)));
    let shortened = properties(&header(b"a", b'S', &b"x".repeat(MAX_AUTHORIZATION + 4)));
    // What is offered, and what is asked for.
    for (offer, frame_max, then) in [(16_384, 262_144, &shortened), (262_144, 16_384, &shortened), (0, 262_144, &grown)]
    {
        let sent = [tune(offer), message(b"x"), tune(4_096), grown.clone()].concat();
        let expected = [tune(offer), message(b"x"), tune(4_096), then.clone()].concat();
        for cut in 1..tune(offer).len() + 10 {
            let offered = Arc::new(AtomicU32::new(1));
            let chunks = Chunks([sent[..cut].to_vec(), sent[cut..].to_vec()].into());
            let mut out = Vec::new();
            Sieve::new(chunks).fitting(frame_max, Arc::clone(&offered)).read_to_end(&mut out).await.unwrap();
            assert_eq!((offered.load(Ordering::Relaxed), out == expected), (offer, true), "cut at {cut}");
        }
    }
}
