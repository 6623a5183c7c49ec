//! A collector of traces: takes OTLP over HTTP and decodes what arrives. Apart, because it is a server.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::waiting::within_patience;

pub(crate) type Metric = opentelemetry_proto::tonic::metrics::v1::Metric;
pub(crate) type Span = opentelemetry_proto::tonic::trace::v1::Span;

/// A collector, and what came to it.
pub(crate) struct Collector {
    address: SocketAddr,
    came: mpsc::UnboundedReceiver<(HeaderMap, Bytes)>,
    pushed: mpsc::UnboundedReceiver<(HeaderMap, Bytes)>,
    spans: Vec<Span>,
    raw: Vec<u8>,
    teller: BTreeMap<String, String>,
}

impl Collector {
    /// Listens on a free port.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (to_traces, came) = mpsc::unbounded_channel();
        let (to_metrics, pushed) = mpsc::unbounded_channel();
        let take = |State(sender): State<mpsc::UnboundedSender<_>>, headers: HeaderMap, body: Bytes| async move {
            sender.send((headers, body)).ok();
        };
        let traces = Router::new().route("/v1/traces", post(take)).with_state(to_traces);
        let router = traces.merge(Router::new().route("/v1/metrics", post(take)).with_state(to_metrics));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, came, pushed, spans: Vec::new(), raw: Vec::new(), teller: BTreeMap::new() }
    }

    /// Its base URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until there are so many spans, of all that came.
    pub(crate) async fn until(&mut self, spans: usize) -> &[Span] {
        while self.spans.len() < spans {
            let (headers, body) = within_patience("spans come", self.came.recv()).await.expect("the collector lives");
            assert_eq!(headers["content-type"], "application/x-protobuf");
            let request = ExportTraceServiceRequest::decode(body.clone()).expect("it is OTLP");
            self.raw.extend_from_slice(&body);
            for resource in request.resource_spans {
                self.teller = texts(resource.resource);
                self.spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
            }
        }
        &self.spans
    }

    /// The next push of metrics, and what it is told as header `authorization`.
    pub(crate) async fn next_push(&mut self) -> (Vec<Metric>, String) {
        let (headers, body) = within_patience("metrics come", self.pushed.recv()).await.expect("the collector lives");
        assert_eq!(headers["content-type"], "application/x-protobuf");
        let request = ExportMetricsServiceRequest::decode(body).expect("it is OTLP");
        let authorization = headers.get("authorization").map_or("", |value| value.to_str().unwrap()).to_owned();
        let mut metrics = Vec::new();
        for resource in request.resource_metrics {
            self.teller = texts(resource.resource);
            metrics.extend(resource.scope_metrics.into_iter().flat_map(|scope| scope.metrics));
        }
        (metrics, authorization)
    }

    /// Who told what came last, spans or metrics.
    pub(crate) fn teller(&self) -> &BTreeMap<String, String> {
        &self.teller
    }

    /// Everything that came, as it came.
    pub(crate) fn raw(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }
}

/// What a resource says of itself: nothing but texts.
fn texts(resource: Option<Resource>) -> BTreeMap<String, String> {
    let text = |value: Option<Value>| match value {
        Some(Value::StringValue(text)) => text,
        other => panic!("{other:?} is no text"),
    };
    let attributes = resource.expect("a resource").attributes;
    attributes.into_iter().map(|pair| (pair.key, text(pair.value.and_then(|value| value.value)))).collect()
}

/// The attribute of a span, as text.
pub(crate) fn attribute(span: &Span, key: &str) -> Option<String> {
    let value = span.attributes.iter().find(|pair| pair.key == key)?.value.as_ref()?.value.as_ref()?;
    if let Value::IntValue(number) = value {
        return Some(number.to_string());
    }
    let Value::StringValue(text) = value else { panic!("{key} is {value:?}") };
    Some(text.clone())
}
