//! Files of members: where lines begin and end, whatever their length, their ends and the pieces they are read in.

use std::io::BufReader;

use fastrand::Rng;
use join_community::cli::members::lines::{Line, Lines};

use super::{Outcome, Target};
use crate::amqp;
use crate::mutate::{self, once_in, pick};

const LONGEST: usize = 1024 * 1024;

pub(crate) struct Files;

impl Target for Files {
    fn make(&self, rng: &mut Rng) -> Vec<u8> {
        let mut file = if once_in(rng, 4) { b"\xef\xbb\xbf".to_vec() } else { Vec::new() };
        for _ in 0..rng.usize(..12) {
            file.extend(amqp::bytes(rng, 200));
            if once_in(rng, 5_000) {
                file.resize(file.len() + LONGEST - *pick(rng, &[0, 1, 2, 100]), b'x');
            }
            file.extend_from_slice(pick(rng, &["\n", "\n", "\r\n", "\n\n", "\r", " \t\n", ""]).as_bytes());
        }
        if once_in(rng, 4) {
            let other = file.clone();
            mutate::bytes(rng, &mut file, &other);
        }
        file
    }

    fn check(&self, input: &[u8]) -> Outcome {
        let expected = split(input);
        for capacity in [if input.len() < 4096 { 1 } else { 8191 }, 13, 64 * 1024] {
            let mut lines = Lines::new(BufReader::with_capacity(capacity.max(input.len() / 4096), input));
            let mut found = Vec::new();
            while let Some(line) = lines.next_line().expect("memory can be read") {
                found.push(line);
                assert_eq!(lines.number(), found.len() as u64);
            }
            assert_eq!(lines.position(), input.len() as u64);
            assert!(found == expected, "{} lines in place of {}", found.len(), expected.len());
        }
        Outcome::of(!expected.is_empty() && expected.iter().all(|line| *line != Line::Whole(Vec::new())))
    }
}

/// The lines, without any buffer.
fn split(file: &[u8]) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for (number, whole) in file.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let line = whole.strip_prefix(b"\xef\xbb\xbf").filter(|_| number == 0).unwrap_or(whole);
        let line = Line::Whole(line.trim_ascii_end().to_vec());
        lines.push(if whole.len() > LONGEST { Line::TooLong } else { line });
    }
    lines
}
