//! The exchanges and queues of Join Community: what there is, why it is so, how it is created and checked.
//! Separate, because deployment, worker and operators must mean the same objects by the same names.

mod declare;
mod error;
mod export;
mod names;
mod plan;
mod verify;

pub use declare::{Declared, Existence, declare, existing, highest_shard, missing_webhooks};
pub use error::TopologyError;
pub use export::export;
pub use names::{Names, RUNGS, Rung, rung_for};
pub(crate) use plan::DISCARDED_FOR;
pub use plan::{Arguments, Binding, Destination, Exchange, Plan, Queue, Value, plan};
pub use verify::{Depth, Finding, Problem, Report, VerifyError, verify};
