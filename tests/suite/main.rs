//! All integration tests, in one binary: linked once, and sharing what takes long to prepare.
//!
//! They need the private services: `scripts/services up`, then `eval "$(scripts/services env)"`.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on ends with the reason")]

mod support;

mod announcements;
mod bad_bytes;
mod bad_headers;
mod bad_input;
mod bad_tokens;
mod bench_profile;
mod busy;
mod cache_audit;
mod cache_command;
mod changes_by_others;
mod check;
#[cfg(feature = "client")]
mod client;
mod command_line;
mod commit_races;
mod console;
mod contract;
mod controls;
mod dead_letters;
mod elevating;
mod facts;
mod fairness;
mod forged_headers;
mod joining;
mod keys;
#[cfg(feature = "fail-points")]
mod killer;
mod ladder;
mod leaving;
mod lock_order;
mod logs;
mod many;
mod members;
mod metrics;
mod model;
mod outages;
mod outbox;
mod own_vhost;
mod probes;
mod producer;
mod profiles;
mod rejecting;
mod reply_queues;
mod resync;
mod returned;
mod reused_ids;
mod rounds;
mod runbook;
mod session;
mod shards;
mod shutdown;
mod statements;
mod steering;
mod suspects;
mod tls;
mod topology;
mod traces;
mod two_workers;
mod upgrade;
mod verdicts;
mod version;
mod waits;
mod webhooks;

#[path = "../faults"]
#[expect(dead_code, reason = "of all that the proxy of the fault matrix can do, the suite only wants it slow")]
mod faults {
    pub(crate) mod dice;
    pub(crate) mod proxy;
    pub(crate) mod superuser;
}

// Where the proxy looks for it.
use faults::dice;
