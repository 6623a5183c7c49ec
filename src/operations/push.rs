//! Metrics by OTLP: what `/metrics` shows, sent to a collector now and then. Nothing is recorded twice for it, nothing waits
//! for it, and nothing is lost with a push that fails: values are cumulative, and the next one tells them all.

mod otlp;

use std::time::{Duration, SystemTime};

use prost::Message as _;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, redirect};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::traces::{Collector, Unusable};
use super::{Health, Meters};

/// Sends metrics to a collector.
pub struct Push {
    client: Client,
    url: String,
    health: Health,
    meters: Meters,
    began: SystemTime,
    is_out: bool,
}

impl Push {
    /// Prepares the way to a collector. Connects to nothing yet.
    ///
    /// # Errors
    /// If no client can be built for it.
    pub fn to(collector: Collector<'_>, health: Health, meters: Meters) -> Result<Self, Unusable> {
        let (client, url) = (client(collector)?, place(collector, "metrics"));
        Ok(Self { client, url, health, meters, began: SystemTime::now(), is_out: false })
    }

    /// Sends until `stop`, and once more then.
    pub async fn run(mut self, interval: Duration, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            self.push().await;
        }
        self.push().await;
    }

    async fn push(&mut self) {
        self.health.show(&self.meters);
        let body = otlp::request(&self.meters.render(), self.began, SystemTime::now()).encode_to_vec();
        let sent = self.client.post(&self.url).body(body).send().await.and_then(reqwest::Response::error_for_status);
        let was_out = std::mem::replace(&mut self.is_out, sent.is_err());
        match sent {
            Err(error) if !was_out => {
                let error = crate::telemetry::chain(&error.without_url());
                warn!(error, "the collector takes no metrics; the next that it takes tell everything");
            }
            Ok(_) if was_out => info!("the collector takes metrics again"),
            Ok(_) | Err(_) => {}
        }
    }
}

/// Asks a collector whether it takes what is sent, by sending it nothing.
///
/// # Errors
/// If it does not, or does not answer.
pub async fn preflight(collector: Collector<'_>) -> Result<(), PreflightError> {
    let client = client(collector)?;
    for signal in ["traces", "metrics"] {
        let asked = client.post(place(collector, signal)).send().await;
        asked.and_then(reqwest::Response::error_for_status).map_err(|error| PreflightError::Refused(signal, error))?;
    }
    Ok(())
}

/// Why a collector takes nothing.
#[derive(Debug, thiserror::Error)]
pub enum PreflightError {
    /// It cannot be asked.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// It refuses, or does not answer.
    #[error("the collector takes no {0}")]
    Refused(&'static str, #[source] reqwest::Error),
}

fn client(collector: Collector<'_>) -> Result<Client, Unusable> {
    Client::builder()
        .timeout(collector.timeout)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .default_headers(headers(collector.authorization)?)
        .build()
        .map_err(Unusable::Client)
}

/// Where a collector takes a signal.
pub(super) fn place(collector: Collector<'_>, signal: &str) -> String {
    format!("{}/v1/{signal}", collector.endpoint.trim_end_matches('/'))
}

/// What a collector is told with every request.
pub(super) fn headers(authorization: &str) -> Result<HeaderMap, Unusable> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    if !authorization.is_empty() {
        let mut value = HeaderValue::from_str(authorization).map_err(|_| Unusable::Authorization)?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}
