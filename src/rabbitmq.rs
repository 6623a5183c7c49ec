//! The broker: connections, topology, what is published and what is consumed.
//!
//! `lapin` is used here, where lanes take deliveries in and settle them, and where connections are handed to lanes.
//!
//! Address, connection and the wait for a broker that blocks are the client library's as well, and so know nothing of the
//! worker.

pub mod address;
pub mod blocked;
pub mod connect;

#[cfg(feature = "worker")]
pub mod ahead;
#[cfg(feature = "worker")]
pub mod call;
#[cfg(feature = "worker")]
pub mod clock_proof;
#[cfg(feature = "worker")]
pub mod consumer;
#[cfg(feature = "worker")]
pub mod convoy;
#[cfg(feature = "worker")]
pub mod courier;
#[cfg(feature = "worker")]
pub mod dead_letters;
#[cfg(feature = "worker")]
pub mod depth;
#[cfg(feature = "worker")]
pub mod incoming;
#[cfg(feature = "worker")]
pub mod listener;
#[cfg(feature = "worker")]
pub mod management;
#[cfg(feature = "worker")]
pub mod preflight;
#[cfg(feature = "worker")]
pub mod producer;
#[cfg(feature = "worker")]
pub mod publisher;
#[cfg(feature = "worker")]
pub mod subscription;
#[cfg(feature = "worker")]
pub mod supervisor;
#[cfg(feature = "worker")]
pub mod topology;
#[cfg(feature = "worker")]
pub mod window;
