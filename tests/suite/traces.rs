//! Traces as a collector sees them: one request from end to end, nothing of those that nobody samples, and a worker that
//! does not care whether the collector answers.

use std::net::TcpListener;
use std::time::Duration;

use join_community::app::Stopped;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use sqlx::Connection as _;
use uuid::Uuid;

use crate::support::{Collector, Installation, JOINABLE, Message, PATIENCE, Span, attribute, eventually};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const REQUESTS: &str = "join-community:request:join-community.requests";
const BATCH: &str = "process join-community:join-community.requests";
const ASKED: &str = "00f067aa0ba902b7";

fn sampled() -> String {
    format!("00-{TRACE}-{ASKED}-01")
}

fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found: Vec<&Span> = spans.iter().filter(|span| span.name == name).collect();
    let [span] = found[..] else { panic!("{} spans named {name:?} among {spans:#?}", found.len()) };
    span
}

#[tokio::test]
async fn a_request_is_seen_from_its_producer_through_its_batch_to_its_event() {
    let mut collector = Collector::start().await;
    let installation = Installation::with(|config| config.otlp.endpoint = collector.url()).await;
    let worker = installation.start().await;
    let site = Uuid::new_v4();
    let [member, other] = installation.members(site, JOINABLE, 2).await.try_into().unwrap();
    let (mut producer, mut events) = (installation.producer().await, installation.events().await);

    // Not sampled: its producer does not want to see it, and no span tells of it.
    let unseen = Message::join(site, other).text_header("traceparent", &sampled().replace("-01", "-00"));
    assert_eq!(producer.ask(&unseen).await.status, 200);
    let request = Message::join(site, member).text_header("traceparent", &sampled());
    let answer = producer.ask(&request).await;
    assert_eq!(answer.headers["traceparent"], sampled());
    let (_, event) = events.until(member).await;
    assert_eq!(event.header("traceparent"), sampled());

    // The batch and its four steps, the request, the event.
    let spans = collector.until(7).await;
    let join = named(spans, &format!("join {REQUESTS}"));
    let batch = named(spans, BATCH);
    let send = named(spans, "send members.events:wix.members.v1.member_updated");
    for span in [join, send] {
        assert_eq!((hex(&span.trace_id), hex(&span.parent_span_id)), (TRACE.to_owned(), ASKED.to_owned()), "{span:#?}");
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{span:#?}");
    }
    assert_eq!((join.kind(), batch.kind(), send.kind()), (SpanKind::Consumer, SpanKind::Consumer, SpanKind::Producer));
    assert!(batch.parent_span_id.is_empty() && hex(&batch.trace_id) != TRACE, "{batch:#?}");
    let [to_request] = &batch.links[..] else { panic!("{batch:#?}") };
    assert_eq!((hex(&to_request.trace_id), hex(&to_request.span_id)), (TRACE.to_owned(), ASKED.to_owned()));
    let [to_batch] = &join.links[..] else { panic!("{join:#?}") };
    assert_eq!((&to_batch.trace_id, &to_batch.span_id), (&batch.trace_id, &batch.span_id));
    for step in ["load", "decide", "commit", "answer"] {
        let step = named(spans, step);
        assert_eq!((&step.trace_id, &step.parent_span_id), (&batch.trace_id, &batch.span_id), "{step:#?}");
    }
    let told = |span: &Span, key: &str| attribute(span, key).unwrap_or_default();
    assert_eq!(told(join, "messaging.system"), "rabbitmq");
    assert_eq!(told(join, "messaging.destination.name"), REQUESTS);
    assert_eq!(told(join, "messaging.operation.type"), "process");
    assert_eq!(told(join, "messaging.message.id"), request.request_id());
    assert_eq!(told(join, "join_community.outcome"), "joined");
    assert_eq!(told(batch, "messaging.batch.message_count"), "1");
    assert_eq!(
        (told(send, "messaging.operation.type"), told(send, "messaging.message.id")),
        ("send".to_owned(), event.message_id().unwrap().to_owned())
    );
    assert_eq!(worker.stop().await, Stopped::Drained);

    assert_eq!(collector.until(7).await.len(), 7, "nothing of the request that is not sampled");
    let raw = collector.raw().to_lowercase();
    assert!(!raw.contains("jane") && !raw.contains("555 0142") && !raw.contains(unseen.request_id()), "{raw}");
    let of_spans = collector.teller().clone();
    collector.next_push().await;
    assert_eq!(collector.teller(), &of_spans, "spans and metrics of a worker name it alike");
}

#[tokio::test]
async fn joining_and_leaving_are_told_apart_by_the_names_of_their_spans() {
    let mut collector = Collector::start().await;
    let installation = Installation::with(|config| config.otlp.endpoint = collector.url()).await;
    let worker = installation.start().await;
    let site = Uuid::new_v4();
    let member = installation.member(site, JOINABLE).await;
    let (mut producer, mut events) = (installation.producer().await, installation.events().await);
    for request in [Message::join(site, member), Message::leave(site, member)] {
        assert_eq!(producer.ask(&request.text_header("traceparent", &sampled())).await.status, 200);
        // Announced, so that the next change has an event of its own.
        events.until(member).await;
    }
    // Twice: a batch and its four steps, the request, the event.
    let spans = collector.until(14).await;
    let told = |name: &str, key: &str| attribute(named(spans, name), key).unwrap_or_default();
    for (operation, key, outcome) in [("join", "request", "joined"), ("leave", "leave", "left")] {
        let name = format!("{operation} join-community:{key}:join-community.requests");
        assert_eq!(told(&name, "messaging.operation.name"), operation);
        assert_eq!(told(&name, "messaging.rabbitmq.destination.routing_key"), key);
        assert_eq!(told(&name, "join_community.outcome"), outcome);
    }
    assert_eq!(spans.iter().filter(|span| span.name == BATCH).count(), 2);
    assert_eq!(worker.stop().await, Stopped::Drained);
}

#[tokio::test]
async fn a_batch_leads_to_the_traces_of_all_of_its_requests_and_each_of_them_to_it() {
    let mut collector = Collector::start().await;
    let installation = Installation::with(|config| {
        config.otlp.endpoint = collector.url();
        (config.join.lanes, config.join.steered) = (1, false);
        // The one that is in the way waits for as long as it has to.
        (config.database.lock_timeout, config.database.statement_timeout) = (PATIENCE, PATIENCE);
    })
    .await;
    let worker = installation.start().await;
    let (producer, site) = (installation.producer().await, Uuid::new_v4());
    let [first, second, third] = installation.members(site, JOINABLE, 3).await.try_into().unwrap();
    let mut stranger = installation.stranger().await;
    let mut holder = stranger.begin().await.unwrap();
    sqlx::query("LOCK TABLE join_requests").execute(&mut *holder).await.unwrap();
    producer.send(&Message::join(site, first)).await;
    let mut observer = installation.stranger().await;
    eventually("the only lane waits", PATIENCE, async || {
        let waiting = "SELECT count(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock'
                         AND application_name = 'join-community lane'";
        match sqlx::query_scalar::<_, i64>(waiting).fetch_one(&mut observer).await.unwrap() {
            0 => Err(0),
            waiting => Ok(waiting),
        }
    })
    .await;
    // What comes now is taken together.
    let other = TRACE.replace('4', "5");
    let parents = [sampled(), format!("00-{other}-{ASKED}-01")];
    let requests: Vec<Message> = [second, third]
        .iter()
        .zip(&parents)
        .map(|(member, parent)| Message::join(site, *member).text_header("traceparent", parent))
        .collect();
    producer.send_all(&requests).await;
    installation.until_holds("join-community.requests", 0).await;
    holder.rollback().await.unwrap();

    // The batch and its four steps, two requests, their events.
    let spans = collector.until(9).await;
    let batch = named(spans, BATCH);
    assert_eq!(attribute(batch, "messaging.batch.message_count").as_deref(), Some("2"));
    let mut linked: Vec<String> = batch.links.iter().map(|link| hex(&link.trace_id)).collect();
    let mut expected = [TRACE.to_owned(), other];
    linked.sort();
    expected.sort();
    assert_eq!(linked, expected);
    assert!(batch.links.iter().all(|link| hex(&link.span_id) == ASKED), "{batch:#?}");
    for kind in [format!("join {REQUESTS}"), "send members.events:wix.members.v1.member_updated".to_owned()] {
        let of_kind: Vec<&Span> = spans.iter().filter(|span| span.name == kind).collect();
        let mut traces: Vec<String> = of_kind.iter().map(|span| hex(&span.trace_id)).collect();
        traces.sort();
        assert_eq!(traces, expected, "{kind}");
        assert!(of_kind.iter().all(|span| hex(&span.parent_span_id) == ASKED), "{of_kind:#?}");
    }
    for join in spans.iter().filter(|span| span.name == format!("join {REQUESTS}")) {
        let [to_batch] = &join.links[..] else { panic!("{join:#?}") };
        assert_eq!((&to_batch.trace_id, &to_batch.span_id), (&batch.trace_id, &batch.span_id));
    }
    worker.stop().await;
}

#[tokio::test]
async fn a_collector_that_never_answers_holds_up_nobody() {
    // Takes connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let installation = Installation::with(|config| {
        config.otlp.endpoint = url;
        config.otlp.timeout = Duration::from_millis(500);
    })
    .await;
    let worker = installation.start().await;
    let mut events = installation.events().await;
    let mut crowd = installation.crowd(300).await;
    for request in &mut crowd.requests {
        *request = request.clone().text_header("traceparent", &sampled());
    }
    let producer = installation.producer().await;
    producer.send_all(&crowd.requests).await;
    installation.until_answered(&crowd, 300).await;
    events.tell_of(&[&crowd]).await;
    installation.all_joined_once(&crowd).await;
    assert_eq!(worker.stop().await, Stopped::Drained);
}
