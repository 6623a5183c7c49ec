//! The services, stopped and started by the script that developers use. Whatever a test does, they run when it ends.

#![allow(dead_code, reason = "only tests that have the services to themselves use it")]

use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};

use super::variable;

/// A service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    /// RabbitMQ.
    Broker,
    /// PostgreSQL.
    Database,
    /// Redis.
    Cache,
}

impl Service {
    fn name(self) -> &'static str {
        match self {
            Self::Broker => "rabbitmq",
            Self::Database => "postgres",
            Self::Cache => "redis",
        }
    }

    /// Stops it in order.
    pub(crate) fn stop(self) -> Away {
        script(&["stop-one", self.name()]);
        Away(self)
    }

    /// Stops all of its processes where they are, connections open.
    pub(crate) fn freeze(self) -> Frozen {
        script(&["freeze-one", self.name()]);
        Frozen(self)
    }

    /// Ends it as a crash does.
    pub(crate) fn kill(self) -> Away {
        script(&["kill-one", self.name()]);
        Away(self)
    }
}

/// A service that stands still, until this value goes.
pub(crate) struct Frozen(Service);

impl Drop for Frozen {
    fn drop(&mut self) {
        script(&["thaw-one", self.0.name()]);
    }
}

/// A service that does not run. It runs again once this value goes, also where a test fails: what the test made in the
/// service can then still be cleaned up.
pub(crate) struct Away(Service);

const SETTLING: Duration = Duration::from_secs(3);

impl Away {
    /// Starts the service; returns when it answers.
    pub(crate) fn end(self) {
        drop(self);
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        script(&["start-one", self.0.name()]);
        if self.0 == Service::Broker && std::thread::panicking() {
            // The test's vhost is deleted next. RabbitMQ 3.10 bears that badly in its first moments: the supervisor of
            // its dead-lettering ends, and no quorum queue can be declared any more.
            std::thread::sleep(SETTLING);
        }
    }
}

/// A broker that blocks every publisher, until this value goes.
pub(crate) struct Alarm(());

impl Alarm {
    /// Raises the alarm.
    pub(crate) fn raise() -> Self {
        script(&["memory-alarm", "on"]);
        Self(())
    }

    /// Ends the alarm.
    pub(crate) fn end(self) {
        drop(self);
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        script(&["memory-alarm", "off"]);
    }
}

/// A broker that takes messages of 32 MiB, until this value goes. Channels go by what held when they were opened.
pub(crate) struct LargeMessages(());

impl LargeMessages {
    /// Lifts the limit.
    pub(crate) fn allow() -> Self {
        script(&["large-messages", "on"]);
        Self(())
    }
}

impl Drop for LargeMessages {
    fn drop(&mut self) {
        script(&["large-messages", "off"]);
    }
}

/// A broker that offers larger frames than by default, until this value goes. Connections go by what held when they were made.
pub(crate) struct LargeFrames(());

impl LargeFrames {
    /// Lets it offer them.
    pub(crate) fn offer() -> Self {
        script(&["large-frames", "on"]);
        Self(())
    }
}

impl Drop for LargeFrames {
    fn drop(&mut self) {
        script(&["large-frames", "off"]);
    }
}

/// A broker that closes a channel on which a delivery waits for a second, until this value goes. Channels go by what held
/// when they were opened.
pub(crate) struct Impatience(());

impl Impatience {
    /// Takes its patience away.
    pub(crate) fn begin() -> Self {
        script(&["impatience", "on"]);
        Self(())
    }
}

impl Drop for Impatience {
    fn drop(&mut self) {
        script(&["impatience", "off"]);
    }
}

/// Waits for the turn of this test.
pub(crate) async fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::const_new(());
    let turn = TURN.lock().await;
    let url = variable("JOIN_COMMUNITY__DATABASE__URL");
    let ours = script(&["env"]);
    assert!(ours.contains(&url), "the environment names services that this checkout cannot stop: {url}, not\n{ours}");
    turn
}

/// Runs `scripts/services`, and answers what it prints. Waits on the spot: nothing else is to happen meanwhile, and
/// whoever drops a value cannot wait otherwise.
pub(crate) fn script(arguments: &[&str]) -> String {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/services");
    let ran = Command::new(program).args(arguments).stdin(Stdio::null()).output().expect("scripts/services runs");
    let said = String::from_utf8_lossy(&ran.stderr);
    if !ran.status.success() && std::thread::panicking() {
        // A second panic would end the process, with all services as they are.
        return said.into_owned();
    }
    assert!(ran.status.success(), "scripts/services {arguments:?}: {said}");
    String::from_utf8_lossy(&ran.stdout).into_owned()
}
