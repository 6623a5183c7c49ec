//! The discarded letters: what the last reading found, one of them, and the forms that take them back. Apart from the dead
//! letters, because nothing else can be done with these, and they go by themselves.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Redirect, Response};
use maud::{Markup, html};

use super::Page;
use super::chart::number;
use super::layout::{id, link, page};
use super::{letters, repair};
use crate::config::ConsoleRole;
use crate::console::access::Operator;
use crate::console::letters::{Line, Pile, Snapshot};
use crate::console::parts::Console;

/// The list.
pub(super) async fn list(State(console): State<Arc<Console>>, Extension(operator): Extension<Operator>) -> Response {
    let seen = console.letters.seen(Pile::Discarded);
    let may_act = operator.role >= ConsoleRole::Operator;
    let body = html! {
        h1 { "Discarded letters" }
        p {
            strong { (number(console.letters_waiting(Pile::Discarded))) } " lie there, as last counted; "
            "among them what was edited, as it was. Each can be restored for seven days, and then goes for good."
        }
        (repair::moved(console.repair.moving().as_ref()))
        @if may_act {
            form method="post" action="/dead-letters/discarded/reading" {
                button { "Read them" }
                " Each goes back to its place; meanwhile no command sees them."
            }
            h2 { "Restore" }
            (repair::form_that_restores())
        }
        @if let Some(seen) = &seen { (lines(seen, may_act)) }
        @else { p { "Nobody has had them read since this worker started." } }
        p { a href="/dead-letters" { "To the dead letters" } }
    };
    page("Discarded letters", Some(&operator), &body).into_response()
}

/// Has them read.
pub(super) async fn read(State(console): State<Arc<Console>>, Extension(operator): Extension<Operator>) -> Page {
    console.read_letters(&operator, Pile::Discarded).await?;
    Ok(Redirect::to("/dead-letters/discarded").into_response())
}

/// One of them, masked.
pub(super) async fn show(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
    headers: HeaderMap,
    Path(letter): Path<String>,
) -> Page {
    let whole = console.letter(&operator, Pile::Discarded, &letter, &headers).await?;
    let body = html! {
        h1 { "Discarded letter " (id(&letter)) }
        p class="note" { "Tokens and personal data are masked." }
        (letters::shown(&whole))
        @if operator.role >= ConsoleRole::Operator {
            h2 { "Restore it" }
            (repair::restoring(&letter))
        }
        p { a href="/dead-letters/discarded" { "All that were discarded" } }
    };
    Ok(page("Discarded letter", Some(&operator), &body).into_response())
}

fn lines(seen: &Snapshot, may_act: bool) -> Markup {
    let list = table(seen, may_act);
    html! {
        h2 { "The oldest" }
        p class="note" {
            (seen.letters.len()) " of the " (seen.read) " that were read at " time { (seen.read_at()) } "."
            @if seen.read < seen.total {
                " They are the oldest of " (seen.total) "; restoring takes all that are meant."
            }
        }
        @if may_act { (repair::restoring_chosen(&list)) } @else { (list) }
    }
}

fn table(seen: &Snapshot, may_act: bool) -> Markup {
    let names = ["Letter", "Request", "Reason", "Error", "Discarded", "Gone for good"];
    html! {
        div class="wide" tabindex="0" role="region" aria-label="Discarded letters" {
            table {
                thead { tr {
                    @if may_act { th scope="col" { "Choose" } }
                    @for name in names { th scope="col" { (name) } }
                } }
                tbody { @for line in &seen.letters { (row(line, may_act)) } }
            }
        }
    }
}

fn row(line: &Line, may_act: bool) -> Markup {
    html! {
        tr {
            @if may_act { td { (repair::box_of(&line.id)) } }
            td { a href=(link("/dead-letters/discarded", &line.id)) { (id(&line.id)) } }
            td { @if let Some(request) = &line.request_id { (id(request)) } }
            td { (line.reason) }
            td { (line.error) }
            td { time { (line.discarded_at.as_deref().unwrap_or("-")) } }
            td { time { (line.gone_at.as_deref().unwrap_or("-")) } }
        }
    }
}
