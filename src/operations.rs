//! What operators see: health, metrics, and the server that shows them.

mod health;
mod meters;
mod server;

pub use health::{Dependency, Health};
pub use meters::{Lap, Laps, Meters, Step};
pub use server::{bind, serve};
