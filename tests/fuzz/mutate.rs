//! Changes of bytes that know nothing of what the bytes mean.

use fastrand::Rng;

/// Values at the edges of what numbers can be, in each size.
const EDGES: [u64; 12] =
    [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, u64::MAX];

/// Pieces that have hurt some reader or other.
pub(crate) const PIECES: [&[u8]; 30] = [
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"\xc0\xaf",
    b"\\u0000",
    b"\\ud800",
    b"\\ud83d\\ude00",
    b"\\udc00\\ud800",
    "\u{202e}".as_bytes(),
    "\u{2028}".as_bytes(),
    "\u{10ffff}".as_bytes(),
    "\u{feff}".as_bytes(),
    b"\x1b[31m",
    b"\r\n",
    b"%00%2f%n%s",
    b"../../../../etc/passwd",
    b"1e400",
    b"-0",
    b"18446744073709551616",
    b"9223372036854775808",
    b"1.7976931348623157e308",
    b"0.1e-99999",
    b"NaN",
    b"null",
    b"{}",
    b"[]",
    b"\"",
    b"\\",
];

/// One of them.
pub(crate) fn pick<'a, T>(rng: &mut Rng, from: &'a [T]) -> &'a T {
    &from[rng.usize(..from.len())]
}

/// True once in `of` times.
pub(crate) fn once_in(rng: &mut Rng, of: u32) -> bool {
    rng.u32(..of) == 0
}

/// Changes bytes in a few places; `other` is what pieces may come from.
pub(crate) fn bytes(rng: &mut Rng, input: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..rng.usize(1..=4) {
        once(rng, input, other);
    }
}

fn once(rng: &mut Rng, input: &mut Vec<u8>, other: &[u8]) {
    let at = rng.usize(..=input.len());
    let long = (at + rng.usize(..=16)).min(input.len());
    match rng.u32(..11) {
        0 if at < input.len() => input[at] ^= 1 << rng.u32(..8),
        1 if at < input.len() => input[at] = rng.u8(..),
        2 => drop(input.splice(at..at, pick(rng, &PIECES).iter().copied())),
        3 => drop(input.drain(at..long)),
        4 => {
            let piece = input[at..long].to_vec();
            let times = if once_in(rng, 50) { 5_000 } else { rng.usize(1..=8) };
            input.splice(at..at, piece.repeat(times));
        }
        5 if once_in(rng, 4) => input.truncate(at),
        6 => {
            let from = rng.usize(..=other.len());
            let end = (from + rng.usize(..=64)).min(other.len());
            input.splice(at..long, other[from..end].iter().copied());
        }
        7 => {
            let edge = pick(rng, &EDGES).to_be_bytes();
            let size = *pick(rng, &[1, 2, 4, 8]);
            for (place, byte) in input[at..].iter_mut().zip(&edge[8 - size..]) {
                *place = *byte;
            }
        }
        8 if at < long => input[at..long].reverse(),
        9 if long < input.len() => input[at..].rotate_left(long - at),
        10 => input.splice(at..at, std::iter::repeat_with(|| rng.u8(..)).take(4)).for_each(drop),
        _ => {}
    }
}

/// Text of any length up to `most` characters, mostly short, sometimes with what texts seldom have.
pub(crate) fn text(rng: &mut Rng, most: usize) -> String {
    let length = if once_in(rng, 8) { rng.usize(..=most) } else { rng.usize(..=most.min(12)) };
    let odd = once_in(rng, 3);
    std::iter::repeat_with(|| if odd && once_in(rng, 4) { rng.char(..) } else { rng.char(' '..='~') })
        .take(length)
        .collect()
}
