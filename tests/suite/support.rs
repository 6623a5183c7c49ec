//! What every test is given for itself: a database, a vhost, a key prefix. Nothing is shared, so tests run side by side.

pub(crate) mod asking;
mod browser;
pub(crate) mod cache;
mod collector;
mod crowd;
mod database;
mod delivered;
pub(crate) mod driven;
mod events;
mod installation;
mod left_out;
mod leftovers;
pub(crate) mod logs;
mod message;
mod openid;
mod process;
mod producer;
mod program;
mod proxy;
mod queues;
mod raw;
mod records;
pub(crate) mod services;
mod settings;
mod setup;
mod stamps;
mod tokens;
pub(crate) mod vhost;
mod waiting;
mod worker;

pub(crate) use browser::{Caller, Page, ask_for_tokens};
pub(crate) use collector::{Collector, Metric, Span, attribute};
pub(crate) use crowd::Crowd;
pub(crate) use database::{TestDatabase, database, empty_database, on_record};
pub(crate) use delivered::Delivered;
pub(crate) use events::{Event, Events, subject};
pub(crate) use installation::{Installation, trusted};
pub(crate) use left_out::left_out;
pub(crate) use message::Message;
pub(crate) use openid::{OpenId, SUBJECT};
pub(crate) use process::Process;
pub(crate) use producer::{Answer, Producer};
pub(crate) use program::{Running, Said, this_user};
pub(crate) use proxy::{Proxy, Wire};
pub(crate) use queues::DeadLetter;
pub(crate) use raw::{Field, raw_header};
pub(crate) use records::{JOINABLE, MemberSpec, PUBLIC, Record, Recorded, entity, instant};
pub(crate) use settings::{config, variable};
pub(crate) use setup::Setup;
pub(crate) use stamps::stamp_arrivals;
pub(crate) use tokens::{Issuer, PERMISSION};
pub(crate) use vhost::{TestVhost, vhost};
pub(crate) use waiting::{PATIENCE, eventually};
pub(crate) use worker::Worker;

use std::sync::atomic::{AtomicU32, Ordering};

/// A prefix of cache keys that no other test has.
pub(crate) fn redis_prefix() -> String {
    format!("{}:", unique("jc:test"))
}

/// A name that no other test has, in this process or another. Carries the time, so that what a killed test left behind
/// is known for what it is.
fn unique(kind: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let separator = if kind.contains(':') { ':' } else { '_' };
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{kind}{separator}{now}{separator}{}{separator}{count}", std::process::id())
}

/// Runs the future to its end on a thread of its own: dropping must wait for the network, and may happen in a runtime.
pub(crate) fn finish<T: Send>(work: impl Future<Output = T> + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
        });
        thread.join().expect("cleaning up panicked")
    })
}
