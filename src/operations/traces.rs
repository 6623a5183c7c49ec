//! Traces by OpenTelemetry, where a collector is configured; elsewhere they cost a look at an `Option`.
//!
//! Spans are made when the work is done, from the times that were kept anyway, and only for requests whose producer samples
//! them: the flow of a request knows nothing of traces. No global is set, as with metrics
//! (`docs/decisions/0013-spans-after-the-work.md`).

mod exporter;
mod place;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{
    Link, Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _, TraceFlags, TraceId,
    TraceState, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider};
use tokio::time::Instant;

use self::exporter::Told;
pub use self::exporter::Unusable;
pub use self::place::Destination;
use self::place::Place;
use super::meters::{Laps, Meters};
use super::resource::resource;
use crate::domain::Method;

/// Spans that may wait for the collector; what is made beyond is lost, and counted.
const MOST_WAITING: usize = 4096;
/// Spans sent at once.
const MOST_AT_ONCE: usize = 512;
/// How long a span waits for others.
const PATIENCE: Duration = Duration::from_secs(1);
/// One for each request of the largest batch.
const MOST_LINKS: u32 = 1000;

/// Where spans and metrics go, and what messages come from and go to.
#[derive(Clone, Copy)]
pub struct Collector<'a> {
    /// Base URL of OTLP over HTTP.
    pub endpoint: &'a str,
    /// What it is told as header `authorization`; empty = nothing.
    pub authorization: &'a str,
    /// Limit of one export.
    pub timeout: Duration,
    /// Where requests to join come from.
    pub joins: Destination<'a>,
    /// Where requests to leave come from.
    pub leaves: Destination<'a>,
    /// Where events go.
    pub events: Destination<'a>,
}

/// Makes spans. Cheap to share.
#[derive(Clone, Default)]
pub struct Traces(Option<Arc<Tracing>>);

struct Tracing {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    waiting: Arc<AtomicUsize>,
    meters: Meters,
    batches: Place,
    joins: Place,
    leaves: Place,
    events: Place,
}

/// A request that is answered.
#[derive(Clone, Copy, Debug)]
pub struct Answered<'a> {
    /// The trace context that it came with.
    pub traceparent: &'a str,
    /// Its id.
    pub message_id: &'a str,
    /// What it asked for.
    pub method: Method,
    /// What it came to, in one word.
    pub outcome: &'static str,
    /// The code of a rejection.
    pub code: Option<&'static str>,
}

/// An event that was sent.
#[derive(Clone, Debug)]
pub struct Sent<'a> {
    /// The trace context of the request that caused it.
    pub traceparent: &'a str,
    /// Its id.
    pub message_id: String,
    /// Whether it is proven to have arrived.
    pub confirmed: bool,
}

impl Traces {
    /// Sends spans to a collector. Connects to nothing yet: one that is out delays nothing.
    ///
    /// # Errors
    /// If no client can be built for it.
    pub fn to(collector: Collector<'_>, meters: &Meters) -> Result<Self, Unusable> {
        let waiting = Arc::new(AtomicUsize::new(0));
        let exporter = Told::new(collector, Arc::clone(&waiting), meters.clone())?;
        let bounds = BatchConfigBuilder::default()
            .with_max_queue_size(MOST_WAITING)
            .with_max_export_batch_size(MOST_AT_ONCE)
            .with_scheduled_delay(PATIENCE)
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(bounds).build())
            .with_max_links_per_span(MOST_LINKS)
            .with_resource(resource())
            .build();
        let tracer = provider.tracer("join-community");
        let Collector { joins, leaves, events, .. } = collector;
        Ok(Self(Some(Arc::new(Tracing {
            provider,
            tracer,
            waiting,
            meters: meters.clone(),
            // Of one queue, whatever key led there.
            batches: Place::new("process", "process", Destination { routing_key: "", ..joins }),
            joins: Place::new("join", "process", joins),
            leaves: Place::new("leave", "process", leaves),
            events: Place::new("send", "send", events),
        }))))
    }

    /// Whether anything is made of what is told.
    #[must_use]
    pub const fn are_on(&self) -> bool {
        self.0.is_some()
    }

    /// Tells of a batch: one span for itself with its steps, and one in the trace of each request that is sampled. They
    /// know each other by links. Nothing, if no request is sampled.
    pub fn batch<'a>(&self, requests: usize, laps: &Laps, answered: impl Iterator<Item = Answered<'a>>) {
        let Some(tracing) = &self.0 else { return };
        let sampled: Vec<(SpanContext, Answered<'a>)> =
            answered.filter_map(|request| Some((sampled(request.traceparent)?, request))).collect();
        if !sampled.is_empty() && tracing.has_room(1 + laps.iter().count() + sampled.len()) {
            tracing.batch(requests, laps, &sampled);
        }
    }

    /// Tells of events that were sent together since `began`: one span in the trace of each that is sampled.
    pub fn events<'a>(&self, began: Instant, sent: impl Iterator<Item = Sent<'a>>) {
        let Some(tracing) = &self.0 else { return };
        for sent in sent {
            if let Some(parent) = sampled(sent.traceparent).filter(|_| tracing.has_room(1)) {
                tracing.event(time_of(began), parent, sent);
            }
        }
    }

    /// Sends what waits, within the limit, and then nothing more. Blocks.
    pub fn close(&self, limit: Duration) {
        if let Some(tracing) = &self.0
            && let Err(error) = tracing.provider.shutdown_with_timeout(limit)
        {
            tracing::debug!(%error, "spans that waited are lost");
        }
    }
}

impl Tracing {
    /// Whether so many more may wait. The exporter gives their places back.
    fn has_room(&self, spans: usize) -> bool {
        let has_room = self.waiting.fetch_add(spans, Ordering::Relaxed) + spans <= MOST_WAITING;
        if !has_room {
            self.waiting.fetch_sub(spans, Ordering::Relaxed);
            self.meters.spans.of("lost").increment(spans as u64);
        }
        has_room
    }

    fn batch(&self, requests: usize, laps: &Laps, sampled: &[(SpanContext, Answered<'_>)]) {
        let (began, ended) = (time_of(laps.began()), time_of(laps.began() + laps.total()));
        let mut attributes = self.batches.attributes();
        attributes.push(KeyValue::new("messaging.batch.message_count", count(requests)));
        let span = SpanBuilder::from_name(self.batches.span.clone())
            .with_kind(SpanKind::Consumer)
            .with_start_time(began)
            .with_attributes(attributes)
            .with_links(sampled.iter().map(|(context, _)| Link::with_context(context.clone())).collect());
        let mut span = self.tracer.build_with_context(span, &Context::new());
        let batch = span.span_context().clone();
        let within = Context::new().with_remote_span_context(batch.clone());
        for lap in laps.iter() {
            let step = SpanBuilder::from_name(lap.step.as_str())
                .with_kind(SpanKind::Internal)
                .with_start_time(time_of(lap.began));
            self.tracer.build_with_context(step, &within).end_with_timestamp(time_of(lap.ended));
        }
        for (parent, request) in sampled {
            let asked = match request.method {
                Method::Join => &self.joins,
                Method::Leave => &self.leaves,
            };
            let mut attributes = asked.attributes();
            attributes.push(KeyValue::new("messaging.message.id", request.message_id.to_owned()));
            attributes.push(KeyValue::new("join_community.outcome", request.outcome));
            attributes.extend(request.code.map(|code| KeyValue::new("join_community.code", code)));
            let span = SpanBuilder::from_name(asked.span.clone())
                .with_kind(SpanKind::Consumer)
                .with_start_time(began)
                .with_attributes(attributes)
                .with_links(vec![Link::with_context(batch.clone())]);
            let parent = Context::new().with_remote_span_context(parent.clone());
            self.tracer.build_with_context(span, &parent).end_with_timestamp(ended);
        }
        span.end_with_timestamp(ended);
    }

    fn event(&self, began: SystemTime, parent: SpanContext, sent: Sent<'_>) {
        let mut attributes = self.events.attributes();
        attributes.push(KeyValue::new("messaging.message.id", sent.message_id));
        let span = SpanBuilder::from_name(self.events.span.clone())
            .with_kind(SpanKind::Producer)
            .with_start_time(began)
            .with_attributes(attributes);
        let mut span = self.tracer.build_with_context(span, &Context::new().with_remote_span_context(parent));
        if !sent.confirmed {
            span.set_status(Status::error("not confirmed; it stays owed and is sent again"));
        }
        span.end();
    }
}

/// The context of a `traceparent` that is valid already, if whoever began the trace wants it recorded.
fn sampled(traceparent: &str) -> Option<SpanContext> {
    let mut parts = traceparent.split('-').skip(1);
    let trace = TraceId::from_hex(parts.next()?).ok()?;
    let span = SpanId::from_hex(parts.next()?).ok()?;
    let flags = TraceFlags::new(u8::from_str_radix(parts.next()?, 16).ok()?);
    flags.is_sampled().then(|| SpanContext::new(trace, span, TraceFlags::SAMPLED, true, TraceState::default()))
}

/// The time of day that an instant of the recent past was at.
fn time_of(instant: Instant) -> SystemTime {
    SystemTime::now() - instant.elapsed()
}

fn count(many: usize) -> i64 {
    i64::try_from(many).unwrap_or(i64::MAX)
}
