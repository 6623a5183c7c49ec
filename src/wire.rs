//! The words on the wire: requests and replies, events, cached profiles, member records. Serialisation lives here alone.

#[cfg(feature = "worker")]
pub mod copy;
pub mod event;
#[cfg(any(test, feature = "worker"))]
pub mod examples;
pub mod headers;
pub mod instant;
pub mod member;
pub mod profile;
pub mod reply;
pub mod request;
pub mod rule;
#[cfg(feature = "worker")]
pub mod webhook;

mod incoming;
mod outgoing;
mod pen;
mod strict;

#[cfg(test)]
mod messages;
#[cfg(test)]
pub(crate) mod sample;

pub use incoming::{Incoming, OwnHeaders};
pub use outgoing::{HeaderValue, Outgoing};
