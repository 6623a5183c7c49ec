//! The runbook tried: each test makes the situation of a symptom, runs the commands that `docs/operations.md` gives for it as
//! they stand there, and looks whether that is over.

mod by_hand;
mod emptied;
mod letters;
mod moved;
mod outside;
mod owed;
mod refused;
mod slow;
mod steps;
mod tried;
mod versions;
mod waiting;
mod workers;

use join_community::config::Config;

use crate::support::Worker;

/// A consumer's queue.
const QUEUE: &str = "search.members";

/// Has the operations server listen somewhere.
fn listening(config: &mut Config) {
    "127.0.0.1:0".clone_into(&mut config.http.listen);
}

/// Where a worker is asked.
fn place(worker: &Worker) -> String {
    format!("http://{}", worker.operations().expect("the operations server listens"))
}
