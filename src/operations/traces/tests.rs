//! What is made of which requests, and that a collector which never answers costs neither time nor memory.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::{Answered, Collector, Destination, MOST_WAITING, Traces};
use crate::domain::Method;
use crate::operations::{Laps, Meters, Step};

const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn traces(endpoint: &str, meters: &Meters) -> Traces {
    let timeout = Duration::from_millis(200);
    let joins = Destination { exchange: "join-community", routing_key: "request", queue: "requests" };
    let leaves = Destination { routing_key: "leave", ..joins };
    let events = Destination::default();
    Traces::to(Collector { endpoint, authorization: "", timeout, joins, leaves, events }, meters).unwrap()
}

fn tell(traces: &Traces, traceparent: &str) {
    let mut laps = Laps::begin();
    laps.done(Step::Load);
    let answered = Answered { traceparent, message_id: "r-1", method: Method::Join, outcome: "joined", code: None };
    traces.batch(1, &laps, std::iter::once(answered));
}

fn lost(meters: &Meters) -> u64 {
    let text = meters.render();
    let line = text.lines().find_map(|line| line.strip_prefix("join_community_spans_total{outcome=\"lost\"} "));
    line.unwrap().parse().unwrap()
}

#[test]
fn what_nobody_samples_makes_no_span() {
    let meters = Meters::register().unwrap();
    let traces = traces("http://127.0.0.1:1", &meters);
    for unsampled in [SAMPLED.replace("-01", "-00").as_str(), "", "00-", "00-x-y-01"] {
        tell(&traces, unsampled);
    }
    assert!(traces.are_on() && !Traces::default().are_on());
    tell(&Traces::default(), SAMPLED);
    traces.close(Duration::from_secs(5));
    assert_eq!(lost(&meters), 0);
}

#[test]
fn a_collector_that_never_answers_costs_neither_time_nor_memory() {
    // Takes connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let meters = Meters::register().unwrap();
    let traces = traces(&format!("http://{}", silent.local_addr().unwrap()), &meters);
    let began = Instant::now();
    let batches = 2 * MOST_WAITING;
    for _ in 0..batches {
        tell(&traces, SAMPLED);
    }
    assert!(began.elapsed() < Duration::from_secs(10), "telling took {:?}", began.elapsed());
    let waiting = traces.0.as_ref().unwrap().waiting.load(std::sync::atomic::Ordering::Relaxed);
    assert!(waiting <= MOST_WAITING, "{waiting} spans wait");
    let began = Instant::now();
    traces.close(Duration::from_secs(1));
    assert!(began.elapsed() < Duration::from_secs(5), "closing took {:?}", began.elapsed());
    // A batch, a step, a request: all that cannot wait any more are counted.
    assert!(lost(&meters) >= (3 * batches - MOST_WAITING - 512) as u64, "{}", lost(&meters));
}
