//! The numbers of now and of the last minutes, taken every few seconds from the metrics, and sent to open pages.

mod figures;
mod history;
mod overview;
mod spread;

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::{Stream, StreamExt as _, stream};
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use self::figures::Figures;
use self::history::History;
pub(super) use self::overview::{Depth, Light, Moment, Overview, Refusal, Spread, Target};
use super::controls::SetControl;
use super::failure::problem;
use super::pages;
use super::parts::Console;
use crate::config::Broker;
use crate::operations::{Dependency, Health};
use crate::rabbitmq::address::Address;
use crate::rabbitmq::management::Management;
use crate::rabbitmq::topology::Names;
use crate::telemetry::chain;
use crate::wire::instant;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(5);
/// The management API is asked only while somebody looks, or did so lately.
const LATELY: Duration = Duration::from_mins(1);
/// A page that stays open connects anew after this, and proves itself again.
const STREAM_LASTS: Duration = Duration::from_mins(15);

/// Where the numbers of now are had from.
pub(super) struct Live {
    newest: watch::Sender<Arc<Overview>>,
    asked: Mutex<Option<Instant>>,
    management: Option<Management>,
    /// The queues that requests lie in.
    requests: Vec<String>,
}

impl Live {
    pub(super) fn new(broker: &Broker) -> Self {
        let vhost = Address::parse(&broker.url).map(|address| address.vhost().to_owned()).unwrap_or_default();
        let management = Management::new(&broker.management_url, &vhost, EVERY).unwrap_or_else(|error| {
            debug!(error = chain(&error), "the console does without the management API");
            None
        });
        let newest = watch::Sender::new(Arc::new(Overview::default()));
        let names = Names::of(broker);
        let shards = (1..=names.shards()).map(|number| names.shard(number));
        let requests = std::iter::once(names.requests()).chain(shards).collect();
        Self { newest, asked: Mutex::default(), management, requests }
    }

    /// The newest numbers.
    pub(super) fn now(&self) -> Arc<Overview> {
        self.looked();
        Arc::clone(&self.newest.borrow())
    }

    fn looked(&self) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    async fn unacknowledged(&self) -> Option<u64> {
        let asked = *self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.filter(|asked| asked.elapsed() < LATELY)?;
        let management = self.management.as_ref()?;
        let mut sum = 0;
        for queue in &self.requests {
            let facts = management.queue(queue).await;
            let facts =
                facts.inspect_err(|error| debug!(error = chain(error), "unacknowledged messages are not known"));
            sum += facts.ok()??.messages_unacknowledged?;
        }
        Some(sum)
    }
}

/// Takes the numbers again and again, until `stop`.
pub(super) async fn sample(console: Arc<Console>, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut history = History::default();
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        console.health.show(&console.meters);
        history.add(Instant::now(), Figures::take_from(&console.meters));
        let unacknowledged = console.live.unacknowledged().await;
        let overview = Overview { dependencies: lights(&console.health), ..history.overview(unacknowledged) };
        let (ready, report) = console.health.report();
        let draining = report["draining"] == true;
        let at = instant::text(OffsetDateTime::now_utc());
        let controls = console.controls.last_read().into_iter().flatten().map(SetControl::from).collect();
        let version = env!("CARGO_PKG_VERSION");
        let issuer = issuer(&console, &at);
        let overview = Overview { at, version, ready, draining, issuer, controls, ..overview };
        console.live.newest.send_replace(Arc::new(overview));
    }
}

/// The issuer of operators. No request waits for it, so nobody else keeps since when it is as it is.
fn issuer(console: &Console, now: &str) -> Option<Light> {
    let (name, reason) = console.access.issuer()?;
    let up = reason.is_none();
    let before = console.live.newest.borrow().issuer.clone().filter(|before| before.up == up);
    let since = before.map_or_else(|| now.to_owned(), |before| before.since);
    Some(Light { name: format!("issuer {name}"), up, reason, since })
}

fn lights(health: &Health) -> Vec<Light> {
    let (_, report) = health.report();
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let light = |dependency: Dependency| {
        let state = &report["dependencies"][dependency.as_str()];
        Light {
            name: dependency.as_str().to_owned(),
            up: state["up"] == true,
            reason: text(&state["reason"]),
            since: text(&state["since"]).unwrap_or_default(),
        }
    };
    Dependency::ALL.into_iter().map(light).collect()
}

/// The part of the overview that changes, as HTML, whenever it does.
pub(super) async fn stream(
    State(console): State<Arc<Console>>,
    Extension(stop): Extension<CancellationToken>,
) -> Response {
    let Ok(place) = Arc::clone(&console.streams).try_acquire_owned() else {
        return problem(StatusCode::SERVICE_UNAVAILABLE, "busy", "too many live pages are open");
    };
    let ends = async move {
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(STREAM_LASTS) => {}
        }
    };
    let events = events(console).take_until(Box::pin(ends)).map(move |event| {
        let _held = &place;
        Ok::<_, Infallible>(event)
    });
    Sse::new(events).keep_alive(KeepAlive::default()).into_response()
}

fn events(console: Arc<Console>) -> impl Stream<Item = Event> {
    let newest = console.live.newest.subscribe();
    stream::unfold((console, newest), |(console, mut newest)| async move {
        newest.changed().await.ok()?;
        let overview = Arc::clone(&newest.borrow_and_update());
        console.live.looked();
        // The protocol has no word for a carriage return.
        let html = pages::overview_now(&overview).into_string().replace('\r', " ");
        Some((Event::default().event("overview").data(html), (console, newest)))
    })
}
