//! What operators see: health, metrics, traces, and the server that shows the first two.

mod health;
mod meters;
mod push;
mod server;
mod traces;

pub use health::{Dependency, Health};
pub use meters::{Lap, Laps, Meters, Step};
pub use push::{PreflightError, Push, preflight};
pub use server::{bind, serve};
pub use traces::{Answered, Collector, Destination, Sent, Traces, Unusable};
