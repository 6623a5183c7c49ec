//! The join-community worker: requests in from RabbitMQ, members changed once in effect in PostgreSQL,
//! public profiles in Redis, member-updated events out.
//!
//! Two verbs ([`join`], [`announce`]), the nouns in [`domain`], the words on the wire in [`wire`],
//! and one module for each outside world. Read `join/lane.rs` and `announce/announcer.rs` to have seen the worker.
//!
//! With the feature `client`, module `client` is for whoever calls the worker, and for whoever hears of what it did.

pub mod domain;
pub mod wire;

#[cfg(feature = "worker")]
pub mod announce;
#[cfg(feature = "worker")]
pub mod app;
#[cfg(feature = "worker")]
pub mod auth;
#[cfg(any(feature = "client", feature = "worker"))]
pub mod cache;
#[cfg(feature = "worker")]
pub mod ceiling;
#[cfg(feature = "worker")]
pub mod cli;
#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "worker")]
pub mod config;
#[cfg(feature = "worker")]
pub mod console;
#[cfg(feature = "worker")]
pub mod contract;
#[cfg(feature = "worker")]
pub mod fail_point;
#[cfg(feature = "worker")]
pub mod join;
#[cfg(feature = "worker")]
pub mod operations;
#[cfg(feature = "worker")]
pub mod postgres;
#[cfg(any(feature = "client", feature = "worker"))]
pub mod rabbitmq;
#[cfg(feature = "worker")]
pub mod replay;
#[cfg(feature = "worker")]
pub mod retry;
#[cfg(feature = "worker")]
pub mod telemetry;
#[cfg(feature = "worker")]
pub mod webhooks;
