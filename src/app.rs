//! The worker put together: the only place that joins the concrete parts. Tests build the same worker.

mod consuming;
mod depths;
mod error;
mod housekeeping;
mod parts;
mod running;
mod watch;
mod webhooks;

pub use error::StartError;
pub use parts::App;
pub use running::Stopped;
