//! AMQP as a broker writes it: frames with any properties and headers, and whether such a frame is sound.
//!
//! Written from the protocol and what RabbitMQ takes, not with the client library that is to read it.

use fastrand::Rng;

use crate::mutate::{PIECES, once_in, pick, text};

/// Frames of one message.
pub(crate) const METHOD: u8 = 1;
pub(crate) const PROPERTIES: u8 = 2;
pub(crate) const BODY: u8 = 3;
const END: u8 = 0xCE;

/// A short text per property, in the order in which they stand on the wire; the others are no texts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Properties {
    pub(crate) content_type: Option<Vec<u8>>,
    pub(crate) content_encoding: Option<Vec<u8>>,
    pub(crate) headers: Option<Vec<u8>>,
    pub(crate) delivery_mode: Option<u8>,
    pub(crate) priority: Option<u8>,
    pub(crate) correlation_id: Option<Vec<u8>>,
    pub(crate) reply_to: Option<Vec<u8>>,
    pub(crate) expiration: Option<Vec<u8>>,
    pub(crate) message_id: Option<Vec<u8>>,
    pub(crate) timestamp: Option<u64>,
    pub(crate) kind: Option<Vec<u8>>,
    pub(crate) user_id: Option<Vec<u8>>,
    pub(crate) app_id: Option<Vec<u8>>,
}

impl Properties {
    /// The payload of the frame.
    pub(crate) fn write(&self, body: usize) -> Vec<u8> {
        let texts = |value: &Option<Vec<u8>>| value.as_ref().map(|text| short(text));
        let fields = [
            texts(&self.content_type),
            texts(&self.content_encoding),
            self.headers.as_ref().map(|table| long(table)),
            self.delivery_mode.map(|mode| vec![mode]),
            self.priority.map(|priority| vec![priority]),
            texts(&self.correlation_id),
            texts(&self.reply_to),
            texts(&self.expiration),
            texts(&self.message_id),
            self.timestamp.map(|seconds| seconds.to_be_bytes().to_vec()),
            texts(&self.kind),
            texts(&self.user_id),
            texts(&self.app_id),
        ];
        let flags = fields.iter().zip((3..16).rev()).filter(|(field, _)| field.is_some()).map(|(_, bit)| 1_u16 << bit);
        let flags: u16 = flags.sum();
        let mut out = vec![0, 60, 0, 0];
        out.extend_from_slice(&(body as u64).to_be_bytes());
        out.extend_from_slice(&flags.to_be_bytes());
        out.extend(fields.into_iter().flatten().flatten());
        out
    }
}

/// What a broker sends for one message.
pub(crate) fn message(routing_key: &[u8], properties: &Properties, body: &[u8]) -> Vec<u8> {
    let deliver = [
        &[0, 60, 0, 60][..],
        &short(b"lane"),
        &[0, 0, 0, 0, 0, 0, 0, 1, 0],
        &short(b"join-community"),
        &short(routing_key),
    ];
    let mut out = frame(METHOD, &deliver.concat());
    out.extend(frame(PROPERTIES, &properties.write(body.len())));
    body.chunks(128 * 1024).for_each(|chunk| out.extend(frame(BODY, chunk)));
    out
}

/// How much of a stream is whole frames.
pub(crate) fn whole(bytes: &[u8]) -> usize {
    frames(bytes).iter().map(|(_, payload)| payload.len() + 8).sum()
}

/// The frames, as far as they are whole: type and payload.
pub(crate) fn frames(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut frames = Vec::new();
    while let Some((&[kind, _, _, a, b, c, d], rest)) = bytes.split_first_chunk() {
        let size = u32::from_be_bytes([a, b, c, d]) as usize;
        let Some((payload, [END, rest @ ..])) = rest.split_at_checked(size) else { break };
        frames.push((kind, payload));
        bytes = rest;
    }
    frames
}

fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let size = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&[kind, 0, 1][..], &size, payload, &[END]].concat()
}

/// A text of at most 255 bytes; a longer one is cut.
pub(crate) fn short(text: &[u8]) -> Vec<u8> {
    let text = &text[..text.len().min(255)];
    [&[u8::try_from(text.len()).unwrap()][..], text].concat()
}

/// Bytes with their length before them.
pub(crate) fn long(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}

/// A header with a text.
pub(crate) fn text_header(name: &str, value: &[u8]) -> Vec<u8> {
    [&short(name.as_bytes())[..], b"S", &long(value)].concat()
}

/// A header with any value.
pub(crate) fn any_header(rng: &mut Rng, name: &str) -> Vec<u8> {
    [short(name.as_bytes()), value(rng, 4)].concat()
}

/// Any value, its type before it.
fn value(rng: &mut Rng, depth: u32) -> Vec<u8> {
    let kind = *pick(rng, if depth == 0 { b"SSSSItVlx" } else { b"SSSItbBsuIilLfdDTVxFFA" });
    let content = match kind {
        b'F' => long(
            &(0..rng.usize(..4))
                .flat_map(|_| [short(&bytes(rng, 40)), value(rng, depth - 1)].concat())
                .collect::<Vec<_>>(),
        ),
        b'A' => long(&(0..rng.usize(..4)).flat_map(|_| value(rng, depth - 1)).collect::<Vec<_>>()),
        b'S' | b'x' => long(&bytes(rng, 300)),
        kind => (0..fixed(kind).unwrap_or_default()).map(|_| rng.u8(..)).collect(),
    };
    let mut value = [&[kind][..], &content].concat();
    if once_in(rng, 200) {
        for _ in 0..rng.usize(1..=2_000) {
            value = if rng.bool() {
                [b"A", &long(&value)[..]].concat()
            } else {
                [b"F", &long(&[&short(b"a")[..], &value].concat())[..]].concat()
            };
        }
    }
    value
}

/// Text, sometimes with what makes it none.
pub(crate) fn bytes(rng: &mut Rng, most: usize) -> Vec<u8> {
    let mut text = text(rng, most).into_bytes();
    if once_in(rng, 4) {
        let at = rng.usize(..=text.len());
        text.splice(at..at, pick(rng, &PIECES).iter().copied());
    }
    text
}

fn fixed(kind: u8) -> Option<usize> {
    Some(match kind {
        b'V' => 0,
        b't' | b'b' | b'B' => 1,
        b's' | b'u' | b'U' => 2,
        b'I' | b'i' | b'f' => 4,
        b'D' => 5,
        b'l' | b'L' | b'd' | b'T' => 8,
        _ => return None,
    })
}

/// Whether a broker could have written these properties: all lengths and types are right. Texts may be any bytes.
pub(crate) fn is_sound(payload: &[u8]) -> bool {
    let properties = || {
        let (_, rest) = payload.split_at_checked(12)?;
        let (flags, mut rest) = rest.split_first_chunk().map(|(flags, rest)| (u16::from_be_bytes(*flags), rest))?;
        for bit in (2..16).rev().filter(|bit| flags & (1 << bit) != 0) {
            rest = match bit {
                13 => {
                    let (table, rest) = take_long(rest)?;
                    is_table(table).then_some(rest)?
                }
                11 | 12 => rest.split_at_checked(1)?.1,
                6 => rest.split_at_checked(8)?.1,
                _ => take_short(rest)?,
            };
        }
        // Two bits that no broker sets.
        (flags.trailing_zeros() >= 2 && rest.is_empty()).then_some(())
    };
    properties().is_some()
}

/// Goes down without calling itself: whatever the depth, this must not be what breaks.
fn is_table(table: &[u8]) -> bool {
    let mut open = vec![(table, true)];
    while let Some((mut rest, has_keys)) = open.pop() {
        while !rest.is_empty() {
            let mut value = || {
                let (kind, content) = if has_keys { take_short(rest)? } else { rest }.split_first()?;
                match kind {
                    b'F' | b'A' => {
                        let (inner, after) = take_long(content)?;
                        open.push((inner, *kind == b'F'));
                        Some(after)
                    }
                    b'S' | b'x' => take_long(content).map(|(_, after)| after),
                    kind => content.split_at_checked(fixed(*kind)?).map(|(_, after)| after),
                }
            };
            let Some(after) = value() else { return false };
            rest = after;
        }
    }
    true
}

fn take_short(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*length)).map(|(_, rest)| rest)
}

fn take_long(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u32::from_be_bytes(*length) as usize)
}
