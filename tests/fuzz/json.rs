//! Changes of JSON that know where its parts begin and end, and values that it seldom holds.

use std::ops::Range;

use fastrand::Rng;

use crate::mutate::{PIECES, pick, text};

const GUIDS: [&str; 4] = [
    "7d368843-6f0c-4037-8d0e-b7e36a8a0c32",
    "6B0E7F1A-8C0D-4F3E-9A57-2D1C4B5E6F70",
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
];
const NUMBERS: [&str; 16] = [
    "0",
    "-0",
    "1",
    "-1",
    "0.1",
    "1e2",
    "9007199254740993",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "1e308",
    "1e309",
    "-1e400",
    "1E-400",
    "1795514400.5",
];
const INSTANTS: [&str; 8] = [
    "2024-02-22T13:52:00Z",
    "2024-02-22T13:52:00.236954+02:00",
    "2024-02-30T00:00:00Z",
    "0000-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999999-23:59",
    "2016-12-31T23:59:60Z",
    "-0001-01-01T00:00:00Z",
    "1969-12-31t23:59:59.9999z",
];

/// Changes a document in a few places; `other` is one that parts may come from.
pub(crate) fn mutate(rng: &mut Rng, json: &mut Vec<u8>, other: &[u8]) {
    for _ in 0..rng.usize(1..=3) {
        once(rng, json, other);
    }
}

/// The documents of a page that are labelled like this, without their labels.
pub(crate) fn blocks(page: &str, label: &str) -> Vec<Vec<u8>> {
    let mut blocks = Vec::new();
    let mut rest = page;
    while let Some((before, block)) = rest.split_once("```json\n") {
        let (block, after) = block.split_once("```").expect("a block that ends");
        if before.trim_end().rsplit_once("<!-- ").is_some_and(|(_, found)| found.starts_with(label)) {
            blocks.push(block.trim_end().into());
        }
        rest = after;
    }
    assert!(!blocks.is_empty(), "no block is labelled {label}");
    blocks
}

fn once(rng: &mut Rng, json: &mut Vec<u8>, other: &[u8]) {
    let parts = parts(json);
    let values: Vec<Range<usize>> = parts
        .iter()
        .filter(|part| !matches!(json[part.start], b'{' | b'}' | b'[' | b']' | b':' | b','))
        .cloned()
        .collect();
    if values.is_empty() {
        json.extend_from_slice(value(rng, 2).as_bytes());
        return;
    }
    let (one, two) = (pick(rng, &values).clone(), pick(rng, &values).clone());
    match rng.u32(..9) {
        // A value or a key in the place of another.
        0 => replace(json, one, json[two].to_vec()),
        1 | 2 => replace(json, one, value(rng, 3).into_bytes()),
        3 => {
            let foreign = self::parts(other);
            let foreign = if foreign.is_empty() { 0..0 } else { pick(rng, &foreign).clone() };
            replace(json, one, other[foreign].to_vec());
        }
        // The same once more, or another field beside it.
        4 => {
            let field = format!("{},{}:", value(rng, 1), String::from_utf8_lossy(&json[two]));
            json.splice(one.start..one.start, field.into_bytes());
        }
        5 => nest(rng, json, &one),
        6 => inside(rng, json, one),
        7 => replace(json, pick(rng, &parts).clone(), Vec::new()),
        _ => escape(rng, json, one),
    }
}

fn replace(json: &mut Vec<u8>, part: Range<usize>, by: Vec<u8>) {
    json.splice(part, by);
}

/// Puts a value into arrays and objects, around the depths that are limits.
fn nest(rng: &mut Rng, json: &mut Vec<u8>, part: &Range<usize>) {
    let depth = *pick(rng, &[1, 2, 13, 14, 15, 16, 17, 57, 58, 59, 60, 61, 127, 128, 129, 5_000]);
    let (open, close) = if rng.bool() { ("[", "]") } else { (r#"{"a":"#, "}") };
    let inner = json[part.clone()].to_vec();
    let nested = [open.repeat(depth).as_bytes(), &inner, close.repeat(depth).as_bytes()].concat();
    replace(json, part.clone(), nested);
}

/// Puts a piece into a text or literal.
fn inside(rng: &mut Rng, json: &mut Vec<u8>, part: Range<usize>) {
    let at = rng.usize(part);
    let piece = pick(rng, &PIECES).to_vec();
    let times = *pick(rng, &[1, 1, 1, 1, 2, 40, 300]);
    json.splice(at..at, piece.repeat(times));
}

/// Spells a character of a text in another way.
fn escape(rng: &mut Rng, json: &mut Vec<u8>, part: Range<usize>) {
    let at = rng.usize(part);
    if json[at].is_ascii_alphanumeric() {
        let escaped = format!("\\u{:04x}", json[at]);
        json.splice(at..=at, escaped.into_bytes());
    } else if json[at].is_ascii() {
        json[at].make_ascii_uppercase();
    }
}

/// Any value.
pub(crate) fn value(rng: &mut Rng, depth: u32) -> String {
    match rng.u32(..if depth == 0 { 8 } else { 11 }) {
        0 => "null".to_owned(),
        1 => rng.bool().to_string(),
        2 => (*pick(rng, &NUMBERS)).to_owned(),
        3 => format!("{:?}", pick(rng, &GUIDS)),
        4 => format!("{:?}", pick(rng, &INSTANTS)),
        5 | 6 => serde_json::to_string(&text(rng, 300)).unwrap(),
        7 => (*pick(rng, &[r#""MEMBER""#, r#""APP""#, r#""UNKNOWN""#, r#""APPROVED""#, r#""PUBLIC""#, r#""""#]))
            .to_owned(),
        8 | 9 => {
            let fields: Vec<String> = (0..rng.usize(..4))
                .map(|number| {
                    format!("\"{}{number}\":{}", pick(rng, &["a", "id", "_id", "é", ""]), value(rng, depth - 1))
                })
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        _ => {
            let items: Vec<String> = (0..rng.usize(..4)).map(|_| value(rng, depth - 1)).collect();
            format!("[{}]", items.join(", "))
        }
    }
}

/// Where the parts of a document lie: texts, literals, marks. Of what is no JSON, some parts or other.
fn parts(json: &[u8]) -> Vec<Range<usize>> {
    let (mut parts, mut at) = (Vec::new(), 0);
    while at < json.len() {
        let end = match json[at] {
            b'"' => text_end(json, at),
            b'{' | b'}' | b'[' | b']' | b':' | b',' => at + 1,
            byte if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            _ => json[at..]
                .iter()
                .position(|byte| b"{}[]:,\" \n".contains(byte))
                .map_or(json.len(), |length| at + length.max(1)),
        };
        parts.push(at..end);
        at = end;
    }
    parts
}

fn text_end(json: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < json.len() && json[at] != b'"' {
        at += if json[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(json.len())
}
