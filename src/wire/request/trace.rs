//! W3C trace context: what is valid goes on, what is not is ignored and never makes a request malformed.
//!
//! Apart, because the grammar is another standard's.

use std::collections::HashSet;

/// A `traceparent` of version 00: `00-<32 hex>-<16 hex>-<2 hex>`.
const LENGTH: usize = 55;
/// Most entries of a `tracestate`.
const MAX_ENTRIES: usize = 32;

/// The validated `traceparent`. One of a later version goes on as version 00, as the standard asks.
pub(in crate::wire) fn parent(text: &str) -> Option<Box<str>> {
    let (known, later) = text.split_at_checked(LENGTH)?;
    let mut parts = known.split('-');
    let mut part = |length| parts.next().filter(|part| part.len() == length && part.bytes().all(is_hex));
    let (version, trace, span, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
    let is_complete = later.is_empty() || (version != "00" && later.starts_with('-'));
    let is_set = |id: &str| id.bytes().any(|byte| byte != b'0');
    let is_valid = version != "ff" && is_complete && is_set(trace) && is_set(span);
    is_valid.then(|| format!("00-{trace}-{span}-{flags}").into())
}

/// The validated `tracestate`.
pub(in crate::wire) fn state(text: &str) -> Option<Box<str>> {
    let mut keys = HashSet::new();
    for entry in text.split(',').map(|entry| entry.trim_matches([' ', '\t'])).filter(|entry| !entry.is_empty()) {
        let (key, value) = entry.split_once('=')?;
        if !(is_key(key) && is_value(value) && keys.insert(key)) {
            return None;
        }
    }
    (1..=MAX_ENTRIES).contains(&keys.len()).then(|| text.into())
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

fn is_key(key: &str) -> bool {
    let is_inner = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    (1..=256).contains(&key.len())
        && key.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
        && key.bytes().all(is_inner)
}

fn is_value(value: &str) -> bool {
    (1..=256).contains(&value.len()) && value.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'=')
}

#[cfg(test)]
mod tests {
    use super::{parent, state};

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_valid_parent_goes_on() {
        assert_eq!(parent(VALID).as_deref(), Some(VALID));
    }

    #[test]
    fn a_parent_of_a_later_version_goes_on_as_version_00() {
        let later = VALID.replacen("00", "cc", 1);
        assert_eq!(parent(&later).as_deref(), Some(VALID));
        assert_eq!(parent(&format!("{later}-what-the-future-brings")).as_deref(), Some(VALID));
        assert_eq!(parent(&format!("{later}.what")), None);
    }

    #[test]
    fn an_invalid_parent_is_ignored() {
        for invalid in [
            "",
            "00",
            &VALID[1..],
            &VALID.to_uppercase(),
            &VALID.replacen("00", "ff", 1),
            &format!("{VALID}-00"),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            &VALID.replace('-', "_"),
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            &VALID.replace("4bf", "4bg"),
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0é",
        ] {
            assert_eq!(parent(invalid), None, "{invalid:?}");
        }
    }

    #[test]
    fn a_state_is_a_list_of_distinct_entries() {
        let many = |count: usize| (0..count).map(|entry| format!("k{entry}=v")).collect::<Vec<_>>().join(",");
        for valid in ["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "fw529a3039@dt=FfffffeA , a= b", "a=b,,c=d", &many(32)]
        {
            assert_eq!(state(valid).as_deref(), Some(valid));
        }
        for invalid in ["", ",", "a", "a=", "=b", "A=b", "a=b,a=c", "a=b=c", "a=é", "a b=c", "a=b\u{1}", &many(33)] {
            assert_eq!(state(invalid), None, "{invalid:?}");
        }
    }
}
