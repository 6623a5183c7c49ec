//! A line of `check`: what was looked at, what was found, and what to do about it.

use std::error::Error;
use std::fmt::{self, Display};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::cli::print::visible;
use crate::telemetry;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// It works, and somebody will be sorry.
    Warning,
    /// It does not work.
    Error,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    pub(super) level: Level,
    /// Of what: broker, database, cache, keys, issuer, collector, webhooks or the configuration itself.
    area: &'static str,
    /// What was looked at, or what is wrong.
    what: String,
    /// What was seen. Never a secret.
    #[serde(skip_serializing_if = "String::is_empty")]
    value: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

/// Collects what is found in one area.
#[derive(Debug)]
pub(super) struct Findings {
    area: &'static str,
    found: Vec<Finding>,
}

impl Findings {
    pub(super) const fn of(area: &'static str) -> Self {
        Self { area, found: Vec::new() }
    }

    pub(super) fn ok(&mut self, what: impl Into<String>, value: impl Display) {
        self.push(Level::Ok, what.into(), value.to_string(), None);
    }

    pub(super) fn warning(&mut self, what: impl Into<String>, value: impl Display, remedy: impl Into<String>) {
        self.push(Level::Warning, what.into(), value.to_string(), Some(remedy.into()));
    }

    pub(super) fn error(&mut self, what: impl Into<String>, value: impl Display, remedy: impl Into<String>) {
        self.push(Level::Error, what.into(), value.to_string(), Some(remedy.into()));
    }

    /// An error that says itself what to do.
    pub(super) fn failure(&mut self, what: impl Into<String>, error: &dyn Error) {
        self.push(Level::Error, what.into(), telemetry::chain(error), None);
    }

    pub(super) fn into_vec(self) -> Vec<Finding> {
        self.found
    }

    fn push(&mut self, level: Level, what: String, value: String, remedy: Option<String>) {
        self.found.push(Finding { level, area: self.area, what, value, remedy });
    }
}

impl Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, style) = match self.level {
            Level::Ok => ("ok", AnsiColor::Green.on_default()),
            Level::Warning => ("warning", AnsiColor::Yellow.on_default()),
            Level::Error => ("error", AnsiColor::Red.on_default().bold()),
        };
        let reset = Style::new().render_reset();
        write!(f, "{}{word:<8}{reset}{:<9} {}", style.render(), self.area, visible(&self.what))?;
        if !self.value.is_empty() {
            write!(f, ": {}", visible(&self.value))?;
        }
        self.remedy.as_ref().map_or(Ok(()), |remedy| write!(f, "; {remedy}"))
    }
}
