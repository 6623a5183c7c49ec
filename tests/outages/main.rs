//! Tests that stop and kill whole services. A binary of its own: cargo runs one after the other, so nobody else uses the
//! services meanwhile; in here the tests take turns.
//!
//! They need the private services of this checkout: `scripts/services up`, then `eval "$(scripts/services env)"`.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on ends with the reason")]

// By a folder, so that the files below `support` are found where they lie. They hold no tests: those would take no turns.
#[path = "../suite"]
#[expect(dead_code, unused_imports, reason = "what all tests share is more than these few use")]
mod suite {
    pub(crate) mod support;
}
use suite::support;

#[path = "../suite/runbook/steps.rs"]
#[expect(dead_code, reason = "most of the runbook is tried beside others")]
mod steps;

mod alarm;
mod announced;
#[cfg(feature = "client")]
mod client;
mod frames;
mod restarts;
mod together;
