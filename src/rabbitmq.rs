//! The broker: connections, topology, what is published and what is consumed.
//!
//! `lapin` is used here, where lanes take deliveries in and settle them, and where connections are handed to lanes.

pub mod address;
pub mod ahead;
pub mod call;
pub mod clock_proof;
pub mod connect;
pub mod consumer;
pub mod convoy;
pub mod courier;
pub mod dead_letters;
pub mod depth;
pub mod incoming;
pub mod listener;
pub mod management;
pub mod preflight;
pub mod producer;
pub mod publisher;
pub mod subscription;
pub mod supervisor;
pub mod topology;
pub mod window;
