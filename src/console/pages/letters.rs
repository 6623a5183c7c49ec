//! The dead letters: what the last reading found, and one of them.

use std::sync::Arc;

use axum::extract::{Form, Path, Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect};
use axum::{Extension, response::Response};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;

use super::Page;
use super::chart::number;
use super::layout::{encoded, id, link, logs, page, trace};
use super::repair;
use crate::config::{ConsoleRole, Http};
use crate::console::access::Operator;
use crate::console::letters::{Group, Line, Pile, Snapshot};
use crate::console::parts::Console;
use crate::rabbitmq::dead_letters::REASONS;

/// Which of them are listed.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Only {
    reason: Option<String>,
    error: Option<String>,
    text: Option<String>,
}

impl Only {
    fn reason(&self) -> &str {
        given(self.reason.as_deref())
    }

    fn error(&self) -> &str {
        given(self.error.as_deref())
    }

    fn text(&self) -> &str {
        given(self.text.as_deref())
    }

    fn takes(&self, line: &Line) -> bool {
        let (reason, error) = (self.reason(), self.error().to_lowercase());
        (reason.is_empty() || line.reason == reason)
            && line.error.to_lowercase().contains(&error)
            && holds(line, self.text())
    }
}

/// A field that was left empty says nothing.
fn given(field: Option<&str>) -> &str {
    field.unwrap_or_default().trim()
}

/// Why somebody wants to see what is masked.
#[derive(Debug, Deserialize)]
pub(super) struct Why {
    reason: String,
}

/// The list.
pub(super) async fn list(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
    Query(only): Query<Only>,
) -> Response {
    let seen = console.letters.seen(Pile::Dead);
    let may_act = operator.role >= ConsoleRole::Operator;
    let body = html! {
        h1 { "Dead letters" }
        p {
            strong { (number(console.letters_waiting(Pile::Dead))) } " lie in the queue, as last counted. "
            a href="/dead-letters/discarded" { "Those that were discarded" }
        }
        (repair::moved(console.repair.moving().as_ref()))
        @if may_act {
            form method="post" action="/dead-letters/reading" {
                button { "Read them" }
                " Each goes back to its place; meanwhile no command sees them."
            }
            (repair::forms(only.reason(), only.error()))
        }
        @if let Some(seen) = &seen {
            (groups(seen))
            (lines(seen, &only, may_act))
        } @else { p { "Nobody has had them read since this worker started." } }
    };
    page("Dead letters", Some(&operator), &body).into_response()
}

/// Has them read.
pub(super) async fn read(State(console): State<Arc<Console>>, Extension(operator): Extension<Operator>) -> Page {
    console.read_letters(&operator, Pile::Dead).await?;
    Ok(Redirect::to("/dead-letters").into_response())
}

/// One of them, masked.
pub(super) async fn show(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
    headers: HeaderMap,
    Path(letter): Path<String>,
) -> Page {
    let whole = console.letter(&operator, Pile::Dead, &letter, &headers).await?;
    let body = html! {
        h1 { "Dead letter " (id(&letter)) }
        p class="note" { "Tokens and personal data are masked." }
        (leads(&console.http, &whole))
        (shown(&whole))
        @if operator.role >= ConsoleRole::Operator {
            h2 { "Replay or discard it" }
            (repair::forms_of(&letter))
            h2 { "Replay with another body" }
            p class="note" { "It keeps its request id, its caller and its proof, and can ask for no more than it did." }
            (repair::form_of(&letter, whole["body"].as_str().unwrap_or_default(), false))
        }
        @if operator.role >= ConsoleRole::Admin {
            form method="post" action=(format!("{}/unmask", link("/dead-letters", &letter))) {
                label { "Why you need to see what is masked" input name="reason" required maxlength="500" autocomplete="off"; }
                button { "Show personal data" }
                " It is recorded that you did. Tokens stay masked."
            }
        }
    };
    Ok(page("Dead letter", Some(&operator), &body).into_response())
}

/// The same with personal data, once it is recorded who looks, and why.
pub(super) async fn unmask(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
    Path(letter): Path<String>,
    Form(Why { reason }): Form<Why>,
) -> Page {
    let whole = console.unmask(&operator, &letter, &reason).await?;
    let body = html! {
        h1 { "Dead letter " (id(&letter)) }
        p class="state bad" { "Personal data is shown. This was recorded." }
        (shown(&whole))
    };
    Ok(page("Dead letter", Some(&operator), &body).into_response())
}

fn groups(seen: &Snapshot) -> Markup {
    html! {
        h2 { "By reason, error and version" }
        p class="note" {
            (seen.read) @if seen.read < seen.total { " of " (seen.total) ", the oldest," } " were read at "
            time { (seen.read_at()) } "."
        }
        @if seen.read < seen.total {
            p class="note" {
                "A dry run, discarding, editing and unmasking know of the oldest alone; discard or replay those, and the next "
                "ones are the oldest. A replay takes all that are meant."
            }
        }
        div class="wide" tabindex="0" role="region" aria-label="Groups" {
            table {
                thead { tr { @for name in ["Count", "Reason", "Error", "Version", "First", "Last"] { th scope="col" { (name) } } } }
                tbody {
                    @for group in &seen.groups {
                        tr {
                            td { (group.count) }
                            td { a href=(format!("/dead-letters?reason={}", encoded(&group.reason))) { (group.reason) } }
                            td {
                                @if let Some(place) = alone(group) { a href=(place) { (group.error) } }
                                @else { (group.error) }
                            }
                            td { (group.version.as_deref().unwrap_or("-")) }
                            td { time { (group.first_seen.as_deref().unwrap_or("-")) } }
                            td { time { (group.last_seen.as_deref().unwrap_or("-")) } }
                        }
                    }
                }
            }
        }
    }
}

/// Where list and forms are about a group alone. What is put together of many reasons and errors has no such place.
fn alone(group: &Group) -> Option<String> {
    let Group { reason, error, .. } = group;
    let is_one = !error.is_empty() && REASONS.contains(&reason.as_str());
    is_one.then(|| format!("/dead-letters?reason={}&error={}", encoded(reason), encoded(error)))
}

fn lines(seen: &Snapshot, only: &Only, may_act: bool) -> Markup {
    let found: Vec<&Line> = seen.letters.iter().filter(|line| only.takes(line)).collect();
    let list = table(&found, may_act);
    html! {
        h2 { "The oldest" }
        form method="get" action="/dead-letters" class="search" {
            label { "Reason" input name="reason" value=(only.reason()) autocomplete="off"; }
            label { "Error holds" input name="error" value=(only.error()) autocomplete="off"; }
            label { "Holds"
                input name="text" value=(only.text()) placeholder="request id, error, pointer" autocomplete="off";
            }
            button { "Filter" }
        }
        p class="note" { (found.len()) " of " (seen.letters.len()) " that are kept." }
        @if may_act { (repair::form_of_chosen(&list)) } @else { (list) }
    }
}

fn table(found: &[&Line], may_act: bool) -> Markup {
    html! {
        div class="wide" tabindex="0" role="region" aria-label="Dead letters" {
            table {
                thead { tr {
                    @if may_act { th scope="col" { "Choose" } }
                    @for name in ["Letter", "Request", "Reason", "Error", "Pointer", "Attempts", "First seen"] {
                        th scope="col" { (name) }
                    }
                } }
                tbody { @for line in found { (row(line, may_act)) } }
            }
        }
    }
}

fn holds(line: &Line, text: &str) -> bool {
    let fields = [line.request_id.as_deref(), Some(&line.error), line.pointer.as_deref(), Some(&line.id)];
    text.is_empty() || fields.into_iter().flatten().any(|field| field.contains(text))
}

fn row(line: &Line, may_act: bool) -> Markup {
    html! {
        tr {
            @if may_act { td { (repair::box_of(&line.id)) } }
            td { a href=(link("/dead-letters", &line.id)) { (id(&line.id)) } }
            td { @if let Some(request) = &line.request_id { (id(request)) } }
            td { (line.reason) }
            td { (line.error) }
            td { (line.pointer.as_deref().unwrap_or_default()) }
            td { @if let Some(attempts) = line.attempts { (attempts) } }
            td { time { (line.first_seen.as_deref().unwrap_or("-")) } }
        }
    }
}

/// Where more is known of its request, outside the console.
fn leads(http: &Http, whole: &Value) -> Markup {
    let of_trace = whole["headers"]["traceparent"].as_str().and_then(|parent| parent.split('-').nth(1));
    html! {
        @if let Some(id) = of_trace { p { "Trace " (trace(http, id)) } }
        @if let Some(logs) = whole["requestId"].as_str().and_then(|id| logs(http, id)) { p { (logs) } }
    }
}

/// Headers and properties below each other, the body as it stands.
pub(super) fn shown(whole: &Value) -> Markup {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
    let apart = ["body", "history"];
    let pairs = whole.as_object().into_iter().flatten().filter(|(name, _)| !apart.contains(&name.as_str()));
    let history: Vec<&Value> = whole["history"].as_array().into_iter().flatten().collect();
    let (sections, plain): (Vec<_>, Vec<_>) = pairs.partition(|(_, value)| value.is_object());
    html! {
        dl { @for (name, value) in plain { div { dt { (name) } dd { (text(value)) } } } }
        @if !history.is_empty() {
            h2 { "history" }
            ol class="timeline" { @for past in history { li { time { (text(&past["at"])) } " " (text(&past["what"])) } } }
        }
        @for (title, section) in sections {
            h2 { (title) }
            dl { @for (name, value) in section.as_object().into_iter().flatten() { div { dt { (name) } dd { (text(value)) } } } }
        }
        h2 { "body" }
        pre tabindex="0" { (whole["body"].as_str().unwrap_or("(masked, or no text)")) }
    }
}
