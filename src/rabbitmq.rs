//! The broker: connections, topology, what is published and what is consumed. `lapin` is used here and nowhere else.

pub mod address;
pub mod connect;
