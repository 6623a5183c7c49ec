//! The announcing half: pays what is owed for every committed change, an event and a cache entry.
//!
//! It hears of changes from memory, microseconds after their commit, or finds them in the outbox: after a crash, an outage,
//! a change by somebody else. Memory is a hint, the outbox is the truth.

mod announcer;
pub mod audit;
mod backlog;
mod cache_side;
mod clock;
mod event_side;
mod forgetter;
mod handover;
mod pace;
mod payment;
pub mod resync;
mod sweep;

pub use announcer::{Announcer, Parts};
pub use handover::HandOver;
