//! The broker's ceiling: a worker whose database and cache answer at once and from nothing, so that the benchmark can tell
//! what RabbitMQ alone allows. Apart, like fail points: one line each where it stands in, and nothing at all without the
//! feature `ceilings`, which no release has. With it, too, only a program that calls `pretend` is affected.

#[cfg(feature = "ceilings")]
mod pretending;

#[cfg(feature = "ceilings")]
pub use pretending::{is_on, pretend, standings};

#[cfg(not(feature = "ceilings"))]
use crate::domain::{Request, Standing};

/// Whether commits, entries and what is paid are only said to be written.
#[cfg(not(feature = "ceilings"))]
#[inline]
#[must_use]
pub const fn is_on() -> bool {
    false
}

/// What a load is to find for each request, where nothing is to be asked.
#[cfg(not(feature = "ceilings"))]
#[inline]
#[must_use]
pub const fn standings(_: &[&Request]) -> Option<Vec<Standing>> {
    None
}
