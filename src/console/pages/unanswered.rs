//! What the dead letters tell of a request without a verdict, and of a member. Apart from what is on record: it is known as of
//! the last reading.

use maud::{Markup, html};

use super::layout::{id, link};
use crate::console::member_letters::MemberLetters;
use crate::console::unanswered::Unanswered;

/// Why a request has no verdict.
pub(super) fn without_verdict(unanswered: &Unanswered) -> Markup {
    html! {
        p { (unanswered.text) "." }
        @for letter in &unanswered.letters {
            p { "Dead letter " (opened(&letter.id)) ", " (letter.in_words()) }
        }
    }
}

/// The dead letters about a member.
pub(super) fn of_member(member: &MemberLetters) -> Markup {
    html! {
        h2 { "Dead letters, newest first" }
        p class="note" { (member.in_words()) ". " a href="/dead-letters" { "To the dead letters" } }
        @if !member.letters.is_empty() {
            ol class="timeline" {
                @for letter in &member.letters {
                    li class="letter" {
                        time { (letter.first_seen.as_deref().unwrap_or("-")) } " " strong { "dead letter" } " "
                        (opened(&letter.id)) ", " (letter.in_words())
                        @if let Some(request) = &letter.request_id {
                            ", of request " a href=(link("/requests", request)) { (id(request)) }
                        }
                    }
                }
            }
        }
    }
}

fn opened(letter: &str) -> Markup {
    html! { a href=(link("/dead-letters", letter)) { (id(letter)) } }
}
