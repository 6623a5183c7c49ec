//! A worker that can be crashed within the test's process. Apart, because only a runtime of its own ends all of its tasks.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::support::{Installation, Worker};

/// A worker in a runtime of its own, and so with tasks that end where they stand when it goes: a crash.
pub(super) struct Mortal {
    worker: Option<Worker>,
    runtime: Option<Runtime>,
}

impl Mortal {
    /// Starts it and waits until it consumes.
    pub(super) fn start(installation: &Installation) -> Self {
        let runtime = runtime();
        let worker = runtime.block_on(installation.start());
        Self { worker: Some(worker), runtime: Some(runtime) }
    }

    /// Stops it as SIGTERM does.
    pub(super) fn stop(mut self) {
        let worker = self.worker.take().expect("it runs");
        self.runtime.as_ref().expect("it runs").block_on(worker.stop());
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        self.runtime.take().expect("it is dropped once").shutdown_timeout(Duration::from_secs(5));
    }
}

pub(super) fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}
