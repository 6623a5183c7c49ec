//! The words on the wire: requests and replies, events, cached profiles, member records. Serialisation lives here alone.

pub mod event;
pub mod headers;
pub mod member;
pub mod profile;
pub mod reply;
pub mod request;

mod incoming;
mod outgoing;

pub use incoming::{Incoming, OwnHeaders};
pub use outgoing::{HeaderValue, Outgoing};
