//! Makes the properties of a message fit into one frame. Apart from what is sifted, because this alone takes bytes away.
//!
//! RabbitMQ splits a body by the size of frames that was agreed on, and never the properties. A publisher may fill a frame
//! with them and eight bytes more, the broker adds its own (`x-delivery-count`, `x-death`), and what comes by AMQP 1.0 knows
//! no frames of ours. `lapin` ends the connection at the first that is larger.

use std::ops::Range;

use super::frame::{END, HEAD, SUBSTITUTE, width};
use crate::wire::request::MAX_AUTHORIZATION;

/// A size, as it stands before what it is the size of.
const SIZE: usize = 4;
/// What stands before a text, a table or an array: its type and its size.
const BEFORE: usize = 1 + SIZE;
/// The least that is kept of a long text: more than is read of any header, so what is too long is still seen to be.
const LEAST: usize = MAX_AUTHORIZATION + 1;
/// The most, so that it ends with a whole character.
const MOST: usize = LEAST + 3;
/// Where it says which properties there are: behind the class, the weight and the size of the body.
const FLAGS: usize = HEAD + 12;
/// An id that no request may have, and the end of the frame.
const ILLEGIBLE: [u8; 5] = [0, 0x80, 1, SUBSTITUTE, END];
/// A frame with this in place of all properties.
pub(super) const BARE: usize = FLAGS + ILLEGIBLE.len();

/// Makes a frame of properties no larger than this; answers how much of it is left. Whoever reads the headers comes to the
/// same as before: those that are longer than they may be still are. Where that is not enough, all properties go.
pub(super) fn fit(frame: &mut [u8], most: usize) -> usize {
    match shortened(frame) {
        Some(left) if left <= most => left,
        Some(_) | None => bare(frame),
    }
}

/// Puts an illegible id in place of all properties; answers how much of the frame is left. It need not be whole.
pub(super) fn bare(frame: &mut [u8]) -> usize {
    let Some(properties) = frame.get_mut(FLAGS..BARE) else { return frame.len() };
    properties.copy_from_slice(&ILLEGIBLE);
    // Of a frame that was longer, so there is room for it.
    let _: Option<()> = write(frame, HEAD - SIZE, BARE - HEAD - 1);
    BARE
}

/// Shortens the long values among the headers; answers how much of the frame is left. `None` if they are not as they must be:
/// then what stands before them is still as it was.
fn shortened(frame: &mut [u8]) -> Option<usize> {
    let Range { start, end } = headers(frame)?;
    let (mut from, mut to) = (start, start);
    while from < end {
        let value = from + 1 + usize::from(*frame.get(from)?);
        let (length, kept) = measured(frame.get_mut(value..end)?)?;
        frame.copy_within(from..value + kept, to);
        to += value + kept - from;
        from = value + length;
    }
    frame.copy_within(end.., to);
    let left = frame.len() - (end - to);
    write(frame, start - SIZE, to - start)?;
    write(frame, HEAD - SIZE, left - HEAD - 1)?;
    Some(left)
}

/// Where the headers stand, behind content type and encoding.
fn headers(frame: &[u8]) -> Option<Range<usize>> {
    let flags = u16::from_be_bytes(frame.get(FLAGS..FLAGS + 2)?.try_into().ok()?);
    let mut at = FLAGS + 2;
    for bit in [15, 14] {
        if flags & (1 << bit) != 0 {
            at += 1 + usize::from(*frame.get(at)?);
        }
    }
    let start = at + SIZE;
    let end = start.checked_add(read(frame, at)?)?;
    (flags & (1 << 13) != 0 && end < frame.len()).then_some(start..end)
}

/// How long the value is that these bytes begin with, its type included, and how much of it is kept: nothing of a long table
/// or array but that it is there, which is all that anybody reads of one in a request.
fn measured(value: &mut [u8]) -> Option<(usize, usize)> {
    let kind = *value.first()?;
    let length = match kind {
        b'S' | b'x' | b'F' | b'A' => BEFORE.checked_add(read(value, 1)?)?,
        other => 1 + width(other)?,
    };
    if length > value.len() {
        return None;
    }
    if length <= BEFORE + MOST {
        return Some((length, length));
    }
    if matches!(kind, b'F' | b'A') {
        value[0] = b'V';
        return Some((length, 1));
    }
    let mut kept = BEFORE + MOST;
    while kept > BEFORE + LEAST && is_inside_a_character(value[kept]) {
        kept -= 1;
    }
    write(value, 1, kept - BEFORE)?;
    Some((length, kept))
}

const fn is_inside_a_character(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

fn read(bytes: &[u8], at: usize) -> Option<usize> {
    let size = bytes.get(at..at + SIZE)?.try_into().ok()?;
    usize::try_from(u32::from_be_bytes(size)).ok()
}

fn write(bytes: &mut [u8], at: usize, size: usize) -> Option<()> {
    let size = u32::try_from(size).ok()?;
    bytes.get_mut(at..at + SIZE)?.copy_from_slice(&size.to_be_bytes());
    Some(())
}
