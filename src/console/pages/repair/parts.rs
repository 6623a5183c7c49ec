//! What the pages of repair are made of: forms, a foreseen letter, the progress of a replay. Apart from what is done, because
//! several pages show it.

use maud::{Markup, html};

use crate::console::pages::fields::{Fields, IDS, text};
use crate::console::pages::layout::{id, link};
use crate::console::repair::{Moving, Progress};
use crate::replay::{Link, Shown, USUAL_RATE};

/// The form that edits a letter.
pub(in crate::console::pages) fn form_of(letter: &str, body: &str, may_send: bool) -> Markup {
    html! {
        form method="post" action=(format!("{}/edit", link("/dead-letters", letter))) {
            label { "Body" textarea name="body" rows="14" spellcheck="false" { (body) } }
            label { "Why" input name="why" maxlength="500" autocomplete="off"; }
            button { "Show what it comes to" }
            @if may_send { button name="send" value="yes" { "Send it" } }
        }
    }
}

/// The forms on the page of all dead letters, for what its filter shows.
pub(in crate::console::pages) fn forms(reason: &str, error: &str) -> Markup {
    let fields: Fields = [("reason", reason), ("error", error)]
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    html! {
        h2 { "Replay or discard" }
        form method="post" action="/dead-letters/dry-run" class="search" {
            (choice(&fields))
            button { "Show what a replay comes to" }
        }
        form method="post" action="/dead-letters/discard" class="search" {
            (choice(&fields))
            (agreed())
            button { "Discard" }
        }
        p { a href="/dead-letters/replay" { "The replay that goes on, or the last one" } }
    }
}

/// The forms on the page of one letter.
pub(in crate::console::pages) fn forms_of(letter: &str) -> Markup {
    html! {
        form method="post" action="/dead-letters/dry-run" {
            (alone(letter))
            button { "Show what a replay comes to" }
        }
        p class="note" { "A letter may lie there twice under one id, so it is asked here, too, how many they are." }
        form method="post" action="/dead-letters/discard" class="search" {
            (alone(letter))
            (agreed())
            button { "Discard it" }
        }
    }
}

/// The form around a list by whose boxes letters are chosen.
pub(in crate::console::pages) fn form_of_chosen(list: &Markup) -> Markup {
    html! {
        form method="post" action="/dead-letters/dry-run" {
            (list)
            div class="search" {
                // To look takes no reason. It stands first, so it is also what the enter key does.
                button formnovalidate { "Show what the chosen ones come to" }
                (agreed())
                button formaction="/dead-letters/discard" { "Discard the chosen ones" }
            }
        }
    }
}

/// The box of a letter in such a list.
pub(in crate::console::pages) fn box_of(letter: &str) -> Markup {
    html! { input type="checkbox" name=(IDS) value=(letter) aria-label=(format!("Choose letter {letter}")); }
}

/// The form on the page of the discarded letters.
pub(in crate::console::pages) fn form_that_restores() -> Markup {
    restore(&choice(&Fields::new()), "Restore them")
}

/// The form on the page of one of them.
pub(in crate::console::pages) fn restoring(letter: &str) -> Markup {
    restore(&alone(letter), "Restore it")
}

fn restore(which: &Markup, button: &str) -> Markup {
    html! {
        form method="post" action="/dead-letters/restore" class="search" {
            (which)
            (why())
            button { (button) }
        }
    }
}

/// The letters that are being moved to the discarded ones or back, or were last.
pub(in crate::console::pages) fn moved(moving: Option<&Moving>) -> Markup {
    html! {
        @if let Some(moving) = moving {
            p class=(if moving.is_running() { "state" } else { "note" }) { (moving.in_words()) }
        }
    }
}

/// The form around a list of them by whose boxes letters are chosen.
pub(in crate::console::pages) fn restoring_chosen(list: &Markup) -> Markup {
    html! {
        form method="post" action="/dead-letters/restore" {
            (list)
            div class="search" {
                (why())
                button { "Restore the chosen ones" }
            }
        }
    }
}

fn alone(letter: &str) -> Markup {
    html! { input type="hidden" name=(IDS) value=(letter); }
}

fn why() -> Markup {
    html! { label { "Why" input name="why" required maxlength="500" autocomplete="off"; } }
}

/// What is asked before anything is discarded.
fn agreed() -> Markup {
    html! {
        label { "How many they are" input name="count" inputmode="numeric" required autocomplete="off"; }
        (why())
    }
}

fn choice(fields: &Fields) -> Markup {
    html! {
        @for (name, label) in [
            ("reason", "Reason"), ("error", "Error holds"), ("site", "Site"), ("member", "Member"),
            ("since", "First seen since"), ("before", "Before"), ("ids", "Ids"),
        ] {
            label { (label) input name=(name) value=(text(fields, name)) autocomplete="off"; }
        }
        label { input type="checkbox" name="all" value="yes"; " All of them" }
        label { input type="checkbox" name="neverReplayed" value="yes"; " Not those that came back" }
    }
}

pub(super) fn how() -> Markup {
    html! {
        (why())
        label { "At most so many a second" input name="rate" value=(USUAL_RATE) inputmode="numeric" autocomplete="off"; }
        label { "Stop if more than this share fails, in percent" input name="maxFailures" value="20" inputmode="numeric"; }
    }
}

pub(super) fn hidden(fields: &Fields) -> Markup {
    let carried =
        fields.iter().filter(|(name, value)| !["why", "count", "rate"].contains(&name.as_str()) && !value.is_empty());
    html! { @for (name, value) in carried { input type="hidden" name=(name) value=(value); } }
}

pub(super) fn foreseen(shown: &Shown) -> Markup {
    let pretty = |value: &serde_json::Value| serde_json::to_string_pretty(value).unwrap_or_default();
    html! {
        h2 { (id(&shown.id)) " " (shown.outcome) @for word in [shown.code, shown.reason].into_iter().flatten() { " " (word) } }
        p { (shown.why) }
        @for (title, value) in [("Before", &shown.before), ("After", &shown.after), ("Event", &shown.event)] {
            @if let Some(value) = value { details { summary { (title) } pre tabindex="0" { (pretty(value)) } } }
        }
    }
}

pub(super) fn both(link: &Link) -> Markup {
    html! {
        dl {
            div { dt { "Letter" } dd { (id(&link.letter)) } }
            div { dt { "Request" } dd { (link.request_id) } }
            @if let Some(id) = &link.new_request_id { div { dt { "New id, for the first is used" } dd { (id) } } }
            div { dt { "SHA-256 of the body" } dd { (link.body_sha256) } }
            div { dt { "of the edited one" } dd { (link.new_body_sha256) } }
        }
    }
}

pub(super) fn now(progress: Option<&Progress>) -> Markup {
    let Some(progress) = progress else { return html! { p { "Nothing was replayed since this worker started." } } };
    let tally = &progress.tally;
    let verdicts = tally.verdicts.iter().map(|(verdict, count)| (*verdict, *count));
    let counts = [("chosen", tally.chosen), ("replayed", tally.replayed)].into_iter().chain(verdicts);
    let rest = [
        ("came back", tally.came_back),
        ("without an outcome", tally.unsettled),
        ("refused", tally.refused),
        ("left", tally.left),
    ];
    html! {
        p { "Replay " (id(&progress.id)) " of " (progress.letters) ", begun by " (progress.who) " at " time { (progress.began) } "." }
        p class=(if progress.running { "state" } else { "note" }) {
            @if progress.running { "It goes on, step " (tally.steps + 1) "." }
            @else { (progress.outcome.as_deref().unwrap_or("It has ended.")) }
            @if progress.resumable { " It can go on where it stopped." }
        }
        @if progress.replayed_before > 0 { p { (progress.replayed_before) " were replayed before it was gone on with." } }
        dl { @for (name, count) in counts.chain(rest) { div { dt { (name) } dd { (count) } } } }
        @for failure in tally.failed.iter().chain(&progress.refused) {
            p { (id(&failure.id)) " " (failure.why) }
        }
    }
}
