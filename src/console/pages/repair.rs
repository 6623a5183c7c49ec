//! What is done with dead letters, as forms: a dry run before anything is sent, and the progress of a replay, live.

mod parts;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Form, Path, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Redirect, Response};
use futures_util::stream;
use maud::html;
use tokio_util::sync::CancellationToken;

use self::parts::{both, foreseen, hidden, how, now};
pub(super) use self::parts::{
    box_of, form_of, form_of_chosen, form_that_restores, forms, forms_of, moved, restoring, restoring_chosen,
};
use super::Page;
use super::fields::{Chosen, Fields, IDS, number, text};
use super::layout::{id, page};
use crate::console::access::Operator;
use crate::console::api::careful;
use crate::console::failure::Failure;
use crate::console::parts::Console;
use crate::console::repair::DryRun;
use crate::console::which::Which;

/// Between two looks at a replay.
const EVERY: Duration = Duration::from_secs(1);
/// A page that stays open connects anew after this, and proves itself again.
const LOOKS: u32 = 900;

/// What letters would come to.
pub(super) async fn dry_run(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
    Form(Chosen(fields)): Form<Chosen>,
) -> Page {
    let which = which(&fields);
    let DryRun { shown, more, among } = console.dry_run(&operator, &which, fields.contains_key("force"), None).await?;
    let body = html! {
        h1 { "Dry run" }
        p { "What each would come to if it were replayed now. Nothing was changed. Personal data is masked." }
        @if more { p class="note" { "There are more; these are the oldest." } }
        @if let Some(among) = among.in_words() {
            p class="note" { "Looked for " (among) ". A replay takes all that are meant, the newer ones too." }
        }
        @for one in &shown { (foreseen(one)) }
        @if shown.is_empty() { p { "No dead letter is meant by that." } }
        h2 { "Replay them" }
        form method="post" action="/dead-letters/replay" {
            (hidden(&fields))
            (how())
            button { "Replay" }
        }
    };
    Ok(page("Dry run", Some(&operator), &body).into_response())
}

/// Begins a replay.
pub(super) async fn replay(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
    Form(Chosen(fields)): Form<Chosen>,
) -> Page {
    let plan = careful(
        &which(&fields),
        number(&fields, "rate")?,
        number(&fields, "maxFailures")?,
        None,
        fields.contains_key("force"),
    )?;
    console.begin_replay(&operator, plan, text(&fields, "why")).await?;
    Ok(Redirect::to("/dead-letters/replay").into_response())
}

/// How far it is.
pub(super) async fn progress(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
) -> Response {
    let body = html! {
        h1 { "Replay" }
        p id="live-state" class="note" aria-live="polite" { "As it was when this page was opened." }
        div id="live" data-live="/dead-letters/replay/live" { (now(console.repair.progress().as_ref())) }
        form method="post" action="/dead-letters/replay/stop" {
            label { "Why" input name="why" required maxlength="500" autocomplete="off"; }
            button { "Stop between two letters" }
        }
        form method="post" action="/dead-letters/replay/resume" {
            label { "Why" input name="why" required maxlength="500" autocomplete="off"; }
            button { "Go on where it stopped" }
        }
        p { a href="/dead-letters" { "To the dead letters" } }
    };
    page("Replay", Some(&operator), &body).into_response()
}

/// The same, sent as it goes on.
pub(super) async fn live(
    State(console): State<Arc<Console>>,
    Extension(stop): Extension<CancellationToken>,
) -> Response {
    let Ok(turn) = Arc::clone(&console.streams).try_acquire_owned() else {
        return Failure::Refused("too many live pages are open".to_owned()).into_response();
    };
    let looks = stream::unfold((console, stop, turn, 0), |(console, stop, turn, looks)| async move {
        if looks > 0 {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = stop.cancelled() => return None,
            }
        }
        // The protocol has no word for a carriage return.
        let html = now(console.repair.progress().as_ref()).into_string().replace('\r', " ");
        let event = Event::default().event("overview").data(html);
        (looks < LOOKS).then_some((Ok::<_, Infallible>(event), (console, stop, turn, looks + 1)))
    });
    Sse::new(looks).keep_alive(KeepAlive::default()).into_response()
}

/// Stops it.
pub(super) async fn stop(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
    Form(fields): Form<Fields>,
) -> Page {
    console.stop_replay(&operator, text(&fields, "why")).await?;
    Ok(Redirect::to("/dead-letters/replay").into_response())
}

/// Goes on where it stopped.
pub(super) async fn resume(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
    Form(fields): Form<Fields>,
) -> Page {
    console.resume_replay(&operator, text(&fields, "why")).await?;
    Ok(Redirect::to("/dead-letters/replay").into_response())
}

/// Discards as many as are said.
pub(super) async fn discard(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
    Form(Chosen(fields)): Form<Chosen>,
) -> Page {
    let count = number(&fields, "count")?.unwrap_or(0);
    let moved = console.discard(&operator, &which(&fields), count, text(&fields, "why")).await?;
    let body = html! {
        h1 { "Discarded" }
        p { (moved.moved) " were discarded. For seven days they can be restored." }
        @for (letter, why) in &moved.kept { p { (id(letter)) " stays: " (why) } }
        form method="post" action="/dead-letters/restore" {
            (hidden(&fields))
            label { "Why" input name="why" required maxlength="500" autocomplete="off"; }
            button { "Restore them" }
        }
        p { a href="/dead-letters/discarded" { "All that were discarded" } }
    };
    Ok(page("Discarded", Some(&operator), &body).into_response())
}

/// Takes back what was discarded.
pub(super) async fn restore(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
    Form(Chosen(fields)): Form<Chosen>,
) -> Page {
    let moved = console.restore(&operator, &which(&fields), text(&fields, "why")).await?;
    let body = html! {
        h1 { "Restored" }
        p { (moved.moved) " lie among the dead letters again, of " (moved.total) " that had been discarded." }
        p { a href="/dead-letters" { "To the dead letters" } }
    };
    Ok(page("Restored", Some(&operator), &body).into_response())
}

/// Shows what an edited letter comes to, or sends it.
pub(super) async fn edit(
    State(console): State<Arc<Console>>,
    Extension(operator): Extension<Operator>,
    Path(letter): Path<String>,
    Form(fields): Form<Fields>,
) -> Page {
    let (new_body, send) = (text(&fields, "body").to_owned(), fields.contains_key("send"));
    let (shown, link) =
        console.edit(&operator, &letter, new_body.clone(), send.then_some(text(&fields, "why"))).await?;
    let body = html! {
        h1 { @if send { "Sent" } @else { "What it would come to" } }
        (foreseen(&shown))
        (both(&link))
        @if send {
            p {
                "The letter as it was lies among the " a href="/dead-letters/discarded" { "discarded ones" }
                ": it can be restored for seven days."
            }
        }
        @if !send { (form_of(&letter, &new_body, true)) }
        p { a href="/dead-letters" { "To the dead letters" } }
    };
    Ok(page("Edit", Some(&operator), &body).into_response())
}

fn which(fields: &Fields) -> Which {
    let of = |name| text(fields, name).to_owned();
    Which {
        ids: text(fields, IDS)
            .split([' ', ',', '\n', '\r'])
            .filter(|id| !id.is_empty())
            .map(ToOwned::to_owned)
            .collect(),
        all: fields.contains_key("all"),
        reason: of("reason"),
        site: of("site"),
        member: of("member"),
        since: of("since"),
        before: of("before"),
        error: of("error"),
        never_replayed: fields.contains_key("neverReplayed"),
    }
}
