//! What is fuzzed: how inputs for it are made, and what must hold of each.

mod config;
mod jwks;
mod letter;
mod lines;
mod member;
mod message;
mod request;
mod sieve;
mod token;
mod trace;

use fastrand::Rng;

use crate::mutate::pick;

/// `docs/messages.md`: its blocks are what most inputs begin with.
pub(crate) const PAGE: &str = include_str!("../../docs/messages.md");

/// What became of an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was taken for what it should be.
    Accepted,
    /// It was not.
    Refused,
}

impl Outcome {
    fn of(accepted: bool) -> Self {
        if accepted { Self::Accepted } else { Self::Refused }
    }
}

/// Something that reads bytes from outside.
pub(crate) trait Target: Sync {
    /// An input that follows from the numbers alone.
    fn make(&self, rng: &mut Rng) -> Vec<u8>;

    /// Has an input read, and panics if something does not hold.
    fn check(&self, input: &[u8]) -> Outcome;
}

/// A target, not yet set up.
pub(crate) struct Entry {
    /// Its name.
    pub(crate) name: &'static str,
    /// As many inputs as a test can afford.
    pub(crate) short: u64,
    /// As many as it should have had.
    pub(crate) long: u64,
    /// Sets it up.
    pub(crate) build: fn() -> Box<dyn Target>,
}

const MILLION: u64 = 1_000_000;

/// All of them.
pub(crate) const ALL: [Entry; 9] = [
    Entry { name: "request", short: 20_000, long: 10 * MILLION, build: || Box::new(request::Request::new()) },
    Entry { name: "sieve", short: 20_000, long: MILLION, build: || Box::new(sieve::Frames) },
    Entry { name: "letter", short: 10_000, long: MILLION, build: || Box::new(letter::Letters) },
    Entry { name: "trace", short: 20_000, long: MILLION, build: || Box::new(trace::Trace) },
    Entry { name: "token", short: 4_000, long: MILLION, build: || Box::new(token::Token::new()) },
    Entry { name: "jwks", short: 4_000, long: MILLION, build: || Box::new(jwks::KeySets::new()) },
    Entry { name: "member", short: 10_000, long: MILLION, build: || Box::new(member::Members::new()) },
    Entry { name: "lines", short: 2_000, long: MILLION, build: || Box::new(lines::Files) },
    Entry { name: "config", short: 500, long: MILLION, build: || Box::new(config::Configurations::new()) },
];

/// The numbers that one input follows from.
pub(crate) fn seeded(seed: u64, index: u64) -> Rng {
    Rng::with_seed(seed.wrapping_mul(0xd134_2543_de82_ef95) ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// Two different documents of these, as often as there are any.
fn two<'a>(rng: &mut Rng, from: &'a [Vec<u8>]) -> (Vec<u8>, &'a [u8]) {
    let (one, other) = (pick(rng, from).clone(), pick(rng, from));
    (one, other.as_slice())
}

/// Shown to people, on one line: nothing that breaks a line, colours a terminal or turns text around.
fn is_presentable(text: &str) -> bool {
    text.len() <= 4_096
        && !text.chars().any(|c| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
}
