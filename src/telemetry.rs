//! Logging: how it is set up, and how an error is told. Separate, because it is wanted before anything else exists.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _};

use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

use crate::config::Log;

/// Logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// The filter cannot be read.
    #[error("log.filter cannot be read")]
    Filter(#[source] ParseError),
    /// There can be only one in a process.
    #[error("logging was set up already")]
    Again(#[source] TryInitError),
}

/// Starts logging to stderr: stdout belongs to the results of commands.
///
/// # Errors
/// If the filter cannot be read, or logging was started already.
pub fn init(log: &Log) -> Result<(), Unusable> {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let coloured = io::stderr().is_terminal() && !unwanted;
    subscriber(log, coloured, io::stderr)?.try_init().map_err(Unusable::Again)?;
    if log.is_json() {
        // What reads the log expects an object on every line, the last one too.
        std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "panicked")));
    }
    Ok(())
}

/// An error with all its causes on one line, as it stands in a log. A cause that its effect already spells out is
/// left out.
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

/// Whether an error says that a server's certificate was not taken. By its words, which are those of `rustls`: each library
/// wraps them in types of its own.
#[must_use]
pub fn is_mistrust(error: &dyn Error) -> bool {
    chain(error).contains("invalid peer certificate")
}

fn subscriber<W>(log: &Log, coloured: bool, writer: W) -> Result<Box<dyn Subscriber + Send + Sync>, Unusable>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::builder().parse(&log.filter).map_err(Unusable::Filter)?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(writer);
    Ok(if log.is_json() {
        // Flat, and the innermost span alone: what a log search indexes without being told how.
        Box::new(builder.json().flatten_event(true).with_span_list(false).finish())
    } else {
        Box::new(builder.with_ansi(coloured).finish())
    })
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::{chain, subscriber};
    use crate::config::{Config, load};

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged of these events with the default filter.
    fn logged(format: &str, coloured: bool, events: impl FnOnce()) -> String {
        let Config { mut log, .. } = load::<String, String>(None, []).unwrap();
        format.clone_into(&mut log.format);
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = subscriber(&log, coloured, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, events);
        String::from_utf8(kept.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn json_is_one_flat_object_a_line() {
        let text = logged("json", true, || {
            tracing::info!(request.id = "r-1", "joined\nand more");
            tracing::warn!("second");
        });
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!((&lines[0]["request.id"], &lines[0]["level"]), (&"r-1".into(), &"INFO".into()));
    }

    #[test]
    fn colours_are_only_for_terminals() {
        assert!(!logged("human", false, || tracing::info!(a = 1, "plain")).contains('\u{1b}'));
        assert!(logged("human", true, || tracing::info!(a = 1, "coloured")).contains('\u{1b}'));
    }

    #[test]
    fn warnings_that_hold_messages_or_notices_are_off() {
        let text = logged("human", false, || {
            tracing::warn!(target: "lapin::returned_messages", "whole message");
            tracing::warn!(target: "sqlx::postgres::notice", "chatter");
            tracing::info!(target: "redis", "detail");
            tracing::warn!(target: "lapin::thread", "kept");
        });
        assert!(text.contains("kept") && text.lines().count() == 1, "{text}");
    }

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Link(&'static str, #[source] Option<Box<Link>>);

    #[test]
    fn a_chain_names_each_cause_once() {
        let io = Link("refused", None);
        let wrapped = Link("database: refused", Some(Box::new(io)));
        let whole = Link("commit failed", Some(Box::new(wrapped)));
        assert_eq!(chain(&whole), "commit failed: database: refused");
    }
}
