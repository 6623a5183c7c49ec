//! Services that are away or hang, by faults on the wire between them and the worker: nothing is lost, nothing happens
//! twice, and the worker recovers by itself. Services that are really stopped are in the test binary `outages`.

mod broker;
mod cache;
mod database;
mod publishing;
