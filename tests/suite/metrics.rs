//! What `/metrics` says of work that is known.

use std::time::Duration;

use join_community::domain::{Control, SiteId};
use join_community::operations::Dependency;
use join_community::postgres::Terms;
use opentelemetry_proto::tonic::metrics::v1::NumberDataPoint;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;
use uuid::Uuid;

use crate::support::{Collector, Installation, JOINABLE, MemberSpec, Message, Metric, PATIENCE, Worker, eventually};

/// The value of one series, named as Prometheus writes it.
async fn scraped(worker: &Worker, series: &str) -> f64 {
    let operations = worker.operations().expect("the operations server listens");
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let answer = client.get(format!("http://{operations}/metrics")).send().await.expect("it answers");
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = answer.text().await.unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("{series} is not in\n{text}")).parse().unwrap()
}

async fn until_scraped(worker: &Worker, series: &str, expected: f64) {
    eventually(series, PATIENCE, async || match scraped(worker, series).await {
        value if (value - expected).abs() < f64::EPSILON => Ok(()),
        value => Err(value),
    })
    .await;
}

#[tokio::test]
async fn every_join_is_seen_on_its_whole_way() {
    let installation = Installation::with(|config| config.http.listen = "127.0.0.1:0".to_owned()).await;
    let worker = installation.start().await;
    let (mut producer, mut events) = (installation.producer().await, installation.events().await);
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    let blocked = installation.member(site, MemberSpec { status: "BLOCKED", ..JOINABLE }).await;
    let request = Message::join(site, member);
    for (message, status) in [(&request, 200), (&request, 200), (&Message::join(site, blocked), 428)] {
        assert_eq!(producer.ask(message).await.status, status);
    }
    assert_eq!(producer.ask(&Message::join(site, member).anonymous()).await.status, 401);
    assert_eq!(producer.ask(&Message::bytes("no request")).await.status, 400);
    events.until(member).await;

    let joined = r#"join_community_requests_total{verdict="joined",code="",reason=""}"#;
    let rejected = concat!(
        r#"join_community_requests_total{verdict="rejected","#,
        r#"code="COMMUNITY_JOIN_IMPOSSIBLE",reason="BLOCKED"}"#
    );
    for (series, expected) in [
        (joined, 2.0),
        (rejected, 1.0),
        ("join_community_requests_repeated_total", 1.0),
        (r#"join_community_refused_total{reason="NO_PROOF"}"#, 1.0),
        (r#"join_community_refused_total{reason="TOKEN_KEY_UNKNOWN"}"#, 0.0),
        (r#"join_community_dead_letters_total{reason="malformed"}"#, 1.0),
        (r#"join_community_confirm_seconds_count{of="copy"}"#, 1.0),
        ("join_community_batch_requests_count", 3.0),
        (r#"join_community_step_seconds_count{step="load"}"#, 3.0),
        (r#"join_community_step_seconds_count{step="commit"}"#, 3.0),
        (r#"join_community_step_seconds_count{step="answer"}"#, 3.0),
        ("join_community_in_flight_requests", 0.0),
        ("join_community_lanes", 2.0),
        ("join_community_lanes_wanted", 2.0),
        ("join_community_ready", 1.0),
        (r#"join_community_connections_opened_total{connection="broker_consuming"}"#, 1.0),
        (r#"join_community_dependency_up{dependency="database"}"#, 1.0),
        // Producers may write any time into their messages: nothing is made of it.
        ("join_community_queue_wait_seconds_count", 0.0),
    ] {
        until_scraped(&worker, series, expected).await;
    }
    // What takes long is announced again.
    for (series, least) in [
        ("join_community_events_total", 1.0),
        ("join_community_join_to_event_seconds_count", 1.0),
        (r#"join_community_confirm_seconds_count{of="event"}"#, 1.0),
        ("join_community_cache_writes_total", 2.0),
        ("join_community_cache_write_seconds_count", 1.0),
    ] {
        let seen = scraped(&worker, series).await;
        assert!(seen >= least, "{series} is {seen}");
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_collector_is_told_what_a_scrape_shows_and_once_more_when_the_worker_stops() {
    let mut collector = Collector::start().await;
    let installation = Installation::with(|config| {
        config.otlp.endpoint = collector.url();
        config.otlp.authorization = "Bearer of-news".to_owned().into();
        // One at the start, one at the end.
        config.otlp.metrics_interval = Duration::from_hours(1);
    })
    .await;
    let worker = installation.start().await;
    let (mut producer, site) = (installation.producer().await, Uuid::new_v4());
    let (metrics, authorization) = collector.next_push().await;
    assert_eq!((joins(&metrics), authorization.as_str()), (0, "Bearer of-news"));
    for member in installation.members(site, JOINABLE, 2).await {
        assert_eq!(producer.ask(&Message::join(site, member)).await.status, 200);
    }
    worker.stop().await;
    let (metrics, _) = collector.next_push().await;
    assert_eq!(joins(&metrics), 2);
}

#[tokio::test]
async fn a_collector_tells_two_workers_apart_and_names_them_as_their_environment_says() {
    let mut collector = Collector::start().await;
    let installation = Installation::new().await;
    let endpoint = collector.url();
    let environment = [
        ("JOIN_COMMUNITY__HTTP__LISTEN", ""),
        ("JOIN_COMMUNITY__OTLP__ENDPOINT", endpoint.as_str()),
        // One push of each, at its start.
        ("JOIN_COMMUNITY__OTLP__METRICS_INTERVAL", "1h"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=trial,service.name=overridden"),
    ];
    let mut instances = Vec::new();
    for (more, name) in [(None, "overridden"), (Some(("OTEL_SERVICE_NAME", "joins")), "joins")] {
        let environment: Vec<_> = environment.into_iter().chain(more).collect();
        let worker = installation.program_with(&["run"], &environment);
        collector.next_push().await;
        let teller = collector.teller();
        assert_eq!((teller["service.name"].as_str(), &*teller["deployment.environment.name"]), (name, "trial"));
        assert_eq!(teller["service.version"], env!("CARGO_PKG_VERSION"));
        instances.push(teller["service.instance.id"].parse::<Uuid>().unwrap());
        worker.kill().await;
    }
    assert_ne!(instances[0], instances[1]);
}

/// Of all requests, those that joined.
fn joins(metrics: &[Metric]) -> u64 {
    let requests = metrics.iter().find(|metric| metric.name == "join_community_requests_total").unwrap();
    let Some(Data::Sum(sum)) = &requests.data else { panic!("{requests:?} is no sum") };
    let of_joins = |point: &&NumberDataPoint| format!("{:?}", point.attributes).contains("\"joined\"");
    match sum.data_points.iter().find(of_joins).and_then(|point| point.value) {
        Some(Value::AsDouble(count)) => format!("{count}").parse().unwrap(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_is_owed_is_seen_while_it_is_owed() {
    let mut installation = Installation::with(|config| config.http.listen = "127.0.0.1:0".to_owned()).await;
    // Nobody answers there.
    installation.config.cache.url = "redis://127.0.0.1:1/".to_owned().into();
    let worker = Worker::launch(installation.config.clone()).await;
    worker.until_ready().await;
    worker.until_misses(Dependency::Cache).await;
    let (mut producer, site) = (installation.producer().await, Uuid::new_v4());
    let member = installation.member(site, JOINABLE).await;
    assert_eq!(producer.ask(&Message::join(site, member)).await.status, 200);
    until_scraped(&worker, "join_community_cache_misses_total", 1.0).await;
    until_scraped(&worker, "join_community_outbox_rows", 1.0).await;
    assert!(scraped(&worker, "join_community_outbox_oldest_seconds").await > 0.0);
    assert!(scraped(&worker, r#"join_community_dependency_up{dependency="cache"}"#).await < 1.0);
    worker.stop().await;
}

#[tokio::test]
async fn what_lies_in_queues_is_seen() {
    let installation = Installation::new().await;
    let (producer, site) = (installation.producer().await, Uuid::new_v4());
    installation.set(Control::HoldSite(SiteId(site)), Terms::default()).await;
    let worker = installation.start().await;
    let malformed = Message::bytes("no request");
    producer.send_all(&[malformed.clone(), malformed.clone()]).await;
    installation.dead_letters(2).await;
    let discard = ["dead-letters", "discard", "--reason", "malformed", "--yes-discard", "2", "--why", "a test"];
    let operator = ("JOIN_COMMUNITY__BROKER__OPERATOR_URL", installation.vhost().operator_url.as_str());
    let discarded = installation.program_with(&discard, &[operator]).end().await;
    assert_eq!(discarded.code, Some(0), "{discarded:?}");
    producer.send_all(&[malformed, Message::join(site, Uuid::new_v4())]).await;
    let queue = |queue: &str| format!("join_community_queue_messages{{queue=\"{queue}\"}}");
    for (name, count) in [("dead_letters", 1), ("discarded", 2), ("retry_30s", 1)] {
        until_counted(&worker, &queue(name), count).await;
    }
    installation.set(Control::PauseIntake, Terms::default()).await;
    installation.until_nobody_consumes().await;
    installation.crowd_at_the_door(&producer, 3).await;
    worker.until_counts(&queue("requests"), 3).await;
    worker.stop().await;
}

async fn until_counted(worker: &Worker, series: &str, expected: u64) {
    eventually(series, PATIENCE, async || match worker.counted(series) {
        counted if counted == expected => Ok(()),
        counted => Err(counted),
    })
    .await;
}
