//! What is on record of requests: the search, one request explained, one member's timeline.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use maud::{Markup, html};

use super::Page;
use super::layout::{encoded, id, link, logs, page, trace};
use super::unanswered::{of_member, without_verdict};
use crate::config::Http;
use crate::console::access::Operator;
use crate::console::api::{Begin, Look, looked_for, now_of, told};
use crate::console::explained::{Explained, proof};
use crate::console::parts::Console;
use crate::console::timeline::{Entry, Now, Record, Timeline};
use crate::domain::Verdict;

/// The search, with what it found.
pub(super) async fn search(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
    Query(look): Query<Look>,
) -> Page {
    let asked = [&look.id, &look.site].into_iter().flatten().any(|text| !text.trim().is_empty());
    let found = if asked { Some(looked_for(&console, &look).await?) } else { None };
    let body = html! {
        h1 { "Requests" }
        (form(&look))
        @if let Some(found) = &found {
            @if found.requests.is_empty() { p { "Nothing was found here." } } @else { (rows(&found.requests)) }
            @if let Some(one) = look.id.as_deref().filter(|one| found.requests.is_empty() && !one.trim().is_empty()) {
                (without_verdict(&console.unanswered(one)))
            }
            @if let Some(next) = &found.next {
                p { a href=(further(&look, next)) { "Go on with older ids" } ": each look examines "
                    (found.examined_at_most) " records at most." }
            }
        }
    };
    Ok(page("Requests", Some(&operator), &body).into_response())
}

/// One request.
pub(super) async fn explain(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
    Path(request): Path<String>,
) -> Page {
    let look = Look { id: Some(request.clone()), ..Look::default() };
    let found = looked_for(&console, &look).await?.requests;
    if found.is_empty() {
        let body = html! {
            h1 { "Request " (id(&request)) }
            (without_verdict(&console.unanswered(&request)))
            @if let Some(logs) = logs(&console.http, &request) { p { (logs) } }
        };
        return Ok((StatusCode::NOT_FOUND, page("Request", Some(&operator), &body)).into_response());
    }
    let mut nows = Vec::with_capacity(found.len());
    for explained in &found {
        nows.push(now_of(&console, explained).await?);
    }
    let body = html! {
        h1 { "Request " (id(&request)) }
        @for (explained, now) in found.iter().zip(&nows) { (explained_as(&console.http, explained, now.as_ref())) }
        @if let Some(logs) = logs(&console.http, &request) { p { (logs) } }
    };
    Ok(page("Request", Some(&operator), &body).into_response())
}

/// One member.
pub(super) async fn timeline(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
    Path((site, member)): Path<(String, String)>,
    Query(begin): Query<Begin>,
) -> Page {
    let timeline = told(&console, &site, &member, &begin).await?;
    let place = link(&link("/members", &timeline.site_id), &timeline.member_id);
    let body = html! {
        h1 { "Member " (id(&timeline.member_id)) }
        (facts(&present(&timeline)))
        (of_member(&timeline.dead_letters))
        h2 { "What happened, newest first" }
        @if begin.cursor.is_some() { p { a href=(place) { "From the newest on" } } }
        ol class="timeline" {
            @for step in &timeline.steps {
                li class=(step.what) {
                    time { (step.at) } " " strong { (step.what) } " " (step.text) " "
                    a href=(link("/requests", &step.request_id)) { (id(&step.request_id)) }
                    @if let Some(sequence) = &step.event_sequence { " at sequence " (sequence) }
                }
            }
        }
        p class="note" {
            "Before that: " (timeline.end())
            @if let Some(next) = &timeline.next {
                ": " a href=(format!("{place}?cursor={}", encoded(next))) { "go on with them" }
            }
        }
    };
    Ok(page("Member", Some(&operator), &body).into_response())
}

fn form(look: &Look) -> Markup {
    let field = |name: &str, label: &str, value: Option<&String>, hint: &str| {
        html! { label { (label) input name=(name) value=[value] placeholder=(hint) autocomplete="off" spellcheck="false"; } }
    };
    let mut words: Vec<&str> = Verdict::ALL
        .iter()
        .flat_map(|verdict| [Some(verdict.as_str()), verdict.code(), verdict.reason()].into_iter().flatten())
        .collect();
    words.sort_unstable();
    words.dedup();
    html! {
        form method="get" action="/requests" class="search" {
            (field("id", "Request id", look.id.as_ref(), "finds it at any site"))
            (field("site", "Site", look.site.as_ref(), "needed for all below"))
            (field("member", "Member", look.member.as_ref(), ""))
            label { "Verdict, code or reason"
                select name="verdict" {
                    option value="" { "any" }
                    @for word in words { option value=(word) selected[look.verdict.as_deref() == Some(word)] { (word) } }
                }
            }
            (field("since", "Decided since", look.since.as_ref(), "2026-11-24T10:00:00Z"))
            (field("until", "Decided before", look.until.as_ref(), "2026-11-24T11:00:00Z"))
            button { "Search" }
        }
    }
}

fn further(look: &Look, cursor: &str) -> String {
    let fields = [
        ("site", look.site.as_deref()),
        ("member", look.member.as_deref()),
        ("verdict", look.verdict.as_deref()),
        ("since", look.since.as_deref()),
        ("until", look.until.as_deref()),
        ("cursor", Some(cursor)),
    ];
    let given = fields.iter().filter_map(|(name, value)| Some(format!("{name}={}", encoded((*value)?))));
    format!("/requests?{}", given.collect::<Vec<_>>().join("&"))
}

fn rows(found: &[Explained]) -> Markup {
    html! {
        div class="wide" tabindex="0" role="region" aria-label="Requests found" {
            table {
                thead { tr { @for name in ["Decided", "Request", "Member", "Verdict"] { th scope="col" { (name) } } } }
                tbody {
                    @for request in found {
                        tr {
                            td { time { (request.decided_at) } }
                            td { a href=(link("/requests", &request.request_id)) { (id(&request.request_id)) } }
                            td { (member(request)) }
                            td { (request.verdict_in_words()) }
                        }
                    }
                }
            }
        }
    }
}

fn member(request: &Explained) -> Markup {
    html! {
        @if let Some(member) = &request.member_id {
            a href=(link(&link("/members", &request.site_id), member)) { (id(member)) }
        } @else { "none was named" }
    }
}

fn explained_as(http: &Http, request: &Explained, now: Option<&Now>) -> Markup {
    let elevated = if request.elevated { ", with elevated permission" } else { "" };
    let record = request.event_sequence.as_ref();
    let mut rows = vec![
        ("asked to", html! { (request.method) }),
        ("verdict", html! { strong { (request.verdict_in_words()) } }),
        ("changed", html! { (request.changed) }),
        ("rule", html! { (request.rule_in_words()) }),
        ("facts", html! { @match request.facts_in_words() { Some(facts) => { (facts) } None => { "unknown" } } }),
        ("site", id(&request.site_id)),
        ("member", member(request)),
        ("caller", html! { (id(&request.caller)) (elevated) }),
        ("proven by", html! { (proof(&request.proof)) }),
        ("requester", id(&request.requester)),
        ("received", html! { time { (request.received_at) } }),
        ("decided", html! { time { (request.decided_at) } }),
        (
            "record",
            html! { @match record { Some(sequence) => { "at sequence " (sequence) } None => { "there was none" } } },
        ),
        ("event", html! { @match &request.event_id { Some(event) => { (id(event)) } None => { "none" } } }),
        ("confirmed", html! { (announced(request.confirmed_in_words())) }),
        ("cached", html! { (announced(request.cached_in_words())) }),
        ("trace", html! { @match &request.trace_id { Some(id) => { (trace(http, id)) } None => { "none" } } }),
        ("owed", html! { @match &request.owed { Some(debt) => { (debt) } None => { "nothing: the world knows" } } }),
    ];
    rows.extend(now.into_iter().flat_map(|now| as_now(now.record.as_ref(), &now.cache)));
    facts(&rows)
}

fn announced(when: Option<String>) -> String {
    when.unwrap_or_else(|| "it changed nothing".to_owned())
}

fn as_now(record: Option<&Record>, cache: &Entry) -> [(&'static str, Markup); 2] {
    let (record, cache) = (record.map_or_else(|| "there is none".to_owned(), Record::in_words), cache.beside(record));
    [("record now", html! { (record) }), ("cache now", html! { (cache) })]
}

fn present(timeline: &Timeline) -> Vec<(&'static str, Markup)> {
    let [record, cache] = as_now(timeline.record.as_ref(), &timeline.cache);
    let owed = html! { @match &timeline.owed { Some(debt) => { (debt) } None => { "nothing: the world knows" } } };
    vec![("site", id(&timeline.site_id)), record, cache, ("owed", owed)]
}

fn facts(rows: &[(&str, Markup)]) -> Markup {
    html! { dl { @for (name, value) in rows { div { dt { (name) } dd { (value) } } } } }
}
