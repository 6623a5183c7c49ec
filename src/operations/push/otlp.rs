//! The text of `/metrics` in the words of OTLP. Apart from sending it, because it is arithmetic.
//!
//! Reading back what we wrote is cheaper than a second registry beside the first, which every record would pay for.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;

use crate::operations::resource::resource;

/// A line of the text: what follows the name of its metric, labels, value.
struct Line<'a> {
    suffix: &'a str,
    labels: Vec<(&'a str, &'a str)>,
    value: f64,
}

/// Everything that the text says, counted from `began` to `now`.
pub(super) fn request(text: &str, began: SystemTime, now: SystemTime) -> ExportMetricsServiceRequest {
    let times = [began, now].map(|time| {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    });
    // Between two metrics there is an empty line.
    let metrics = text.split("\n\n").filter_map(|block| metric(block, times)).collect();
    let attributes = ResourceAttributesWithSchema::from(&resource()).attributes.0;
    let scope = InstrumentationScope { name: "join-community".to_owned(), ..InstrumentationScope::default() };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(Resource { attributes, ..Resource::default() }),
            scope_metrics: vec![ScopeMetrics { scope: Some(scope), metrics, schema_url: String::new() }],
            schema_url: String::new(),
        }],
    }
}

fn metric(block: &str, times: [u64; 2]) -> Option<Metric> {
    let said = |word: &str| block.lines().find_map(|line| line.strip_prefix(word)?.split_once(' '));
    let (name, kind) = said("# TYPE ")?;
    let description = said("# HELP ").map(|(_, help)| help.to_owned()).unwrap_or_default();
    let lines: Vec<Line<'_>> = block.lines().filter_map(|line| read(line.strip_prefix(name)?)).collect();
    let points = || lines.iter().map(|line| number(line, times)).collect();
    let cumulative = AggregationTemporality::Cumulative.into();
    let data = match kind {
        "counter" => Data::Sum(Sum { data_points: points(), aggregation_temporality: cumulative, is_monotonic: true }),
        "gauge" => Data::Gauge(Gauge { data_points: points() }),
        "histogram" => {
            Data::Histogram(Histogram { data_points: histogram(&lines, times), aggregation_temporality: cumulative })
        }
        _ => return None,
    };
    let unit = if name.ends_with("_seconds") { "s" } else { "" };
    Some(Metric { name: name.to_owned(), description, unit: unit.to_owned(), data: Some(data), ..Metric::default() })
}

/// No label of ours holds a quotation mark, a comma or a brace.
fn read(rest: &str) -> Option<Line<'_>> {
    let (series, value) = rest.rsplit_once(' ')?;
    let (suffix, labels) = series.split_once('{').unwrap_or((series, ""));
    let labels = labels.trim_end_matches('}').split(',').filter_map(|label| {
        let (name, value) = label.split_once('=')?;
        Some((name, value.trim_matches('"')))
    });
    Some(Line { suffix, labels: labels.collect(), value: value.parse().ok()? })
}

fn number(line: &Line<'_>, [began, now]: [u64; 2]) -> NumberDataPoint {
    NumberDataPoint {
        attributes: pairs(&line.labels),
        start_time_unix_nano: began,
        time_unix_nano: now,
        value: Some(Number::AsDouble(line.value)),
        ..NumberDataPoint::default()
    }
}

/// Prometheus counts in each bucket what is in the ones below as well, OTLP does not.
fn histogram(lines: &[Line<'_>], [began, now]: [u64; 2]) -> Vec<HistogramDataPoint> {
    let mut points: Vec<HistogramDataPoint> = Vec::new();
    let mut below = 0;
    let mut open: Option<HistogramDataPoint> = None;
    for line in lines {
        let point = open.get_or_insert_with(|| HistogramDataPoint {
            attributes: pairs(&line.labels.iter().copied().filter(|(name, _)| *name != "le").collect::<Vec<_>>()),
            start_time_unix_nano: began,
            time_unix_nano: now,
            ..HistogramDataPoint::default()
        });
        match line.suffix {
            "_bucket" => {
                let so_far = whole(line.value);
                point.bucket_counts.push(so_far - below);
                below = so_far;
                let bound = line.labels.iter().find(|(name, _)| *name == "le").and_then(|(_, le)| le.parse().ok());
                point.explicit_bounds.extend(bound.filter(|bound: &f64| bound.is_finite()));
            }
            "_sum" => point.sum = Some(line.value),
            // The last line of a series.
            "_count" => {
                point.count = whole(line.value);
                below = 0;
                points.extend(open.take());
            }
            _ => {}
        }
    }
    points
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count is whole and not negative")]
fn whole(count: f64) -> u64 {
    count as u64
}

fn pairs(labels: &[(&str, &str)]) -> Vec<KeyValue> {
    let pair = |(key, value): &(&str, &str)| {
        let value = AnyValue { value: Some(Value::StringValue((*value).to_owned())) };
        KeyValue { key: (*key).to_owned(), value: Some(value), ..KeyValue::default() }
    };
    labels.iter().map(pair).collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use opentelemetry_proto::tonic::metrics::v1::Metric;
    use opentelemetry_proto::tonic::metrics::v1::metric::Data;
    use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;

    use super::{pairs, request};
    use crate::domain::Verdict;
    use crate::operations::{Meters, Step};

    fn metrics(meters: &Meters) -> Vec<Metric> {
        let mut request = request(&meters.render(), UNIX_EPOCH, UNIX_EPOCH + Duration::from_secs(7));
        request.resource_metrics.remove(0).scope_metrics.remove(0).metrics
    }

    #[test]
    fn everything_that_the_text_shows_is_told_with_its_meaning() {
        let meters = Meters::register().unwrap();
        let told = metrics(&meters);
        let shown = meters.render().lines().filter(|line| line.starts_with("# TYPE ")).count();
        assert!(told.len() == shown && shown > 30, "{} of {shown}", told.len());
        assert!(told.iter().all(|metric| !metric.description.is_empty()));
    }

    #[test]
    fn values_are_the_same_in_both_languages() {
        let meters = Meters::register().unwrap();
        meters.verdicts([Verdict::Joined, Verdict::Joined]);
        meters.clock_apart.set(1.5);
        for seconds in [0.0007, 0.0007, 0.3, 77.0] {
            meters.step(Step::Commit).record(seconds);
        }
        let told = metrics(&meters);
        let data = |name: &str| told.iter().find(|metric| metric.name == name).unwrap().data.clone().unwrap();

        let Data::Sum(sum) = data("join_community_requests_total") else { panic!("no sum") };
        let joined = pairs(&[("verdict", "joined"), ("code", ""), ("reason", "")]);
        let point = sum.data_points.iter().find(|point| point.attributes == joined).unwrap();
        assert_eq!(
            (sum.is_monotonic, sum.aggregation_temporality, &point.value),
            (true, 2, &Some(Number::AsDouble(2.0)))
        );
        assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (0, 7_000_000_000));
        let Data::Gauge(gauge) = data("join_community_clock_apart_seconds") else { panic!("no gauge") };
        assert_eq!(gauge.data_points[0].value, Some(Number::AsDouble(1.5)));

        let Data::Histogram(histogram) = data("join_community_step_seconds") else { panic!("no histogram") };
        assert_eq!(histogram.data_points.len(), Step::WORDS.len());
        let commit = pairs(&[("step", "commit")]);
        let point = histogram.data_points.iter().find(|point| point.attributes == commit).unwrap();
        assert_eq!((point.count, point.bucket_counts.iter().sum::<u64>()), (4, 4));
        assert!((point.sum.unwrap() - 77.3014).abs() < 1e-9, "{point:?}");
        assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
        assert_eq!((point.bucket_counts[1], point.bucket_counts[9], point.bucket_counts.last()), (2, 1, Some(&1)));
    }
}
