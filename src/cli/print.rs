//! The only place that writes to stdout and stderr, so that `--output json` can promise that stdout holds JSON alone.

use std::borrow::Cow;
use std::fmt::{Display, Write as _};
use std::io::{self, ErrorKind, Write as _};

use clap::ValueEnum;
use serde::Serialize;

/// Form of a result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Human,
    /// For programs.
    Json,
}

/// Nobody reads our stdout any more.
#[derive(Debug, thiserror::Error)]
#[error("stdout is closed")]
pub struct Closed(#[source] io::Error);

/// Where a command's results go.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    format: Format,
}

impl Output {
    /// Writes results in this form.
    #[must_use]
    pub const fn new(format: Format) -> Self {
        Self { format }
    }

    /// Whether results are asked for as JSON.
    #[must_use]
    pub fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// One result in both forms: `value` as JSON on one line, or the text that `human` makes of it. Call it once a command.
    ///
    /// # Errors
    /// If it cannot be written; [`Closed`] if nobody reads.
    pub fn result<T: Serialize>(self, value: &T, human: impl FnOnce(&T) -> String) -> anyhow::Result<()> {
        match self.format {
            Format::Human => self.say(&human(value)),
            Format::Json => self.data(&format!("{}\n", serde_json::to_string(value)?)),
        }
    }

    /// A line for people: on stdout, or on stderr if stdout is kept for JSON. May be styled with `anstyle`.
    ///
    /// # Errors
    /// If it cannot be written; [`Closed`] if nobody reads.
    pub fn say(self, text: &impl Display) -> anyhow::Result<()> {
        match self.format {
            Format::Human => written(writeln!(anstream::stdout().lock(), "{text}")),
            Format::Json => {
                complain(text);
                Ok(())
            }
        }
    }

    /// Data that is the result whatever the form (an export): on stdout, byte for byte, nothing added.
    ///
    /// # Errors
    /// If it cannot be written; [`Closed`] if nobody reads.
    pub fn data(self, text: &str) -> anyhow::Result<()> {
        let mut stdout = io::stdout().lock();
        written(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
    }

    /// A remark that is no result: on stderr.
    pub fn note(self, text: &impl Display) {
        complain(text);
    }
}

/// Untrusted text as it may be shown on a terminal: control characters, which could move the cursor or forge lines,
/// are escaped.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(hides) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if hides(character) {
            // Writing to a String cannot fail.
            write!(shown, "{}", character.escape_default()).unwrap_or_default();
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// Control characters, and those that turn the direction of what follows.
fn hides(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Writes a line to stderr. If that is closed, there is nobody left to tell.
pub(super) fn complain(text: &impl Display) {
    writeln!(anstream::stderr().lock(), "{text}").unwrap_or_default();
}

fn written(result: io::Result<()>) -> anyhow::Result<()> {
    result.map_err(|error| {
        if error.kind() == ErrorKind::BrokenPipe {
            return Closed(error).into();
        }
        anyhow::Error::new(error).context("stdout could not be written")
    })
}

#[cfg(test)]
mod tests {
    use super::visible;

    #[test]
    fn untrusted_text_cannot_steer_the_terminal() {
        assert_eq!(visible("plain ünïcode"), "plain ünïcode");
        assert_eq!(visible("a\u{1b}[2Jb\nc"), "a\\u{1b}[2Jb\\nc");
        assert_eq!(visible("x\u{202e}y"), "x\\u{202e}y");
    }
}
