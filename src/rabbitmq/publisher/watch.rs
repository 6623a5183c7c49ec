//! Watching the publishing connection: its end, and a broker that blocks publishers. Apart from the work on it, which may
//! wait on a dead channel without being told.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use lapin::{Connection, Event};

use crate::operations::{Dependency, Health};

/// An error may be told before the state of the connection says so, and it is told once: so the state is looked at, too.
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// Ends when the connection does; keeps health and `blocked` in step with a broker that blocks publishers.
pub(super) async fn watch(connection: &Connection, health: &Health, blocked: &AtomicBool) {
    // A connection that is blocked as well hears of it with its first publish.
    blocked.store(false, Ordering::Relaxed);
    // One listener for each connection: several would split the events among them.
    let mut events = connection.events_listener();
    let mut looks = tokio::time::interval(BETWEEN_LOOKS);
    while connection.status().connected() {
        let event = tokio::select! {
            event = events.next() => event,
            _ = looks.tick() => continue,
        };
        match event {
            Some(Event::ConnectionBlocked(reason)) => {
                blocked.store(true, Ordering::Relaxed);
                health.down(Dependency::Publishing, format!("the broker blocks publishers: {reason}"));
            }
            Some(Event::ConnectionUnblocked) => {
                blocked.store(false, Ordering::Relaxed);
                health.up(Dependency::Publishing);
            }
            // Errors of channels come this way, too; those show themselves where the channel is used. `Event` may grow;
            // what is not named here changes nothing.
            Some(Event::Error(_) | Event::Connected | Event::SendFlow(_) | _) => {}
            None => return,
        }
    }
}
