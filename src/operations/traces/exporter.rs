//! The way to the collector: OTLP over HTTP, told of and counted. What it does not take is lost: spans are worth no memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use opentelemetry_otlp::{
    ExporterBuildError, RetryPolicy, SpanExporter as Otlp, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tracing::{info, warn};

use super::{Collector, Meters};
use crate::operations::push::{headers, place};

/// No client can be built for the collector.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// For HTTP: without certificate authorities on this machine, for example.
    #[error("otlp.endpoint: no HTTP client can be built")]
    Client(#[source] reqwest::Error),
    /// No header can hold what shall stand in it.
    #[error("otlp.authorization cannot be the value of a header")]
    Authorization,
    /// For OTLP.
    #[error("otlp.endpoint cannot be used")]
    Exporter(#[from] ExporterBuildError),
    /// A thread is needed for it.
    #[error("otlp.endpoint: no thread can be started")]
    Thread(#[source] std::io::Error),
}

/// An exporter that counts what becomes of spans, and tells once of a collector that is out.
#[derive(Debug)]
pub(super) struct Told {
    otlp: Otlp,
    waiting: Arc<AtomicUsize>,
    counts: Counts,
    is_out: AtomicBool,
}

struct Counts(Meters);

impl std::fmt::Debug for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Counts")
    }
}

impl Told {
    pub(super) fn new(collector: Collector<'_>, waiting: Arc<AtomicUsize>, meters: Meters) -> Result<Self, Unusable> {
        let otlp = Otlp::builder()
            .with_http()
            .with_http_client(client(collector)?)
            // Whoever waits for a second try holds up all other spans.
            .with_retry_policy(RetryPolicy::disabled())
            .with_timeout(collector.timeout)
            .with_endpoint(place(collector, "traces"))
            .build()?;
        Ok(Self { otlp, waiting, counts: Counts(meters), is_out: AtomicBool::new(false) })
    }
}

impl SpanExporter for Told {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let exported = self.otlp.export(batch).await;
        self.waiting.fetch_sub(spans, Ordering::Relaxed);
        let outcome = if exported.is_ok() { "sent" } else { "lost" };
        self.counts.0.spans.of(outcome).increment(spans as u64);
        match (&exported, self.is_out.swap(exported.is_err(), Ordering::Relaxed)) {
            (Err(error), false) => warn!(%error, "the collector takes no traces; they are lost until it does"),
            (Ok(()), true) => info!("the collector takes traces again"),
            (Ok(()), false) | (Err(_), true) => {}
        }
        exported
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.otlp.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.otlp.set_resource(resource);
    }
}

/// Blocking, because spans are sent from a thread of their own; and so it has to be built on one, too.
fn client(collector: Collector<'_>) -> Result<reqwest::blocking::Client, Unusable> {
    let (timeout, headers) = (collector.timeout, headers(collector.authorization)?);
    let building = thread::Builder::new().name("otlp client".to_owned()).spawn(move || {
        let client = reqwest::blocking::Client::builder().timeout(timeout).default_headers(headers);
        client.redirect(reqwest::redirect::Policy::none()).no_proxy().build()
    });
    let built = building.map_err(Unusable::Thread)?.join();
    built.unwrap_or_else(|panic| std::panic::resume_unwind(panic)).map_err(Unusable::Client)
}
