//! What operators see of the worker from outside: health, metrics, traces. Their server is the console's.

mod build;
mod controls;
mod health;
mod meters;
mod push;
mod resource;
mod traces;

pub use build::COMMIT;
pub use controls::Controls;
pub use health::{Dependency, Health};
pub use meters::{Lap, Laps, Meters, Oldest, Step, WebhookSeries};
pub use push::{PreflightError, Push, preflight};
pub use traces::{Answered, Collector, Destination, Sent, Traces, Unusable};
