//! What commands share that walk past many members: a bar, and the command line that goes on where one stopped.

use std::fmt::Display;
use std::io::{self, IsTerminal as _};

use indicatif::{ProgressBar, ProgressStyle};

use super::Context;
use super::print::visible;
use crate::domain::SiteId;
use crate::postgres::{Place, Session};

/// A bar on the terminal for the members from a place on; none where stderr is no terminal.
pub(super) async fn bar(store: &mut Session, from: Place, site: Option<SiteId>) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let (bar, template) = match store.count_members(from, site).await {
        Ok(total) => (ProgressBar::new(total), "{bar:40} {human_pos} of {human_len} members, {per_sec}, {eta} left"),
        // So many that counting them takes longer than a statement may. An outage is told by what comes next.
        Err(_) => (ProgressBar::new_spinner(), "{spinner} {human_pos} members, {per_sec}"),
    };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// The command line that goes on where this one stopped.
pub(super) struct Again(String);

impl Again {
    /// Begins with the program, its configuration file and the command.
    pub(super) fn new(command: &str, context: &Context) -> Self {
        let again = Self("join-community".to_owned());
        let again = again.option("--config", context.config_file.as_ref().map(|file| file.display()));
        Self(format!("{} {command}", again.0))
    }

    /// Options alone.
    pub(super) fn bare() -> Self {
        Self(String::new())
    }

    /// A word as it is given.
    pub(super) fn word(mut self, word: &str) -> Self {
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        self.0.push_str(&quoted(word));
        self
    }

    /// An option with its value, if it has one.
    pub(super) fn option(mut self, name: &str, value: Option<impl Display>) -> Self {
        if let Some(value) = value {
            self = self.word(name).word(&value.to_string());
        }
        self
    }

    /// An option without a value, if it was given.
    pub(super) fn flag(self, name: &str, given: bool) -> Self {
        if given { self.word(name) } else { self }
    }

    /// The whole line.
    pub(super) fn line(self) -> String {
        self.0
    }
}

/// What is said to people of a command that stopped before its end.
pub(super) fn stopped(resume: &str) -> String {
    format!("Not all of them: it stopped. Go on with\n  {}", visible(resume))
}

/// As a shell takes it for one word.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:+,@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::{Again, quoted};

    #[test]
    fn a_word_stays_one_word_in_a_shell() {
        for (word, expected) in [
            ("500/s", "500/s"),
            ("2026-11-24T10:00:00.123Z", "2026-11-24T10:00:00.123Z"),
            ("", "''"),
            ("a b", "'a b'"),
            ("$(x)'s", r"'$(x)'\''s'"),
        ] {
            assert_eq!(quoted(word), expected);
        }
    }

    #[test]
    fn what_was_not_given_is_not_given_again() {
        let line = Again("program".to_owned()).option("--to", None::<&str>).option("--rate", Some("5/s"));
        assert_eq!(line.flag("--repair", true).flag("--dry-run", false).line(), "program --rate 5/s --repair");
    }
}
