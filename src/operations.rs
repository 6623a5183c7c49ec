//! What operators see: health, metrics, and the server that shows them.

mod health;
mod meters;
mod server;

pub use health::{Dependency, Health};
pub use meters::Meters;
pub use server::{bind, serve};
