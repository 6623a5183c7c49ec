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
use crate::console::live::{Light, Moment, Overview};
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
            "Rates and lanes are this worker's; queues and outbox the whole installation's. "
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
            @for dependency in &overview.dependencies { (light(dependency)) }
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
            (table("Lanes", &lanes(overview)))
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
    let shown = |depth: &crate::console::live::Depth| {
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

fn lanes(overview: &Overview) -> Vec<(String, String)> {
    let lanes = overview.lanes;
    vec![
        row("serving", format!("{} of {}", number(lanes.serving), number(lanes.wanted))),
        row("most in a batch", number(lanes.batch_limit)),
        row("prefetch", number(lanes.prefetch)),
        row("in hand", number(lanes.in_flight)),
    ]
}

#[cfg(test)]
mod tests {
    use super::now;
    use crate::console::live::{Light, Overview};

    #[test]
    fn what_is_out_is_said_in_words_and_not_by_colour_alone() {
        let light = Light { name: "cache".into(), up: false, reason: Some("<refused>".into()), since: "then".into() };
        let shown = now(&Overview { dependencies: vec![light], ..Overview::default() }).into_string();
        assert!(shown.contains("<strong>cache</strong> is out: &lt;refused&gt; (since <time>then</time>)"), "{shown}");
        assert!(shown.contains("No requests are taken") && shown.contains("not shrinking"), "{shown}");
    }
}
