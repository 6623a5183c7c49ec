//! Who tells a collector something: the same for spans and metrics. Apart, because both have to say it alike, or nobody
//! finds the traces of the worker whose metrics are odd.

use std::sync::LazyLock;

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use uuid::Uuid;

/// Without it the metrics of two workers would be one series.
static INSTANCE: LazyLock<Uuid> = LazyLock::new(Uuid::new_v4);

/// This process. What the environment says counts more, as everywhere: `OTEL_SERVICE_NAME`, then
/// `OTEL_RESOURCE_ATTRIBUTES`.
pub(super) fn resource() -> Resource {
    let resource = Resource::builder_empty()
        .with_service_name("join-community")
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("service.instance.id", INSTANCE.to_string()))
        .with_detectors(&[Box::new(TelemetryResourceDetector), Box::new(EnvResourceDetector::new())]);
    match std::env::var("OTEL_SERVICE_NAME").ok().filter(|name| !name.is_empty()) {
        Some(name) => resource.with_service_name(name).build(),
        None => resource.build(),
    }
}
