//! The joining half: requests in, verdicts and changes recorded, deliveries settled, replies out.
//!
//! It ends in a durable fact, one PostgreSQL statement that holds the verdict, the member's new state and what is owed to
//! the world. Read [`lane`] first.

mod ahead;
mod answers;
mod arrival;
mod batch;
mod crowding;
mod desk;
pub mod lane;
mod leaving;
mod open;
mod readiness;
pub mod rehearsal;
pub mod rounds;
mod settle;
mod shards;
mod sources;
mod steering;
mod suspects;
mod told;

pub use desk::{Desk, DeskParts};
pub use shards::Shards;
