//! What operators set by hand, with forms for whoever may.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Form, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};

use super::Page;
use super::fields::{Fields, number, text};
use super::layout::page;
use crate::config::ConsoleRole;
use crate::console::access::Operator;
use crate::console::controls::{ControlOrder, DrainOrder, ReleaseOrder, SetControl, TryOrder};
use crate::console::failure::Failure;
use crate::console::parts::Console;

/// The page.
pub(super) async fn show(State(console): State<Arc<Console>>, Extension(operator): Extension<Operator>) -> Response {
    let (set, failure) = console.controls_as_known().await;
    let may_act = operator.role >= ConsoleRole::Operator;
    let body = html! {
        h1 { "Controls" }
        p { "They count for all workers, within a second or two, and for those that start later." }
        @if let Some(failure) = &failure { (outage(failure)) }
        @if let Some(set) = &set {
            @if set.is_empty() { p { "Nothing is set." } } @else { (table(set, may_act)) }
        } @else { p { "What is set is not known: this worker could not read it yet." } }
        @if may_act { (forms()) }
    };
    page("Controls", Some(&operator), &body).into_response()
}

/// Sets one.
pub(super) async fn set(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
    Form(fields): Form<Fields>,
) -> Page {
    let site = text(&fields, "site");
    let control = match text(&fields, "control") {
        "hold" => format!("hold {site}"),
        other => other.to_owned(),
    };
    let order = ControlOrder {
        control,
        lanes: number(&fields, "lanes")?,
        batch: number(&fields, "batch")?,
        reason: text(&fields, "why").to_owned(),
        expires_in_seconds: number::<u64>(&fields, "minutes")?.map(|minutes| minutes.saturating_mul(60)),
    };
    console.set_control(&operator, &order).await?;
    Ok(Redirect::to("/controls").into_response())
}

/// Releases one.
pub(super) async fn release(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
    Form(fields): Form<Fields>,
) -> Page {
    let order = ReleaseOrder { control: text(&fields, "control").to_owned(), reason: text(&fields, "why").to_owned() };
    console.release_control(&operator, &order).await?;
    Ok(Redirect::to("/controls").into_response())
}

/// Has this worker stop.
pub(super) async fn drain(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
    Form(fields): Form<Fields>,
) -> Page {
    console.drain(&operator, &DrainOrder { reason: text(&fields, "why").to_owned() }).await?;
    Ok(Redirect::to("/").into_response())
}

/// Has this worker try a service at once.
pub(super) async fn try_now(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
    Form(fields): Form<Fields>,
) -> Page {
    let order = TryOrder { service: text(&fields, "service").to_owned(), reason: text(&fields, "why").to_owned() };
    console.try_now(&operator, &order).await?;
    Ok(Redirect::to("/").into_response())
}

/// The forms that an outage is for are below it.
fn outage(failure: &Failure) -> Markup {
    html! {
        p class="state bad" { "This may be out of date: " (failure.message()) }
        p class="note" {
            "Nothing is set or released without PostgreSQL. A service can be tried, and this worker stopped, all the same."
        }
    }
}

fn table(set: &[SetControl], may_release: bool) -> Markup {
    html! {
        div class="wide" tabindex="0" role="region" aria-label="What is set" {
            table {
                thead { tr { @for name in ["What", "Since", "Until", "Who", "Why"] { th scope="col" { (name) } } } }
                tbody {
                    @for one in set {
                        tr {
                            td { (one.control) @if let (Some(lanes), Some(batch)) = (one.lanes, one.batch) {
                                ": " (lanes) " lanes, batches of " (batch)
                            } }
                            td { time { (one.since) } }
                            td { @match &one.expires_at { Some(at) => { time { (at) } } None => { "released" } } }
                            td { (one.who) }
                            td { (one.reason) }
                        }
                    }
                }
            }
        }
        @if may_release {
            @for one in set {
                form method="post" action="/controls/release" class="search" {
                    input type="hidden" name="control" value=(one.control);
                    label { "Why " (one.control) " is over" (why()) }
                    button { "Release " (one.control) }
                }
            }
        }
    }
}

fn forms() -> Markup {
    let pauses = [
        ("pause intake", "Pause intake"),
        ("pause events", "Pause events"),
        ("pause cache", "Pause cache"),
        ("pause database", "Pause database"),
    ];
    let services = [("broker", "Try broker"), ("database", "Try database"), ("cache", "Try cache")];
    html! {
        h2 { "Pause" }
        p { "As if what is paused were out: requests wait in their queue; events and cache entries stay owed." }
        form method="post" action="/controls" class="search" {
            label { "Why" (why()) }
            (minutes())
            @for (control, name) in pauses { button name="control" value=(control) { (name) } }
        }
        h2 { "Hold a site" }
        p { "Its requests wait on the retry ladder, and come within half a minute once it is released." }
        form method="post" action="/controls" class="search" {
            label { "Site" input name="site" required autocomplete="off"; }
            label { "Why" (why()) }
            (minutes())
            button name="control" value="hold" { "Hold" }
        }
        h2 { "Lanes and batches" }
        p { "Instead of what each worker chooses, up to what its configuration allows." }
        form method="post" action="/controls" class="search" {
            label { "Lanes" input name="lanes" required inputmode="numeric" autocomplete="off"; }
            label { "Most requests in a batch" input name="batch" required inputmode="numeric" autocomplete="off"; }
            label { "Why" (why()) }
            (minutes())
            button name="control" value="bounds" { "Set bounds" }
        }
        h2 { "Try at once" }
        p { "What is out is tried with growing pauses. This worker tries it now; so it does by itself a little later." }
        form method="post" action="/try-now" class="search" {
            label { "Why" (why()) }
            @for (service, name) in services { button name="service" value=(service) { (name) } }
        }
        h2 { "Stop this worker" }
        p { "It finishes what it has in hand, and ends as after SIGTERM. Whoever runs it may start it anew." }
        form method="post" action="/drain" class="search" {
            label { "Why" (why()) }
            button { "Drain" }
        }
    }
}

fn why() -> Markup {
    html! { input name="why" required maxlength="500" autocomplete="off"; }
}

fn minutes() -> Markup {
    html! { label { "For so many minutes" input name="minutes" inputmode="numeric" autocomplete="off"; } }
}
