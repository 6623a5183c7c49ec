//! Whether each dependency serves, why not, and since when.

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use time::OffsetDateTime;
use tokio::sync::watch;
use tracing::{info, warn};

use super::Meters;

/// What the worker depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependency {
    /// The connection that requests come in by.
    Consuming,
    /// The connection that events, copies and replies go out by.
    Publishing,
    /// `PostgreSQL`.
    Database,
    /// Redis. Its outage delays nothing but cache entries, so it leaves the worker ready.
    Cache,
    /// The keys that session tokens are checked with.
    Keys,
    /// Our clock: tokens are judged by it, and changes are dated.
    Clock,
}

impl Dependency {
    /// Every dependency.
    pub const ALL: [Self; 6] =
        [Self::Consuming, Self::Publishing, Self::Database, Self::Cache, Self::Keys, Self::Clock];

    /// The name in probes, metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Consuming => "broker_consuming",
            Self::Publishing => "broker_publishing",
            Self::Database => "database",
            Self::Cache => "cache",
            Self::Keys => "keys",
            Self::Clock => "clock",
        }
    }

    const fn is_needed_to_join(self) -> bool {
        match self {
            Self::Consuming | Self::Publishing | Self::Database | Self::Keys | Self::Clock => true,
            Self::Cache => false,
        }
    }
}

#[derive(Clone, Debug, Serialize)]
struct State {
    up: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
}

/// The state of every dependency. Cheap to share.
#[derive(Clone)]
pub struct Health {
    inner: Arc<Mutex<Inner>>,
    /// Told when somebody wants a dependency to be tried at once.
    asked: Arc<[watch::Sender<()>; 6]>,
}

struct Inner {
    states: [State; 6],
    /// How often each ceased to serve.
    outages: [u64; 6],
    /// By whom, and why, a dependency is left alone although it may serve.
    held: [Option<String>; 6],
    draining: bool,
}

impl Default for Health {
    fn default() -> Self {
        let starting = State { up: false, reason: Some("starting".into()), since: OffsetDateTime::now_utc() };
        let inner = Inner {
            states: std::array::from_fn(|_| starting.clone()),
            outages: [0; 6],
            held: std::array::from_fn(|_| None),
            draining: false,
        };
        Self { inner: Arc::new(Mutex::new(inner)), asked: Arc::new(std::array::from_fn(|_| watch::Sender::new(()))) }
    }
}

impl Health {
    /// Notes that a dependency serves.
    pub fn up(&self, dependency: Dependency) {
        if self.change(dependency, None) {
            info!(dependency = dependency.as_str(), "serves");
        }
    }

    /// Notes that a dependency does not serve, and why; `reason` holds no secret and no personal data.
    pub fn down(&self, dependency: Dependency, reason: impl Into<String>) {
        let reason = reason.into();
        if self.change(dependency, Some(reason.clone())) {
            warn!(dependency = dependency.as_str(), reason, "does not serve");
        }
    }

    /// Notes that the worker stops.
    pub fn draining(&self) {
        self.inner().draining = true;
    }

    /// Leaves a dependency alone, as in an outage, as long as somebody wants that; it leaves the worker ready.
    pub fn hold(&self, dependency: Dependency, why: Option<String>) {
        self.inner().held[dependency as usize] = why;
    }

    /// Whether a dependency is left alone by hand.
    #[must_use]
    pub fn is_held(&self, dependency: Dependency) -> bool {
        self.inner().held[dependency as usize].is_some()
    }

    /// Has a dependency tried at once by whoever pauses between two tries.
    pub fn try_now(&self, dependency: Dependency) {
        self.asked[dependency as usize].send_replace(());
    }

    /// Changes whenever somebody wants a dependency to be tried at once.
    #[must_use]
    pub fn asked(&self, dependency: Dependency) -> watch::Receiver<()> {
        self.asked[dependency as usize].subscribe()
    }

    /// Whether a dependency serves, and is not left alone by hand.
    #[must_use]
    pub fn is_up(&self, dependency: Dependency) -> bool {
        let inner = self.inner();
        inner.states[dependency as usize].up && inner.held[dependency as usize].is_none()
    }

    /// Whether the worker takes requests, and the whole picture as JSON.
    #[must_use]
    pub fn report(&self) -> (bool, serde_json::Value) {
        let inner = self.inner();
        let ready = inner.is_ready();
        let dependencies: serde_json::Map<_, _> = Dependency::ALL
            .iter()
            .map(|dependency| {
                let mut state = serde_json::json!(inner.states[*dependency as usize]);
                if let Some(why) = &inner.held[*dependency as usize] {
                    state["held"] = why.as_str().into();
                }
                (dependency.as_str().to_owned(), state)
            })
            .collect();
        (ready, serde_json::json!({ "ready": ready, "draining": inner.draining, "dependencies": dependencies }))
    }

    /// Brings the metrics up to what is known here: asked for with each scrape, since nobody else looks at them.
    pub fn show(&self, meters: &Meters) {
        let inner = self.inner();
        meters.ready.set(if inner.is_ready() { 1.0 } else { 0.0 });
        for dependency in Dependency::ALL {
            let (name, place) = (dependency.as_str(), dependency as usize);
            meters.dependency_up.of(name).set(if inner.states[place].up { 1.0 } else { 0.0 });
            meters.dependency_held.of(name).set(if inner.held[place].is_some() { 1.0 } else { 0.0 });
            meters.dependency_outages.of(name).absolute(inner.outages[place]);
        }
    }

    /// Changes a state and answers whether that turned it; a new reason for the same state is no turn.
    fn change(&self, dependency: Dependency, reason: Option<String>) -> bool {
        let mut inner = self.inner();
        let state = &mut inner.states[dependency as usize];
        let first = state.reason.as_deref() == Some("starting");
        let turned = state.up != reason.is_none() || (first && reason.is_some());
        if turned {
            state.since = OffsetDateTime::now_utc();
        }
        let ceased = state.up && reason.is_some();
        state.up = reason.is_none();
        state.reason = reason;
        inner.outages[dependency as usize] += u64::from(ceased);
        turned
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn is_ready(&self) -> bool {
        let serves = |dependency: Dependency| self.states[dependency as usize].up || !dependency.is_needed_to_join();
        !self.draining && Dependency::ALL.into_iter().all(serves)
    }
}

#[cfg(test)]
mod tests {
    use super::{Dependency, Health};
    use crate::operations::Meters;

    #[test]
    fn the_worker_is_ready_without_a_cache_but_not_without_a_database() {
        let health = Health::default();
        assert!(!health.report().0);
        for dependency in Dependency::ALL.into_iter().filter(|dependency| *dependency != Dependency::Cache) {
            health.up(dependency);
        }
        assert!(health.report().0);
        health.down(Dependency::Database, "refused");
        let (ready, report) = health.report();
        assert!(!ready);
        assert_eq!(report["dependencies"]["database"]["reason"], "refused");
    }

    #[test]
    fn what_is_left_alone_by_hand_is_not_used_and_leaves_the_worker_ready() {
        let health = Health::default();
        for dependency in Dependency::ALL {
            health.up(dependency);
        }
        health.hold(Dependency::Cache, Some("pause cache by ana: a test".to_owned()));
        assert!(!health.is_up(Dependency::Cache));
        let (ready, report) = health.report();
        assert!(ready);
        assert_eq!(report["dependencies"]["cache"]["held"], "pause cache by ana: a test");
        let meters = Meters::register().unwrap();
        health.show(&meters);
        assert!(meters.render().contains("join_community_dependency_held{dependency=\"cache\"} 1"));
        health.hold(Dependency::Cache, None);
        assert!(health.is_up(Dependency::Cache));
    }

    #[test]
    fn metrics_tell_which_dependency_is_out_and_how_often_it_was() {
        let (health, meters) = (Health::default(), Meters::register().unwrap());
        let told = |line: &str| {
            health.show(&meters);
            let text = meters.render();
            assert!(text.lines().any(|told| told == line), "{line} is not in\n{text}");
        };
        health.down(Dependency::Cache, "not there yet: no outage of something that served");
        told("join_community_dependency_outages_total{dependency=\"cache\"} 0");
        for dependency in Dependency::ALL {
            health.up(dependency);
        }
        told("join_community_dependency_up{dependency=\"cache\"} 1");
        told("join_community_ready 1");
        for reason in ["gone", "still gone"] {
            health.down(Dependency::Database, reason);
        }
        told("join_community_dependency_up{dependency=\"database\"} 0");
        told("join_community_dependency_outages_total{dependency=\"database\"} 1");
        told("join_community_ready 0");
    }
}
