//! W3C trace context: what goes on is valid by its grammar, and what is valid goes on.

use fastrand::Rng;
use join_community::wire::Incoming;
use join_community::wire::request::decode;

use super::{Outcome, Target};
use crate::mutate::{self, once_in, pick};

const PARENTS: [&str; 5] = [
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00-what-the-future-brings",
    "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
];
const STATES: [&str; 4] =
    ["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "fw529a3039@dt=FfffffeA , a= b", "a=b,,c=d", "1=~"];

pub(crate) struct Trace;

impl Target for Trace {
    fn make(&self, rng: &mut Rng) -> Vec<u8> {
        let mut input = format!("{}\n{}", pick(rng, &PARENTS), pick(rng, &STATES)).into_bytes();
        if once_in(rng, 10) {
            let entries: Vec<String> = (0..rng.usize(30..35)).map(|entry| format!("k{entry}=v")).collect();
            input = format!("{}\n{}", PARENTS[0], entries.join(",")).into_bytes();
        }
        if !once_in(rng, 4) {
            let other = *pick(rng, &STATES);
            mutate::bytes(rng, &mut input, other.as_bytes());
        }
        input
    }

    fn check(&self, input: &[u8]) -> Outcome {
        let text = String::from_utf8_lossy(input);
        let (parent, state) = text.split_once('\n').unwrap_or((&text, ""));
        let read = |parent: &str, state: &str| {
            let body = br#"{"siteId":"6b0e7f1a-8c0d-4f3e-9a57-2d1c4b5e6f70"}"#.to_vec();
            let (traceparent, tracestate) = (Some(parent.into()), Some(state.into()));
            decode(&Incoming { message_id: Some("x".into()), traceparent, tracestate, body, ..Incoming::default() })
        };
        let Ok(decoded) = read(parent, state) else {
            assert!(parent.len() > 512 || state.len() > 512, "only too long a trace makes a request malformed");
            return Outcome::Refused;
        };
        let expected = valid(parent);
        assert_eq!(decoded.traceparent.as_deref(), expected.as_deref());
        assert_eq!(decoded.tracestate.is_some(), expected.is_some() && is_state(state), "{state:?}");
        if let Some(parent) = &decoded.traceparent {
            let again = read(parent, state).expect("what goes on is taken");
            assert_eq!((again.traceparent, again.tracestate), (decoded.traceparent.clone(), decoded.tracestate));
        }
        Outcome::of(expected.is_some())
    }
}

/// What has to go on, byte by byte.
fn valid(parent: &str) -> Option<String> {
    let bytes = parent.as_bytes();
    let form = bytes.get(..55)?.iter().enumerate().all(|(at, byte)| match at {
        2 | 35 | 52 => *byte == b'-',
        _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(byte),
    });
    let is_set = |part: &[u8]| part.iter().any(|byte| *byte != b'0');
    let end = bytes.len() == 55 || (bytes[55] == b'-' && !parent.starts_with("00"));
    let valid = form && end && !parent.starts_with("ff") && is_set(&bytes[3..35]) && is_set(&bytes[36..52]);
    valid.then(|| format!("00{}", &parent[2..55]))
}

fn is_state(state: &str) -> bool {
    let entries: Vec<&str> =
        state.split(',').map(|entry| entry.trim_matches([' ', '\t'])).filter(|it| !it.is_empty()).collect();
    let mut keys: Vec<&str> = entries.iter().map(|entry| entry.split('=').next().unwrap_or_default()).collect();
    keys.sort_unstable();
    let is_distinct = keys.windows(2).all(|two| two[0] != two[1]);
    is_distinct && (1..=32).contains(&entries.len()) && entries.iter().all(|entry| is_entry(entry))
}

fn is_entry(entry: &str) -> bool {
    let Some((key, value)) = entry.split_once('=') else { return false };
    let key_characters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-*/@".contains(c);
    (1..=256).contains(&key.len())
        && key.chars().next().is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        && key.chars().all(key_characters)
        && (1..=256).contains(&value.len())
        && value.chars().all(|c| (' '..='~').contains(&c) && c != '=')
}
