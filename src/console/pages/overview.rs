//! The overview: the first look of whoever is on call.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Html;
use maud::{Markup, html};

use super::chart::{chart, number, span};
use super::layout::page;
use crate::console::access::Operator;
use crate::console::controls::SetControl;
use crate::console::live::{Depth, Light, Moment, Overview, Refusal, Spread, Target};
use crate::console::parts::Console;

/// The page.
pub(super) async fn show(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
) -> Html<String> {
    let overview = console.live.now();
    let body = html! {
        h1 { "Overview" }
        div id="live" data-live="/live" { (now(&overview)) }
        p class="note" {
            "Rates, times, lanes and what is counted are this worker's; queues and outbox the whole installation's. "
            "What arrives is an estimate: what this worker was done with, and what waits more than a minute ago. "
            span id="live-state" role="status" { "Reload to see newer numbers." }
        }
    };
    page("Overview", Some(&operator), &body)
}

/// What changes of it: the same on the page and in its live updates.
pub(in crate::console) fn now(overview: &Overview) -> Markup {
    let state = match (overview.draining, overview.ready) {
        (true, _) => ("bad", "Stopping: no more requests are taken"),
        (false, true) => ("good", "Requests are taken"),
        (false, false) => ("bad", "No requests are taken"),
    };
    html! {
        p class=(format!("state {}", state.0)) { (state.1) }
        ul class="lights" aria-label="Dependencies" {
            @for dependency in overview.dependencies.iter().chain(&overview.issuer) { (light(dependency)) }
            @for target in overview.webhooks.iter().filter(|target| !target.takes) {
                li class="bad" { strong { "webhooks" } " are not taken by " (target.target) }
            }
        }
        @if !overview.controls.is_empty() {
            ul class="lights" aria-label="Set by hand" {
                @for one in &overview.controls {
                    li class="bad" { a id=(name(one)) href="/controls" { (one.in_words()) } }
                }
            }
        }
        (charts(overview))
        div class="columns" {
            (table("Requests a second", &rates(overview)))
            (table("Queues", &queues(overview)))
            (table("Waiting and owed", &waiting(overview)))
            (table("Took about, in the last minute", &latencies(overview)))
            (table("Lanes", &lanes(overview)))
            (table("Counted since this worker started", &counted(overview)))
            @if !overview.webhooks.is_empty() { (table("Webhooks", &webhooks(overview))) }
        }
        p class="note" {
            "As of " time { (if overview.at.is_empty() { "the first moments" } else { &overview.at }) }
            ", version " (overview.version)
        }
    }
}

/// By which the focus is found again in newer numbers.
fn name(control: &SetControl) -> String {
    format!("set-{}", control.control.replace(' ', "-"))
}

fn light(dependency: &Light) -> Markup {
    let word = if dependency.up { "serves" } else { "is out" };
    html! {
        li class=(if dependency.up { "good" } else { "bad" }) {
            strong { (dependency.name) } " " (word)
            @if let Some(reason) = &dependency.reason { ": " (reason) }
            @if !dependency.up { " (since " time { (dependency.since) } ")" }
        }
    }
}

fn charts(overview: &Overview) -> Markup {
    let line = |of: fn(&Moment) -> f64| overview.history.iter().map(of).collect::<Vec<_>>();
    html! {
        div class="charts" {
            (chart("Requests a second", &line(|moment| moment.requests)))
            (chart("Requests waiting", &line(|moment| moment.waiting)))
            (chart("Members owed to the world", &line(|moment| moment.owed)))
        }
    }
}

fn table(name: &str, rows: &[(String, String)]) -> Markup {
    html! {
        table {
            caption { (name) }
            tbody {
                @for (what, value) in rows { tr { th scope="row" { (what) } td { (value) } } }
            }
        }
    }
}

fn row(what: &str, value: String) -> (String, String) {
    (what.to_owned(), value)
}

fn rates(overview: &Overview) -> Vec<(String, String)> {
    let rates = overview.rates;
    vec![
        row("arrive, about", overview.arriving.map_or_else(|| "not known yet".to_owned(), number)),
        row("answered", number(rates.requests)),
        row("joined", number(rates.joined)),
        row("left", number(rates.left)),
        row("rejected", number(rates.rejected)),
        row("refused, without proof", number(rates.refused)),
        row("onto the retry ladder", number(rates.retried)),
        row("dead letters", number(rates.dead)),
        row("events confirmed", number(rates.events)),
    ]
}

fn queues(overview: &Overview) -> Vec<(String, String)> {
    let taken = |depth: Option<u64>| depth.map(|taken| format!(", {taken} unacknowledged")).unwrap_or_default();
    let shown = |depth: &Depth| {
        row(&depth.queue.replace('_', " "), format!("{}{}", number(depth.ready), taken(depth.unacknowledged)))
    };
    overview.queues.iter().map(shown).collect()
}

fn waiting(overview: &Overview) -> Vec<(String, String)> {
    vec![
        row("age of the oldest request", oldest(overview)),
        row("queue empty in", overview.drain_seconds.map_or_else(|| "not shrinking".to_owned(), span)),
        row("members owed", number(overview.outbox.members)),
        row("oldest debt", span(overview.outbox.oldest_seconds)),
    ]
}

fn oldest(overview: &Overview) -> String {
    match (overview.oldest_request_seconds, overview.oldest_request_at_most_seconds) {
        (Some(seconds), _) => span(seconds),
        (None, Some(seconds)) => format!("at most {}", span(seconds)),
        (None, None) => "not known".to_owned(),
    }
}

fn latencies(overview: &Overview) -> Vec<(String, String)> {
    let latencies = overview.latencies;
    let told = |spread: Option<Spread>, unknown: &str| {
        let shares = |spread: Spread| {
            let shares = [("half", spread.p50_seconds), ("95 %", spread.p95_seconds), ("99 %", spread.p99_seconds)];
            shares.map(|(share, seconds)| format!("{share} {}", moment(seconds))).join(", ")
        };
        spread.map_or_else(|| unknown.to_owned(), shares)
    };
    vec![
        row("wait for the verdict", told(latencies.queue_wait, "not known")),
        row("join to event", told(latencies.join_to_event, "none")),
        row("confirm of events", told(latencies.event_confirm, "none")),
        row("confirm of copies", told(latencies.copy_confirm, "none")),
    ]
}

/// A time that is mostly less than a second.
fn moment(seconds: f64) -> String {
    if seconds < 1.0 { format!("{} ms", number(seconds * 1000.0)) } else { span(seconds) }
}

fn counted(overview: &Overview) -> Vec<(String, String)> {
    let drift = overview.cache_drift;
    let dead = overview.dead_letters.iter();
    let mut rows: Vec<_> =
        dead.map(|dead| (format!("dead letters, {}", dead.reason.replace('_', " ")), number(dead.count))).collect();
    rows.extend([
        row("cache entries behind", number(drift.behind)),
        row("cache entries wrong", number(drift.wrong)),
        row("cache entries ahead", number(drift.ahead)),
    ]);
    // There are many reasons, and mostly none to tell of.
    let refused = |refusal: &Refusal| (format!("refused, {}", refusal.reason), number(refusal.count));
    rows.extend(overview.refusals.iter().filter(|refusal| refusal.count > 0.0).map(refused));
    rows
}

fn webhooks(overview: &Overview) -> Vec<(String, String)> {
    let told = |target: &Target| {
        let said = [
            format!("{} wait", number(target.waiting)),
            format!("{} a second", number(target.delivered)),
            format!("{} a second in vain", number(target.failed)),
            format!("{} given up", number(target.dead)),
        ];
        (target.target.clone(), said.join(", "))
    };
    overview.webhooks.iter().map(told).collect()
}

fn lanes(overview: &Overview) -> Vec<(String, String)> {
    let lanes = overview.lanes;
    vec![
        row("serving", format!("{} of {}", number(lanes.serving), number(lanes.wanted))),
        row("most in a batch", number(lanes.batch_limit)),
        row("prefetch", number(lanes.prefetch)),
        row("from batch to batch, at least", moment(lanes.pace_seconds)),
        row("in hand", number(lanes.in_flight)),
    ]
}

#[cfg(test)]
mod tests {
    use super::{moment, now};
    use crate::console::live::{Light, Overview, Refusal, Target};

    #[test]
    fn what_is_out_is_said_in_words_and_not_by_colour_alone() {
        let light = Light { name: "cache".into(), up: false, reason: Some("<refused>".into()), since: "then".into() };
        let shown = now(&Overview { dependencies: vec![light], ..Overview::default() }).into_string();
        assert!(shown.contains("<strong>cache</strong> is out: &lt;refused&gt; (since <time>then</time>)"), "{shown}");
        assert!(shown.contains("No requests are taken") && shown.contains("not shrinking"), "{shown}");
    }

    #[test]
    fn a_target_that_takes_no_webhooks_and_an_issuer_that_is_away_are_told_beside_the_dependencies() {
        let target =
            Target { target: "crm".into(), takes: false, waiting: 12.0, delivered: 0.0, failed: 2.0, dead: 3.0 };
        let issuer = Light { name: "issuer".into(), up: false, reason: Some("no answer".into()), since: "then".into() };
        let shown = Overview { webhooks: vec![target], issuer: Some(issuer), ..Overview::default() };
        let shown = now(&shown).into_string();
        for part in [
            "<strong>webhooks</strong> are not taken by crm",
            "<strong>issuer</strong> is out: no answer",
            "12 wait, 0 a second, 2 a second in vain, 3 given up",
        ] {
            assert!(shown.contains(part), "{part} is not in {shown}");
        }
        assert!(!now(&Overview::default()).into_string().contains("Webhooks"));
    }

    #[test]
    fn what_arrives_is_told_once_it_is_known_and_refusals_only_by_reasons_that_there_were() {
        let refusal = |reason: &str, count| Refusal { reason: reason.to_owned(), count };
        let refusals = vec![refusal("NO_PROOF", 0.0), refusal("TOKEN_ISSUER", 3.0)];
        let shown = now(&Overview { refusals, arriving: Some(12.0), ..Overview::default() }).into_string();
        let cells = |what: &str, value: &str| format!("<th scope=\"row\">{what}</th><td>{value}</td>");
        for row in [cells("refused, TOKEN_ISSUER", "3"), cells("arrive, about", "12")] {
            assert!(shown.contains(&row), "{row} is not in {shown}");
        }
        assert!(!shown.contains("NO_PROOF"), "{shown}");
        assert!(now(&Overview::default()).into_string().contains(&cells("arrive, about", "not known yet")));
    }

    #[test]
    fn short_times_are_told_in_milliseconds() {
        assert_eq!([0.0005, 0.0124, 2.5, 600.0].map(moment), ["0.5 ms", "12 ms", "2.5 s", "10 min"]);
    }
}
