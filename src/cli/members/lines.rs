//! The lines of a file or of stdin, one at a time. Apart from the import, because a line may be of any length and no
//! buffer may grow with it.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use anyhow::Context as _;

/// No line that a member is taken from is longer.
const LONGEST: usize = 1024 * 1024;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A line, without its end.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    /// Its bytes.
    Whole(Vec<u8>),
    /// Longer than anything that could be a member; skipped.
    TooLong,
}

/// Reads lines, and counts them and their bytes.
pub struct Lines<R> {
    source: R,
    number: u64,
    position: u64,
}

/// What lines are read from.
pub type Source = Box<dyn BufRead>;

/// Opens a file, or stdin for `-`; with its size, if it has one.
///
/// # Errors
/// If it cannot be read.
pub fn open(path: &Path) -> anyhow::Result<(Lines<Source>, Option<u64>)> {
    if path == Path::new("-") {
        return Ok((Lines::new(Box::new(BufReader::new(io::stdin()))), None));
    }
    let unreadable = || format!("{} cannot be read", path.display());
    let file = File::open(path).with_context(unreadable)?;
    let kind = file.metadata().with_context(unreadable)?;
    anyhow::ensure!(!kind.is_dir(), "{} is a directory", path.display());
    let size = kind.is_file().then_some(kind.len());
    Ok((Lines::new(Box::new(BufReader::with_capacity(64 * 1024, file))), size))
}

impl<R: BufRead> Lines<R> {
    /// The lines of a source, from its first byte on.
    pub fn new(source: R) -> Self {
        Self { source, number: 0, position: 0 }
    }

    /// The number of the line that was read last, from 1.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// How many bytes were read.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The next line; `None` at the end.
    ///
    /// # Errors
    /// If the source cannot be read.
    pub fn next_line(&mut self) -> io::Result<Option<Line>> {
        let (mut line, mut too_long, mut ended) = (Vec::new(), false, false);
        let start = self.position;
        while !ended {
            let available = self.source.fill_buf()?;
            if available.is_empty() {
                break;
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(available.len(), |end| end + 1);
            too_long |= line.len() + taken > LONGEST;
            if too_long {
                line = Vec::new();
            } else {
                line.extend_from_slice(&available[..taken]);
            }
            ended = end.is_some();
            self.source.consume(taken);
            self.position += taken as u64;
        }
        if self.position == start {
            return Ok(None);
        }
        self.number += 1;
        if self.number == 1 && line.starts_with(BYTE_ORDER_MARK) {
            line.drain(..BYTE_ORDER_MARK.len());
        }
        line.truncate(line.trim_ascii_end().len());
        Ok(Some(if too_long { Line::TooLong } else { Line::Whole(line) }))
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::{LONGEST, Line, Lines};

    fn read(bytes: &[u8]) -> Vec<Line> {
        // A small buffer, so that lines are put together from many pieces.
        let mut lines = Lines::new(BufReader::with_capacity(7, bytes));
        let mut all = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            all.push(line);
            assert_eq!(lines.number(), all.len() as u64);
        }
        assert_eq!(lines.position(), bytes.len() as u64);
        all
    }

    fn whole(text: &str) -> Line {
        Line::Whole(text.as_bytes().to_vec())
    }

    #[test]
    fn lines_end_with_a_line_feed_or_with_the_file() {
        assert_eq!(read(b""), []);
        assert_eq!(
            read(b"one\ntwo, and longer\r\n\nlast"),
            [whole("one"), whole("two, and longer"), whole(""), whole("last")]
        );
        assert_eq!(read(b"\xef\xbb\xbf{}\n"), [whole("{}")]);
    }

    #[test]
    fn a_line_without_an_end_is_skipped_and_not_kept() {
        let mut bytes = vec![b'x'; LONGEST * 2];
        bytes.extend_from_slice(b"\nnext\n");
        assert_eq!(read(&bytes), [Line::TooLong, whole("next")]);
    }
}
